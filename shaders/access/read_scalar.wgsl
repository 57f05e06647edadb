// Reads a tensor whose values are each at an index of their own.
const TENSOR_BINDING: u32 = 1u;

alias Tensor = f32;

@group(0) @binding(TENSOR_BINDING) var<storage, read> tensor: array<Tensor>;

// The value at `index`.
fn tensor_at(index: u32) -> f32 {
    return f32(tensor[index]);
}

// Four values; zero where `valid` is false (the index may then be anything).
fn tensor_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec4<u32>(0u), at, valid);
    return select(vec4<f32>(0.0), vec4<f32>(vec4<Tensor>(tensor[i.x], tensor[i.y], tensor[i.z], tensor[i.w])), valid);
}

// One value; zero where `valid` is false (the index may then be anything).
fn tensor_value(at: u32, valid: bool) -> f32 {
    return select(0.0, tensor_at(select(0u, at, valid)), valid);
}

