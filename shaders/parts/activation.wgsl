// What every value goes through last. ReLU leaves a NaN, as PyTorch's does: drivers may make 0 of it in `max`, and
// may compile comparisons of floats as if there were none, so that bits are compared. As i32 those of negative
// numbers, from -0 to -infinity, are the least; those of NaNs with a sign are above them.
const ACTIVATION: u32 = 0u; // 0 none, 1 ReLU
const NEGATIVE_INFINITY: i32 = -0x800000; // as bits

fn activate(value: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 1u {
        return select(value, vec4<f32>(0.0), bitcast<vec4<i32>>(value) <= vec4<i32>(NEGATIVE_INFINITY));
    }
    return value;
}
