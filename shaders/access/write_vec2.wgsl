// Writes four pixels, two and two that lie together and aligned, both valid or neither.
alias Output = f32;

@group(0) @binding(4) var<storage, read_write> output: array<vec2<Output>>;

fn store_quad(at: vec4<u32>, valid: vec4<bool>, value: vec4<f32>) {
    if valid.x { output[at.x >> 1u] = vec2<Output>(value.xy); }
    if valid.z { output[at.z >> 1u] = vec2<Output>(value.zw); }
}
