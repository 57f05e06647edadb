// min(max(low, value), high), where NaN stays NaN: drivers may make a number of it in both.
fn clipped(value: vec4<f32>, low: f32, high: f32) -> vec4<f32> {
    return select(min(max(value, vec4<f32>(low)), vec4<f32>(high)), value, is_nan(value));
}

