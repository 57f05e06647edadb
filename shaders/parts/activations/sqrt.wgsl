// sqrt(max(0, value)). Drivers have it as an inverse, which of 0 is infinite and of infinity 0: what is no normal
// number, and what is not finite, is not left to them.
fn activate(value: vec4<f32>) -> vec4<f32> {
    let root = select(sqrt(value), vec4<f32>(0.0), value < vec4<f32>(1.1754944e-38));
    let is_infinite = bitcast<vec4<u32>>(value) == vec4<u32>(0x7f800000u);
    return select(root, value, is_infinite | is_nan(value));
}
