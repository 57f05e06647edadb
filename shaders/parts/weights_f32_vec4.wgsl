// Weights in f32, four at a time.
@group(0) @binding(2) var<storage, read> summary: array<vec4<f32>>;

fn stored_quad(quad: u32) -> vec4<f32> {
    return summary[quad];
}
