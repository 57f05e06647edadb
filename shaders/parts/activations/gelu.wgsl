// value * (1 + erf(value / sqrt(2))) / 2. For x >= 0 the error function is
//
//   1 - erf(x) = (a1 t + a2 t^2 + .. + a5 t^5) exp(-x^2),  t = 1 / (1 + p x)              off by at most 1.5e-7
//
// (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26); here with halves of a1 to a5.
fn activate(value: vec4<f32>) -> vec4<f32> {
    // The Gaussian is 1e-37 there.
    let size = min(abs(value), vec4<f32>(13.0));
    let t = 1.0 / (1.0 + 0.23164187 * size);
    let halves = t * (0.1274148 + t * (-0.14224837 + t * (0.7107069 + t * (-0.726576 + t * 0.5307027))));
    return without(value, halves * falling(0.5 * size * size), 13.0);
}

