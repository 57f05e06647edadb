// Four pixels of the input, each at its own index; zero where `valid` is false (the index may then be anything).
alias Input = f32;

@group(0) @binding(1) var<storage, read> input: array<Input>;

fn input_quad(at: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let i = select(vec4<u32>(0u), at, valid);
    return select(vec4<f32>(0.0), vec4<f32>(vec4<Input>(input[i.x], input[i.y], input[i.z], input[i.w])), valid);
}

// One pixel of the input; zero where `valid` is false (the index may then be anything).
fn input_value(at: u32, valid: bool) -> f32 {
    let i = select(0u, at, valid);
    return select(0.0, f32(input[i]), valid);
}
