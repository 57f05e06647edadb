// Reads a tensor of f32 two values at a time as one word of 64 bits: they lie together and aligned, both valid or
// neither.
const TENSOR_BINDING: u32 = 1u;

@group(0) @binding(TENSOR_BINDING) var<storage, read> tensor: array<u64>;

// The value at `index`.
fn tensor_at(index: u32) -> f32 {
    return bitcast<f32>(u32(tensor[index >> 1u] >> ((index & 1u) * 32u)));
}

// Four values in two loads; zero where `valid` is false (the index may then be anything).
fn tensor_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec2<u32>(0u), at.xz >> vec2<u32>(1u), valid.xz);
    return select(vec4<f32>(0.0), quad_of(vec2<u64>(tensor[i.x], tensor[i.y])), valid);
}

// One value; zero where `valid` is false (the index may then be anything).
fn tensor_value(at: u32, valid: bool) -> f32 {
    return select(0.0, tensor_at(select(0u, at, valid)), valid);
}

