// value * min(max(0, value / 6 + 1/2), 1).
fn activate(value: vec4<f32>) -> vec4<f32> {
    return value * clipped(value * (1.0 / 6.0) + 0.5, 0.0, 1.0);
}

