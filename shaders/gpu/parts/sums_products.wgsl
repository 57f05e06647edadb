// Sums are products: row r of group g goes to its slot, if any filter reads it.
//
//   P[slot, p] = S        products [slots, pixels]
fn store_sums(group: u32, row: u32, pixel: vec4<u32>, sums: vec4<f32>) {
    let slot = table[params.slots_at + group * params.rows + row];
    if slot != params.slots {
        store_quad(slot * params.pixels + pixel, pixel < vec4<u32>(params.pixels), sums);
    }
}
