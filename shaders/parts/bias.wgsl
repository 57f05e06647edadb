// Biases of output channels, which `table` holds as the bits of f32.
fn bias_at(channel: u32) -> f32 {
    return bitcast<f32>(table[params.bias_at + channel]);
}
