// Four values of the residual, two and two that lie together and aligned, both valid or neither.
alias Residual = f32;

@group(0) @binding(5) var<storage, read> residual: array<vec2<Residual>>;

fn residual_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec2<u32>(0u), at.xz >> vec2<u32>(1u), valid.xz);
    return vec4<f32>(vec4<Residual>(residual[i.x], residual[i.y]));
}
