// Gradients, on software adapters: the input with pixels and channels exchanged, so that what bases contribute is a
// convolution too, whose channels are pixels, whose pixels are channels and whose taps are images.
//
//   XT[g * plane + q, n * C + c] = X[first_image + n, g * C + c, q]
//
// Layouts   X [N, groups * C, plane], XT [groups * plane, images * C], C channels of a group.
// Tile      a thread moves one value; neighbours write side by side.
// Grid      values, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    threads: u32,
    first_image: u32,
    images: u32,
    groups: u32,
    channels: u32,         // of a group
    plane: u32,            // H * W
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
    let to = linear_workgroup(workgroup, grid) * LANES + lane;
    if to >= params.threads {
        return;
    }
    let channel = to % params.channels;
    let image = to / params.channels % params.images;
    let row = to / params.channels / params.images;
    let group = row / params.plane;
    let plane = ((params.first_image + image) * params.groups + group) * params.channels + channel;
    output[to] = input[plane * params.plane + (row - group * params.plane)];
}
