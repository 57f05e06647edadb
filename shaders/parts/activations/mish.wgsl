// value * tanh(log(1 + exp(value))). With f = exp(-|value|) the tangent is, of negative values and of others,
//
//   (f^2 + 2 f) / (f^2 + 2 f + 2)   and   1 - 2 f^2 / (2 f^2 + 2 f + 1)
fn activate(value: vec4<f32>) -> vec4<f32> {
    let fallen = falling(abs(value));
    let square = fallen * fallen;
    let is_negative = value < vec4<f32>(0.0);
    let share = select(square + square, square + 2.0 * fallen, is_negative);
    let rest = select(2.0 * fallen + 1.0, vec4<f32>(2.0), is_negative);
    return without(value, share / (share + rest), 87.0);
}
