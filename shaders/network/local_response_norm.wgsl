// Local response norm: every value over a power of the squares of channels around its own.
//
//   Y[n, c, p] = X[n, c, p] * (k + factor * sum of squares of X[n, c - before .. c + after, p])^-beta
//
// Channels that there are not count nothing.
//
// Layouts   X [N, C, H, W] from `in_channel_offset` on in a tensor of `in_channels_total`, Y likewise.
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
    before: u32,
    after: u32,
    factor: u32,           // bits of f32: alpha / size
    beta: u32,
    k: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = plane_quad(linear_workgroup(workgroup, grid) * LANES + lane);
    let at = quad_in(quad, params.in_channels_total, params.in_channel_offset);
    let first = quad.channel - min(quad.channel, params.before);
    let end = min(quad.channel + params.after + 1u, params.channels);
    // From the first channel of the window on; what is before the tensor wraps around, and comes back.
    let begin = at - (quad.channel - first) * params.plane;
    var squares = vec4<f32>(0.0);
    for (var channel = first; channel < end; channel++) {
        let value = input_quad(begin + (channel - first) * params.plane, quad.valid);
        squares += value * value;
    }
    let base = bitcast<f32>(params.k) + bitcast<f32>(params.factor) * squares;
    let value = input_quad(at, quad.valid) * pow(base, vec4<f32>(-bitcast<f32>(params.beta)));
    store_quad(quad_in(quad, params.channels_total, params.channel_offset), quad.valid, value);
}
