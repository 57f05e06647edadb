// The larger of two values; a NaN is larger than any number, as in PyTorch's maxima. `max` may drop it, and drivers
// may compile comparisons of floats as if there were none, so that bits are compared: as i32 they are in the order of
// the numbers, but for negative ones.
fn order_of(value: f32) -> i32 {
    let bits = bitcast<i32>(value);
    let magnitude = bits & 0x7fffffff;
    // Of all NaNs the same, with or without a sign.
    return select(select(bits, -1 - magnitude, bits < 0), 0x7fffffff, magnitude > 0x7f800000);
}

fn larger(a: f32, b: f32) -> f32 {
    return select(a, b, order_of(b) > order_of(a));
}
