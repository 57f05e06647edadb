// Nearest-neighbour upsampling by whole factors: every pixel so many times down and across.
//
//   Y[n, c, y, x] = X[n, c, y / scale_y, x / scale_x]                              quotients rounded down
//
// Layouts   X [N, C, H, W], Y [N, channels_total, H * scale_y, W * scale_x] from channel `channel_offset` on.
// Grid      one thread a quad of a channel's output pixels, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    images: u32,           // N
    channels: u32,         // C
    plane: u32,            // of the output
    height: u32,
    width: u32,
    out_width: u32,
    scale_y: u32,
    scale_x: u32,
    channels_total: u32,
    channel_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = plane_quad(linear_workgroup(workgroup, grid) * LANES + lane);
    let y = quad.pixel / params.out_width;
    let x = quad.pixel - y * params.out_width;
    let row = (quad.image * params.channels + quad.channel) * params.height + y / params.scale_y;
    let value = input_quad(row * params.width + x / params.scale_x, quad.valid);
    store_quad(quad_in(quad, params.channels_total, params.channel_offset), quad.valid, value);
}
