// Four pixels of the input, two and two that lie together and aligned, both valid or neither, in two loads.
@group(0) @binding(1) var<storage, read> input: array<u64>;

fn input_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec2<u32>(0u), at.xz >> vec2<u32>(1u), valid.xz);
    return select(vec4<f32>(0.0), quad_of(vec2<u64>(input[i.x], input[i.y])), valid);
}

// One pixel of the input; zero where `valid` is false (the index may then be anything).
fn input_value(at: u32, valid: bool) -> f32 {
    let i = select(0u, at, valid);
    return select(0.0, bitcast<f32>(u32(input[i >> 1u] >> ((i & 1u) * 32u))), valid);
}
