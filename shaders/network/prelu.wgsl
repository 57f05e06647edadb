// PReLU: a leaky ReLU with a slope for every channel.
//
//   Y[n, c, p] = X[n, c, p] where it is 0 or more, else slope[c] * X[n, c, p]          NaN stays NaN either way
//
// Layouts   X, Y [N, C, H, W], each from its own `channel_offset` on in a tensor of its own `channels_total`. `table`
//           holds C slopes, as the bits of f32.
// Grid      one thread a quad of a channel's pixels, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    images: u32,           // N
    channels: u32,         // C
    plane: u32,            // H * W
    in_channels_total: u32,
    in_channel_offset: u32,
    channels_total: u32,
    channel_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = plane_quad(linear_workgroup(workgroup, grid) * LANES + lane);
    let value = input_quad(quad_in(quad, params.in_channels_total, params.in_channel_offset), quad.valid);
    // Never out of `table`: remainders of the number of channels are channels, also for threads past the last quad.
    let sloped = bitcast<f32>(table[quad.channel]) * value;
    let result = select(value, sloped, value < vec4<f32>(0.0));
    store_quad(quad_in(quad, params.channels_total, params.channel_offset), quad.valid, result);
}
