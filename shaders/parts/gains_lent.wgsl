// Tap gains g(i, t) [O, T] in a buffer of the caller's.
const GAINS: u32 = 1u;

fn gain_of(filter_index: u32, tap: u32) -> f32 {
    return gains_at(filter_index * params.conv.kernel_height * params.conv.kernel_width + tap);
}
