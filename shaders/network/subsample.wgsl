// The option-A shortcut of CIFAR ResNets (arXiv 1512.03385, section 4.2): every stride-th pixel, and zero channels
// before and after the input's.
//
//   Y[n, channel_offset + c, y, x] = X[n, c - zeros_before, y * stride_y, x * stride_x], 0 where there is no such
//       channel
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW].
// Grid      one thread an output element, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    elements: u32,         // N * O * OH * OW
    channels: u32,         // C
    out_channels: u32,     // O
    zeros_before: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    channels_total: u32,
    channel_offset: u32,
    stride_y: u32,
    stride_x: u32,
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
    let within = element % out_plane;
    let channel = element / out_plane % params.out_channels;
    let image = element / out_plane / params.out_channels;
    // Zero channels before wrap around to large numbers, which the comparison refuses.
    let source = channel - params.zeros_before;
    let y = within / params.out_width * params.stride_y;
    let x = within % params.out_width * params.stride_x;
    var value = 0.0;
    if source < params.channels {
        value = input[((image * params.channels + source) * params.height + y) * params.width + x];
    }
    let to = (image * params.channels_total + params.channel_offset + channel) * out_plane + within;
    output[to] = value;
}
