// No residual.
fn residual_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return vec4<f32>(0.0);
}

fn residual_value(at: u32, valid: bool) -> f32 {
    return 0.0;
}
