// Sums are outputs: row r of group g is output channel g * rows + r. There is one split.
//
//   Y[n, channel_offset + i, p] = epilogue(S)        Y [N, channels_total, OH, OW], residual [N, O, OH, OW]
struct Spot {
    // Of channel 0, in the output and in the residual.
    to: vec4<u32>,
    of_residual: vec4<u32>,
    valid: vec4<bool>,
}

// Where four neighbouring pixels from `pixel` on go.
fn spot_of(split: u32, pixel: u32) -> Spot {
    let plane = params.conv.out_height * params.conv.out_width;
    let pixels = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u);
    let image = pixels / plane;
    let within = pixels % plane;
    let to = (image * params.conv.channels_total + params.conv.channel_offset) * plane + within;
    let of_residual = image * params.conv.out_channels * plane + within;
    return Spot(to, of_residual, pixels < vec4<u32>(params.pixels));
}

fn store_sums(group: u32, row: u32, spot: Spot, sums: vec4<f32>) {
    let channel = group * params.rows + row;
    let at = channel * (params.conv.out_height * params.conv.out_width);
    let from_residual = residual_quad(spot.of_residual + at, spot.valid);
    store_quad(spot.to + at, spot.valid, epilogue(affine_of(channel), sums, from_residual));
}
