// Shared products, pass 2 of 2: every output is a sum of stored products, one a kernel row (Q form) or one a tap (plain
// form).
//
//   Y[n, i, y, x] = epilogue( sum_k term k of slot(i, k) at (n, y, x) )              k < terms: KH, or KH * KW
//
// With learned positions it is the blend of two such sums (blend.wgsl), over the products of two neighbouring segments.
// In the plain form terms may have gains g(i, k) (gains.wgsl).
//
// Layouts   products [slots, images, H, pitch] with pitch a multiple of 4; table from `slots_at`: slot(i, k)
//           [O, NEIGHBOURS, terms]. Y and residual as in gather.
// Tile      a thread finishes one column of quads: `thread_rows` output rows, ROWS of them at a time.
//
//             thread 0: | quad 0 of row 0 |   thread 1: | quad 1 of row 0 |   ...   neighbours: neighbouring quads
//                       | quad 0 of row 1 |             | quad 1 of row 1 |
//                       | ...             |             | ...             |
//
// Grid      one thread a quad x `row_blocks` of `thread_rows` rows x O x images (quads fastest), flattened and folded.
// Requires  4 storage buffers with a residual, 3 without.

const LANES: u32 = 64u;
const ROWS: u32 = 4u;
const TERM_ROWS: u32 = 3u;    // KH
const TERM_COLUMNS: u32 = 1u; // 1 where products are summed along kernel rows, else KW

struct Params {
    conv: Geometry,
    threads: u32,          // row_quads * row_blocks * O * images
    row_quads: u32,        // quads a row of the output
    row_blocks: u32,       // OH / thread_rows, rounded up
    thread_rows: u32,      // a multiple of ROWS
    pitch: u32,            // of products
    images: u32,           // in this chunk
    slots_at: u32,
    scale_at: u32,
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
    let x_quad = thread - block * params.row_quads;
    let plane = block / params.row_blocks;
    let begin = (block - plane * params.row_blocks) * params.thread_rows;
    let end = min(begin + params.thread_rows, params.conv.out_height);
    let image = plane / params.conv.out_channels;
    let channel = plane - image * params.conv.out_channels;

    let affine = affine_of(channel);
    let fraction = fraction_of(channel);
    let x = vec4<u32>(x_quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let x_valid = x < vec4<u32>(params.conv.out_width);
    let out_plane = params.conv.out_height * params.conv.out_width;
    let residual_at = ((params.conv.first_image + image) * params.conv.out_channels + channel) * out_plane;
    let output_at = ((params.conv.first_image + image) * params.conv.channels_total + params.conv.channel_offset
        + channel) * out_plane;
    for (var first_y = begin; first_y < end; first_y += ROWS) {
        var sums = array<array<vec4<f32>, ROWS>, NEIGHBOURS>();
        for (var k = 0u; k < NEIGHBOURS; k++) {
            for (var ky = 0u; ky < TERM_ROWS; ky++) {
                // Indexed by the columns, so that their loop is unrolled and what depends on a column is a constant.
                var first_rows = array<u32, TERM_COLUMNS>();
                for (var kx = 0u; kx < TERM_COLUMNS; kx++) {
                    let term = ((channel * NEIGHBOURS + k) * TERM_ROWS + ky) * TERM_COLUMNS + kx;
                    first_rows[kx] = (table[params.slots_at + term] * params.images + image) * params.conv.height;
                }
                for (var kx = 0u; kx < TERM_COLUMNS; kx++) {
                    let first_row = first_rows[kx];
                    let gain = gain_of(channel, ky * TERM_COLUMNS + kx);
                    for (var r = 0u; r < ROWS; r++) {
                        // Above the input this wraps around to a large number, which the comparison refuses.
                        let y = (first_y + r) * params.conv.stride_y
                            + ky * params.conv.dilation_y - params.conv.pad_top;
                        let inside = y < params.conv.height && first_y + r < end;
                        sums[k][r] += gain * term_quad(first_row + y, inside, x_quad, kx);
                    }
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let within = (first_y + r) * params.conv.out_width + x;
            let valid = x_valid & vec4<bool>(first_y + r < end);
            let sum = blend(fraction, sums[0][r], sums[NEIGHBOURS - 1u][r]);
            let value = epilogue(affine, sum, residual_quad(residual_at + within, valid));
            store_quad(output_at + within, valid, value);
        }
    }
}
