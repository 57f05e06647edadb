// Sums are products: row r of group g goes to its slot, if any filter reads it, after the base stage if there is one.
//
//   P[slot, p] = S        products [slots, pixels]
fn store_sums(group: u32, row: u32, pixel: vec4<u32>, sums: vec4<f32>) {
    let own = group * params.rows + row;
    let slot = table[params.slots_at + own];
    if slot != params.slots {
        store_quad(slot * params.pixels + pixel, pixel < vec4<u32>(params.pixels), staged(own, sums));
    }
}
