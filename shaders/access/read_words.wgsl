// Reads a tensor of f32 four values at a time as two words of 64 bits: they lie together and aligned, all valid or
// none.
const TENSOR_BINDING: u32 = 1u;

@group(0) @binding(TENSOR_BINDING) var<storage, read> tensor: array<vec2<u64>>;

// The four values of a quad, in two loads.
fn tensor_whole(quad: u32) -> vec4<f32> {
    return quad_of(tensor[quad]);
}

// The value at `index`, in one load.
fn tensor_at(index: u32) -> f32 {
    let word = tensor[index >> 2u][(index >> 1u) & 1u];
    return bitcast<f32>(u32(word >> ((index & 1u) * 32u)));
}

// Four values; zero where `valid` is false (the index may then be anything).
fn tensor_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(0.0), tensor_whole(select(0u, at.x >> 2u, valid.x)), valid);
}

// One value; zero where `valid` is false (the index may then be anything).
fn tensor_value(at: u32, valid: bool) -> f32 {
    return select(0.0, tensor_at(select(0u, at, valid)), valid);
}

