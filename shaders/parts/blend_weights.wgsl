// Weights of four consecutive channels of a filter's tap, which begins at `first` in one segment and at `next` in the
// other.
fn blended_quad(fraction: f32, first: i32, next: i32, channel: u32) -> vec4<f32> {
    let weights = weight_quad(first, channel);
    if NEIGHBOURS == 1u {
        return weights;
    }
    return blend(fraction, weights, weight_quad(next, channel));
}
