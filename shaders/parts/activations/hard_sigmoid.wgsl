// min(max(0, slope * value + offset), 1).
fn activate(value: vec4<f32>) -> vec4<f32> {
    return clipped(numbers().slope * value + numbers().offset, 0.0, 1.0);
}

