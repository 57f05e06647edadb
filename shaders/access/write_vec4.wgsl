// Writes four pixels that lie together and aligned, all valid or none.
alias Output = f32;

@group(0) @binding(4) var<storage, read_write> output: array<vec4<Output>>;

fn store_quad(at: vec4<u32>, valid: vec4<bool>, value: vec4<f32>) {
    if valid.x { output[at.x >> 2u] = vec4<Output>(value); }
}
