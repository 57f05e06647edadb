// Weights in f32, four at a time, in two loads.
@group(0) @binding(2) var<storage, read> summary: array<vec2<u64>>;

fn stored_quad(quad: u32) -> vec4<f32> {
    return quad_of(summary[quad]);
}
