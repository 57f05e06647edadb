// tanh(value), by an exponential (drivers' own may be NaN for large values, and far off for small ones) where that does
// not cancel.
fn activate(value: vec4<f32>) -> vec4<f32> {
    let size = abs(value);
    let fallen = falling(size + size);
    let far = (1.0 - fallen) / (1.0 + fallen);
    let with_sign = select(far, -far, value < vec4<f32>(0.0));
    return select(select(with_sign, tanh_near(value), size < vec4<f32>(0.625)), value, is_nan(value));
}
