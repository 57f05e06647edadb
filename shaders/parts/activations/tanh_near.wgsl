// tanh(value) of sizes below 0.625, where an exponential would cancel: the odd polynomial of Cephes' tanhf.
fn tanh_near(value: vec4<f32>) -> vec4<f32> {
    let square = value * value;
    let odd = -0.33333282 + square * (0.13331442 + square * (-0.053739716 + square * (0.020639088
        - square * 0.0057049887)));
    return value + value * square * odd;
}
