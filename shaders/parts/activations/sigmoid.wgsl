// 1 / (1 + exp(-value)), of negative values exp(value) / (1 + exp(value)).
fn activate(value: vec4<f32>) -> vec4<f32> {
    let fallen = falling(abs(value));
    let share = select(vec4<f32>(1.0), fallen, value < vec4<f32>(0.0));
    return select(share / (1.0 + fallen), value, is_nan(value));
}

