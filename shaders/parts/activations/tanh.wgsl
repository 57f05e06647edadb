// tanh(value), by an exponential (drivers' own may be NaN for large values, and far off for small ones), and where that
// would cancel by the odd polynomial of Cephes' tanhf.
fn activate(value: vec4<f32>) -> vec4<f32> {
    let size = abs(value);
    let square = value * value;
    let odd = -0.33333282 + square * (0.13331442 + square * (-0.053739716 + square * (0.020639088
        - square * 0.0057049887)));
    let near = value + value * square * odd;
    let fallen = falling(size + size);
    let far = (1.0 - fallen) / (1.0 + fallen);
    let with_sign = select(far, -far, value < vec4<f32>(0.0));
    return select(select(with_sign, near, size < vec4<f32>(0.625)), value, is_nan(value));
}

