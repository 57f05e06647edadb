// Depthwise: a convolution whose filters see one channel each (groups = C), where a tile of channels would be empty.
//
//   Y[n, i, y, x] = epilogue( sum_t W(i, t) * X[n, i / filters, stride * (y, x) + dilation * t - pad] )
//   W(i, t) = f[ base(i, t) ]                                              table[i * T + t] = base(i, t)
//
// With learned positions W is the blend of two such weights: table[(i * 2 + k) * T + t] = base k of (i, t), see
// blend.wgsl. With gains it is g(i, t) times that, see gains.wgsl.
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on, residual [N, O, OH, OW].
// Tile      a thread finishes a column of ROWS quads of one output channel; a load of a weight serves all of them:
//
//             thread 0: | quad 0 of row 0 |   thread 1: | quad 1 of row 0 |   ...   neighbours: neighbouring quads
//                       | quad 0 of row 1 |             | quad 1 of row 1 |
//                       | ...             |             | ...             |
//
// Grid      one thread a quad x `row_blocks` of ROWS rows x O x N (quads fastest), flattened and folded.
// Requires  nothing beyond WebGPU's defaults; no workgroup memory. 4 storage buffers, 5 with a residual.

const LANES: u32 = 64u;
const ROWS: u32 = 4u;

struct Params {
    conv: Geometry,
    threads: u32,          // row_quads * row_blocks * O * N
    row_quads: u32,        // quads a row of the output
    row_blocks: u32,       // OH / ROWS, rounded up
    filters: u32,          // O / groups
    scale_at: u32,         // where the scales begin in `table`
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

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
    // Remainders by products: to divide twice costs a software adapter as much as four loads.
    let block = thread / params.row_quads;
    let quad = thread - block * params.row_quads;
    let plane = block / params.row_blocks;
    let first_y = (block - plane * params.row_blocks) * ROWS;
    let image = plane / params.conv.out_channels;
    let channel = plane - image * params.conv.out_channels;
    let in_plane = params.conv.height * params.conv.width;
    let read_from = (image * params.conv.in_channels + channel / params.filters) * in_plane;
    let taps = params.conv.kernel_height * params.conv.kernel_width;

    let fraction = fraction_of(channel);
    let x = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let x_valid = x < vec4<u32>(params.conv.out_width);
    var sums: array<vec4<f32>, ROWS>;
    var tap = channel * NEIGHBOURS * taps;
    for (var ky = 0u; ky < params.conv.kernel_height; ky++) {
        for (var kx = 0u; kx < params.conv.kernel_width; kx++) {
            let next = i32(table[tap + (NEIGHBOURS - 1u) * taps]);
            let gain = gain_of(channel, ky * params.conv.kernel_width + kx);
            let weight = gain * blended_quad(fraction, i32(table[tap]), next, 0u).x;
            tap += 1u;
            // Above and left of the input these wrap around to large numbers, which the comparisons refuse.
            let column = x * params.conv.stride_x + kx * params.conv.dilation_x - params.conv.pad_left;
            let inside = x_valid & (column < vec4<u32>(params.conv.width));
            for (var r = 0u; r < ROWS; r++) {
                let y = (first_y + r) * params.conv.stride_y + ky * params.conv.dilation_y - params.conv.pad_top;
                let valid = inside & vec4<bool>(y < params.conv.height && first_y + r < params.conv.out_height);
                sums[r] += weight * input_quad(read_from + y * params.conv.width + column, valid);
            }
        }
    }

    let affine = affine_of(channel);
    let out_plane = params.conv.out_height * params.conv.out_width;
    let residual_at = (image * params.conv.out_channels + channel) * out_plane;
    let output_at = (image * params.conv.channels_total + params.conv.channel_offset + channel) * out_plane;
    for (var r = 0u; r < ROWS; r++) {
        let within = (first_y + r) * params.conv.out_width + x;
        let valid = x_valid & vec4<bool>(first_y + r < params.conv.out_height);
        store_quad(output_at + within, valid, epilogue(affine, sums[r], residual_quad(residual_at + within, valid)));
    }
}
