// Products lie in splits, each the sum over some steps of the reduction.
fn whole_term(place: Place, slot: u32, kx: u32) -> vec4<f32> {
    var sum = term_quad(place, slot, kx);
    for (var split = 1u; split < params.splits; split++) {
        sum += term_quad(place, slot + split * params.split_size, kx);
    }
    return sum;
}
