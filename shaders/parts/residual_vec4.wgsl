// Four values of the residual that lie together and aligned.
alias Residual = f32;

@group(0) @binding(5) var<storage, read> residual: array<vec4<Residual>>;

fn residual_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return vec4<f32>(residual[select(0u, at.x >> 2u, valid.x)]);
}
