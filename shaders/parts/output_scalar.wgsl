// Writes four pixels, each at its own index, where `valid`.
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn store_quad(at: vec4<u32>, valid: vec4<bool>, value: vec4<f32>) {
    if valid.x { output[at.x] = value.x; }
    if valid.y { output[at.y] = value.y; }
    if valid.z { output[at.z] = value.z; }
    if valid.w { output[at.w] = value.w; }
}
