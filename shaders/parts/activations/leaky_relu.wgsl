// The value, or slope * value where it is negative. Either is NaN where the value is.
fn activate(value: vec4<f32>) -> vec4<f32> {
    return select(value, numbers().slope * value, value < vec4<f32>(0.0));
}

