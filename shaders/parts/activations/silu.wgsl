// value / (1 + exp(-value)).
fn activate(value: vec4<f32>) -> vec4<f32> {
    let fallen = falling(abs(value));
    return without(value, fallen / (1.0 + fallen), 87.0);
}

