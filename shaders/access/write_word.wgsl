// Writes four pixels, two and two that lie together and aligned, both valid or neither, in two stores.
@group(0) @binding(4) var<storage, read_write> output: array<u64>;

fn store_quad(at: vec4<u32>, valid: vec4<bool>, value: vec4<f32>) {
    let pairs = pair_of(value);
    if valid.x { output[at.x >> 1u] = pairs.x; }
    if valid.z { output[at.z >> 1u] = pairs.y; }
}
