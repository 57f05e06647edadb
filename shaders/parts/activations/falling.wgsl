// exp(-size) for sizes from 0 on. WGSL leaves open what `exp` makes of results beyond f32, small or large; it ends at
// exp(-87) = 1.6e-38, which is a normal number still. `min` may make a number of a NaN.
fn falling(size: vec4<f32>) -> vec4<f32> {
    return exp(-min(size, vec4<f32>(87.0)));
}

