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
//
//! parts: grid, larger

const LANES: u32 = 64u;

struct Params {
    elements: u32,         // N * C * OH * OW
    channels: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    channels_total: u32,
    channel_offset: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    padded_height: u32,    // top + H + bottom
    padded_width: u32,
    average: u32,
    count_padding: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
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
    let out_plane = params.out_height * params.out_width;
    let plane = element / out_plane;
    let within = element % out_plane;
    let first_y = within / params.out_width * params.stride_y;
    let first_x = within % params.out_width * params.stride_x;
    // In the padded input.
    let end_y = min(first_y + params.kernel_height, params.padded_height);
    let end_x = min(first_x + params.kernel_width, params.padded_width);

    var largest = 0.0;
    var sum = 0.0;
    var count = 0u;
    for (var y = max(first_y, params.pad_top); y < min(end_y, params.pad_top + params.height); y++) {
        for (var x = max(first_x, params.pad_left); x < min(end_x, params.pad_left + params.width); x++) {
            let value = input[(plane * params.height + y - params.pad_top) * params.width + x - params.pad_left];
            largest = select(larger(largest, value), value, count == 0u);
            sum += value;
            count += 1u;
        }
    }
    if params.count_padding == 1u {
        count = (end_y - first_y) * (end_x - first_x);
    }
    let channel = plane / params.channels * params.channels_total + params.channel_offset + plane % params.channels;
    output[channel * out_plane + within] = select(largest, sum / f32(max(count, 1u)), params.average == 1u);
}
