// slope * value, or of negative values low * (exp(offset * value) - 1). Where the exponential would cancel, with
// t = tanh(size / 2) for a size of the exponent,
//
//   exp(-size) - 1 = -2 t / (1 + t)
fn activate(value: vec4<f32>) -> vec4<f32> {
    let size = abs(numbers().offset * value);
    let half = tanh_near(min(0.5 * size, vec4<f32>(0.625)));
    let lost = select(falling(size) - 1.0, -2.0 * half / (1.0 + half), size < vec4<f32>(1.25));
    let of_sign = select(numbers().slope * value, numbers().low * lost, value < vec4<f32>(0.0));
    return select(of_sign, value, is_nan(value));
}
