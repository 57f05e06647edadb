// Sums are parts of a convolution's outputs, one a split: row r of group g is output channel g * rows + r.
//
//   P[split, g * rows + r, p] = S        products [splits, O, pixels]
struct Spot {
    to: vec4<u32>,
    valid: vec4<bool>,
}

// Where four neighbouring pixels from `pixel` on go.
fn spot_of(split: u32, pixel: u32) -> Spot {
    let pixels = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u);
    return Spot(pixels + split * params.conv.out_channels * params.pixels, pixels < vec4<u32>(params.pixels));
}

fn store_sums(group: u32, row: u32, spot: Spot, sums: vec4<f32>) {
    store_quad((group * params.rows + row) * params.pixels + spot.to, spot.valid, sums);
}
