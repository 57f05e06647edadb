// Tap gains: a tap of a filter is multiplied by a learned number. `table` then holds g(i, t) [O, T] behind the biases,
// as the bits of f32.
const GAINS: u32 = 0u; // 1 where there are some

fn gain_of(filter_index: u32, tap: u32) -> f32 {
    if GAINS == 0u {
        return 1.0;
    }
    let taps = params.conv.kernel_height * params.conv.kernel_width;
    return bitcast<f32>(table[params.bias_at + params.conv.out_channels + filter_index * taps + tap]);
}
