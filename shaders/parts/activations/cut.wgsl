// What every value goes through last.
const ACTIVATION: u32 = 0u; // 0 none, 1 ReLU, 2 ReLU6

fn activate(value: vec4<f32>) -> vec4<f32> {
    return activated(ACTIVATION, value);
}

