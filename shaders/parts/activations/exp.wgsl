// exp(min(value, 88)). WGSL leaves open what `exp` makes of results beyond f32, small or large: those below end at
// exp(-87) = 1.6e-38, which is a normal number still.
fn activate(value: vec4<f32>) -> vec4<f32> {
    return select(exp(clamp(value, vec4<f32>(-87.0), vec4<f32>(88.0))), value, is_nan(value));
}
