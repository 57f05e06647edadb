// Pooling: the largest (a NaN, if there is one) or the average value of a window of the input.
//
//   max   Y[n, c, y, x] = max over taps inside the input
//   avg   Y[n, c, y, x] = (sum over taps inside the input) / count
//
// count is the number of taps inside the input, or, with `count_padding`, inside the padded input (PyTorch's
// count_include_pad: taps that only exist because of ceil_mode never count).
//
// Layouts   X [N * C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on.
// Grid      one thread an output element, flattened and folded.

const LANES: u32 = 64u;

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = linear_workgroup(workgroup, grid) * LANES + lane;
    if element >= params.elements {
        return;
    }
    let window = window_of(element);
    var largest = 0.0;
    var sum = 0.0;
    for (var y = 0u; y < window.rows; y++) {
        for (var x = 0u; x < window.columns; x++) {
            let value = input[window.first + y * params.width + x];
            largest = select(larger(largest, value), value, x + y == 0u);
            sum += value;
        }
    }
    output[window.output] = select(largest, sum / window.count, params.average == 1u);
}
