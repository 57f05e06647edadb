// Products lie where they are, whole.
fn whole_term(place: Place, slot: u32, kx: u32) -> vec4<f32> {
    return term_quad(place, slot, kx);
}
