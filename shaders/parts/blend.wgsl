// A filter is a segment of the summary, or with a learned position a blend of two neighbouring ones: (1 - a) * first +
// a * next. `table` then holds every filter's a before the scales, as the bits of f32.
const NEIGHBOURS: u32 = 1u; // 2 for learned positions

fn fraction_of(filter_index: u32) -> f32 {
    if NEIGHBOURS == 1u {
        return 0.0;
    }
    return bitcast<f32>(table[params.scale_at - params.conv.out_channels + filter_index]);
}

fn blend(fraction: f32, first: vec4<f32>, next: vec4<f32>) -> vec4<f32> {
    if NEIGHBOURS == 1u {
        return first;
    }
    // A segment without a share is left out: nothing is left of an infinity in it, not even NaN.
    return select((1.0 - fraction) * first + fraction * next, first, fraction == 0.0);
}
