// No gains.
fn gain_of(filter_index: u32, tap: u32) -> f32 {
    return 1.0;
}
