// Writes four pixels that lie together and aligned, all valid or none, in two stores.
@group(0) @binding(4) var<storage, read_write> output: array<vec2<u64>>;

fn store_quad(at: vec4<u32>, valid: vec4<bool>, value: vec4<f32>) {
    if valid.x { output[at.x >> 2u] = pair_of(value); }
}
