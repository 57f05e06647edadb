// value * (1 + tanh(u)) / 2 with u = sqrt(2 / pi) * (value + 0.044715 * value^3), which is value / (1 + exp(-2 u)).
fn activate(value: vec4<f32>) -> vec4<f32> {
    // The exponential is 1e-38 there.
    let size = min(abs(value), vec4<f32>(10.0));
    let fallen = falling(size * (1.5957691 + 0.071354814 * size * size));
    return without(value, fallen / (1.0 + fallen), 10.0);
}

