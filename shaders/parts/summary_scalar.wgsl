// Weights of four consecutive channels, for every window and boundary. `base` is where channel 0 of the tap begins;
// channels past the last are zero.
alias Weight = f32;

@group(0) @binding(2) var<storage, read> summary: array<Weight>;

const BOUNDARY: u32 = 0u; // 0 none, 1 zero outside, 2 wrap

fn weight(base: i32, channel: u32) -> f32 {
    if channel >= params.channels {
        return 0.0;
    }
    let index = u32(base + i32(channel) * params.channel_stride);
    if BOUNDARY == 1u {
        // Negative indices are large as u32. The load is clamped, because `select` evaluates both sides.
        let value = f32(summary[min(index, params.summary_length - 1u)]);
        return select(0.0, value, index < params.summary_length);
    }
    if BOUNDARY == 2u {
        return f32(summary[index % params.summary_length]);
    }
    return f32(summary[index]);
}

fn weight_quad(base: i32, channel: u32) -> vec4<f32> {
    return vec4<f32>(
        weight(base, channel),
        weight(base, channel + 1u),
        weight(base, channel + 2u),
        weight(base, channel + 3u),
    );
}
