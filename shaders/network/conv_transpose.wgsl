// Transposed convolution, gathered: what is spread over an output pixel.
//
//   Y[n, o, y, x] = activation( scale[o] * sum + bias[o] )
//   sum over taps (i, j) and channels c of o's group of W[c, o, i, j] * X[n, c, p, q]
//       where p * stride_y + i * dilation_y = y + pad_top and q * stride_x + j * dilation_x = x + pad_left
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on. `table` holds
//           weights [group, quad of output channels, tap, channel of the group] in quads of output channels, zeros for
//           those past the last and for channels up to a multiple of four; then scales, then biases, [group, quad].
// Tile      a thread sums four output channels at one pixel, so that neighbours read the same weights and pixels side
//           by side; every tap by itself, four channels a turn.
// Grid      one thread a pixel and quad of output channels, pixels fastest, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    numbers: Numbers,      // of the activation
    threads: u32,          // N * groups * out_quads * OH * OW
    channels: u32,         // C
    group_channels: u32,   // C / groups
    height: u32,
    width: u32,
    groups: u32,
    group_outputs: u32,    // O / groups
    out_quads: u32,        // of a group
    out_height: u32,
    out_width: u32,
    channels_total: u32,
    channel_offset: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_top: u32,
    pad_left: u32,
    scale_at: u32,         // quads in `table`
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn numbers() -> Numbers {
    return params.numbers;
}

// A channel's pixel, 0 past the last channel.
fn pixel_at(first: u32, channel: u32) -> f32 {
    let is_there = channel < params.group_channels;
    return select(0.0, input[first + select(0u, channel, is_there) * params.height * params.width], is_there);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = linear_workgroup(workgroup, grid) * LANES + lane;
    if thread >= params.threads {
        return;
    }
    let out_plane = params.out_height * params.out_width;
    let within = thread % out_plane;
    let y = within / params.out_width + params.pad_top;
    let x = within % params.out_width + params.pad_left;
    let row = thread / out_plane % (params.groups * params.out_quads);
    let image = thread / out_plane / (params.groups * params.out_quads);
    let group = row / params.out_quads;
    let plane = params.height * params.width;
    let first = (image * params.channels + group * params.group_channels) * plane;
    let depth = ((params.group_channels + 3u) >> 2u) << 2u;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < params.kernel_height; i++) {
        let above = y - i * params.dilation_y;
        let p = above / params.stride_y;
        if i * params.dilation_y > y || p >= params.height || p * params.stride_y != above {
            continue;
        }
        for (var j = 0u; j < params.kernel_width; j++) {
            let before = x - j * params.dilation_x;
            let q = before / params.stride_x;
            if j * params.dilation_x > x || q >= params.width || q * params.stride_x != before {
                continue;
            }
            let pixel = first + p * params.width + q;
            let weights = ((row * params.kernel_height + i) * params.kernel_width + j) * depth;
            var of_tap = vec4<f32>(0.0);
            for (var channel = 0u; channel < depth; channel += 4u) {
                of_tap += table[weights + channel] * pixel_at(pixel, channel);
                of_tap += table[weights + channel + 1u] * pixel_at(pixel, channel + 1u);
                of_tap += table[weights + channel + 2u] * pixel_at(pixel, channel + 2u);
                of_tap += table[weights + channel + 3u] * pixel_at(pixel, channel + 3u);
            }
            sum += of_tap;
        }
    }
    let value = activate(table[params.scale_at + row] * sum + table[params.bias_at + row]);
    let channel = (row - group * params.out_quads) * 4u;
    let to = image * params.channels_total + params.channel_offset + group * params.group_outputs + channel;
    for (var at = 0u; at < min(params.group_outputs - channel, 4u); at++) {
        output[(to + at) * out_plane + within] = value[at];
    }
}
