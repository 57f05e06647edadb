// Scales of output channels, which `table` holds as the bits of f32.
fn scale_at(channel: u32) -> f32 {
    return bitcast<f32>(table[params.scale_at + channel]);
}
