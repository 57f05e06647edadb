// What follows the sum: activation(scale * sum + bias + residual). `table` holds scale and bias as the bits of f32.
const ACTIVATION: u32 = 0u; // 0 none, 1 ReLU

fn epilogue(channel: u32, sum: vec4<f32>, residual: vec4<f32>) -> vec4<f32> {
    let scale = bitcast<f32>(table[params.scale_at + channel]);
    let bias = bitcast<f32>(table[params.bias_at + channel]);
    let value = scale * sum + bias + residual;
    if ACTIVATION == 1u {
        return max(value, vec4<f32>(0.0));
    }
    return value;
}
