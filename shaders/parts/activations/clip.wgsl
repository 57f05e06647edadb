// min(max(low, value), high).
fn activate(value: vec4<f32>) -> vec4<f32> {
    return clipped(value, numbers().low, numbers().high);
}

