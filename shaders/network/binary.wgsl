// Sum of two tensors of one shape, or a copy of one, with an activation. Each may be channels of a wider tensor.
//
//   Y[n, c, p] = activation( A[n, c, p] + B[n, c, p] )          B only with a residual
//
// Layouts   A, B, Y [N, C, H, W], each from its own `channel_offset` on in a tensor of its own `channels_total`.
// Grid      one thread a quad of a channel's pixels, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    numbers: Numbers,      // of the activation
    images: u32,           // N
    channels: u32,         // C
    plane: u32,            // H * W
    in_channels_total: u32,
    in_channel_offset: u32,
    residual_channels_total: u32,
    residual_channel_offset: u32,
    channels_total: u32,
    channel_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn numbers() -> Numbers {
    return params.numbers;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = plane_quad(linear_workgroup(workgroup, grid) * LANES + lane);
    let sum = input_quad(quad_in(quad, params.in_channels_total, params.in_channel_offset), quad.valid)
        + residual_quad(quad_in(quad, params.residual_channels_total, params.residual_channel_offset), quad.valid);
    store_quad(quad_in(quad, params.channels_total, params.channel_offset), quad.valid, activate(sum));
}
