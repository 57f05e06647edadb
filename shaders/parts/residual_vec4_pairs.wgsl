// Four values of the residual that lie together and aligned, in two loads.
@group(0) @binding(5) var<storage, read> residual: array<vec2<u64>>;

fn residual_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return quad_of(residual[select(0u, at.x >> 2u, valid.x)]);
}
