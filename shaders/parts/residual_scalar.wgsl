// Four values of the residual, each at its own index of the `[N, O, OH, OW]` tensor.
alias Residual = f32;

@group(0) @binding(5) var<storage, read> residual: array<Residual>;

fn residual_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec4<u32>(0u), at, valid);
    return vec4<f32>(vec4<Residual>(residual[i.x], residual[i.y], residual[i.z], residual[i.w]));
}
