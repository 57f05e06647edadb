// Four pixels of the input that lie together and aligned, all valid or none, in two loads.
@group(0) @binding(1) var<storage, read> input: array<vec2<u64>>;

fn input_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(0u, at.x >> 2u, valid.x);
    return select(vec4<f32>(0.0), quad_of(input[i]), valid);
}

// One pixel of the input; zero where `valid` is false (the index may then be anything).
fn input_value(at: u32, valid: bool) -> f32 {
    let i = select(0u, at, valid);
    let pair = input[i >> 2u][(i >> 1u) & 1u];
    return select(0.0, bitcast<f32>(u32(pair >> ((i & 1u) * 32u))), valid);
}
