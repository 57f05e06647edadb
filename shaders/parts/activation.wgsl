// What only cuts values off: nothing, ReLU and ReLU6, behind sums and in base stages. ReLU leaves a NaN, as PyTorch's
// does: drivers may make 0 of it in `max`, and may compile comparisons of floats as if there were none, so that bits
// are compared. As i32 those of negative numbers, from -0 to -infinity, are the least; those of NaNs with a sign are
// above them. Positive ones are in order.
//
// As bits.
const NEGATIVE_INFINITY: i32 = -0x800000;
const INFINITY: i32 = 0x7f800000;
const SIX: i32 = 0x40c00000;

fn activated(activation: u32, value: vec4<f32>) -> vec4<f32> {
    if activation == 0u {
        return value;
    }
    let bits = bitcast<vec4<i32>>(value);
    let positive = select(value, vec4<f32>(0.0), bits <= vec4<i32>(NEGATIVE_INFINITY));
    if activation == 1u {
        return positive;
    }
    return select(positive, vec4<f32>(6.0), (bits > vec4<i32>(SIX)) & (bits <= vec4<i32>(INFINITY)));
}
