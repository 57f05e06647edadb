// Gradients: the matrix of bases, transposed, so that the gradient of the input is a 1x1 convolution of dP with it.
//
//   A[g * C + c, r] = f[ base(g, r) + c * channel_stride ]                           base(g, r) = table[g * rows + r]
//
// Layouts   A [groups * C, rows], C channels of a group; rows of a group that has fewer bases repeat its last, and meet
//           zeros in dP.
// Tile      a thread computes four channels of one base.
// Grid      rows x quads of channels x groups, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    conv: Geometry,
    threads: u32,
    rows: u32,
    quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

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
    let row = thread % params.rows;
    let channel = thread / params.rows % params.quads * 4u;
    let group = thread / params.rows / params.quads;
    let weights = weight_quad(i32(table[group * params.rows + row]), channel);
    for (var k = 0u; k < 4u; k++) {
        if channel + k < params.conv.channels {
            output[(group * params.conv.channels + channel + k) * params.rows + row] = weights[k];
        }
    }
}
