// Writes four pixels, each at its own index, where `valid`.
alias Output = f32;

@group(0) @binding(4) var<storage, read_write> output: array<Output>;

fn store_quad(at: vec4<u32>, valid: vec4<bool>, value: vec4<f32>) {
    if valid.x { output[at.x] = Output(value.x); }
    if valid.y { output[at.y] = Output(value.y); }
    if valid.z { output[at.z] = Output(value.z); }
    if valid.w { output[at.w] = Output(value.w); }
}
