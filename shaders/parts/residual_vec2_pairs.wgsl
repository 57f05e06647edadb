// Four values of the residual, two and two that lie together and aligned, both valid or neither, in two loads.
@group(0) @binding(5) var<storage, read> residual: array<u64>;

fn residual_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec2<u32>(0u), at.xz >> vec2<u32>(1u), valid.xz);
    return quad_of(vec2<u64>(residual[i.x], residual[i.y]));
}
