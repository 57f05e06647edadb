// Sums are products: row r of group g goes to its slot, if any filter reads it, after the base stage if there is one.
//
//   P[split, slot, p] = S        products [splits, slots, pixels]
struct Spot {
    to: vec4<u32>,
    valid: vec4<bool>,
}

// Where four neighbouring pixels from `pixel` on go.
fn spot_of(split: u32, pixel: u32) -> Spot {
    let pixels = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u);
    return Spot(pixels + split * params.slots * params.pixels, pixels < vec4<u32>(params.pixels));
}

fn store_sums(group: u32, row: u32, spot: Spot, sums: vec4<f32>) {
    let own = group * params.rows + row;
    let slot = table[params.slots_at + own];
    if slot != params.slots {
        store_quad(slot * params.pixels + spot.to, spot.valid, staged(own, sums));
    }
}
