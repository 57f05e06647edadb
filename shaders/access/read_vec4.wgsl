// Reads a tensor four values at a time, which lie together and aligned, all valid or none.
const TENSOR_BINDING: u32 = 1u;

alias Tensor = f32;

@group(0) @binding(TENSOR_BINDING) var<storage, read> tensor: array<vec4<Tensor>>;

// The four values of a quad.
fn tensor_whole(quad: u32) -> vec4<f32> {
    return vec4<f32>(tensor[quad]);
}

// The value at `index`.
fn tensor_at(index: u32) -> f32 {
    return f32(tensor[index >> 2u][index & 3u]);
}

// Four values; zero where `valid` is false (the index may then be anything).
fn tensor_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(0.0), tensor_whole(select(0u, at.x >> 2u, valid.x)), valid);
}

// One value; zero where `valid` is false (the index may then be anything).
fn tensor_value(at: u32, valid: bool) -> f32 {
    return select(0.0, tensor_at(select(0u, at, valid)), valid);
}

