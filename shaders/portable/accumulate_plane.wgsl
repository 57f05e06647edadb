// Shared products, pass 2 of 2, where all taps of a filter read one plane of products: a depthwise convolution of P.
//
//   Y[n, i, y, x] = epilogue( sum_t g(i, t) * P[slot(i), n, y + ky - pad_top, x + kx - PAD_LEFT] )
//
// The gains g are 1 unless there are some (gains.wgsl). Stride and dilation are 1, KH, KW and PAD_LEFT at most 7,
// positions fixed.
//
// Layouts   products [slots, images, H, pitch] with pitch a multiple of 4; table from `slots_at`: slot(i) [O, T], T
//           times the same. Y and residual as in gather.
// Tile      a thread finishes `thread_rows` rows of one column of quads, walking down: it loads every row of products
//           once, the quads that the taps of a kernel row reach, and adds it to the KH output rows that read it
//           (KH = KW = 3: 3 loads a quad and row, where tap by tap there are 15).
//
//             P, row       | quad - 1 | quad | quad + 1 |      sums[0] += row 0 of taps: output row `row`, just begun
//             row - pad_top                                    sums[1] += row 1 of taps: output row `row` - 1
//                                                              sums[2] += row 2 of taps: output row `row` - 2, finished
//
// Grid      one thread a quad x `row_blocks` of `thread_rows` rows x O x images (quads fastest), flattened and folded.
// Requires  4 storage buffers with a residual, 3 without.

const LANES: u32 = 64u;
const TAP_ROWS: u32 = 3u;    // KH
const TAP_COLUMNS: u32 = 3u; // KW
const PAD_LEFT: u32 = 1u;
const QUADS_LEFT: u32 = 1u;  // that the taps of a quad reach to the left of it
const QUADS: u32 = 3u;       // that they reach in all

struct Params {
    conv: Geometry,
    threads: u32,          // row_quads * row_blocks * O * images
    row_quads: u32,        // quads a row of the output
    row_blocks: u32,       // OH / thread_rows, rounded up
    thread_rows: u32,
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
    let slot = table[params.slots_at + channel * TAP_ROWS * TAP_COLUMNS];
    let first_row = (slot * params.images + image) * params.conv.height;
    let product_quads = params.pitch >> 2u;
    var gains: array<array<f32, TAP_COLUMNS>, TAP_ROWS>;
    for (var ky = 0u; ky < TAP_ROWS; ky++) {
        for (var kx = 0u; kx < TAP_COLUMNS; kx++) {
            gains[ky][kx] = gain_of(channel, ky * TAP_COLUMNS + kx);
        }
    }
    // Which columns of the quads are in the image; left of it quads wrap around to large numbers.
    var quads: array<u32, QUADS>;
    var columns: array<vec4<bool>, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        quads[q] = x_quad + q - QUADS_LEFT;
        let column = vec4<u32>(quads[q] * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        columns[q] = (column < vec4<u32>(params.conv.width)) & vec4<bool>(quads[q] < product_quads);
    }
    let x = vec4<u32>(x_quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let x_valid = x < vec4<u32>(params.conv.out_width);
    let out_plane = params.conv.out_height * params.conv.out_width;
    let residual_at = ((params.conv.first_image + image) * params.conv.out_channels + channel) * out_plane;
    let output_at = ((params.conv.first_image + image) * params.conv.channels_total + params.conv.channel_offset
        + channel) * out_plane;
    // Of output row `row - ky`, what it has so far when it reads row `row` by its kernel row `ky`.
    var sums: array<vec4<f32>, TAP_ROWS>;
    for (var row = begin; row < end + TAP_ROWS - 1u; row++) {
        // Above the input this wraps around to a large number, which the comparison refuses.
        let y = row - params.conv.pad_top;
        let inside = y < params.conv.height;
        var window = array<vec4<f32>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            let at = (first_row + y) * product_quads + quads[q];
            let loaded = products_whole(select(0u, at, inside && quads[q] < product_quads));
            window[q] = select(vec4<f32>(0.0), loaded, columns[q] & vec4<bool>(inside));
        }
        var terms = array<vec4<f32>, TAP_COLUMNS>();
        for (var kx = 0u; kx < TAP_COLUMNS; kx++) {
            for (var e = 0u; e < 4u; e++) {
                let at = QUADS_LEFT * 4u + e + kx - PAD_LEFT;
                terms[kx][e] = window[at / 4u][at % 4u];
            }
        }
        for (var ky = 0u; ky < TAP_ROWS; ky++) {
            for (var kx = 0u; kx < TAP_COLUMNS; kx++) {
                sums[ky] += gains[ky][kx] * terms[kx];
            }
        }
        if row + 1u >= begin + TAP_ROWS {
            let finished = row + 1u - TAP_ROWS;
            let within = finished * params.conv.out_width + x;
            let value = epilogue(affine, sums[TAP_ROWS - 1u], residual_quad(residual_at + within, x_valid));
            store_quad(output_at + within, x_valid, value);
        }
        for (var k = 1u; k < TAP_ROWS; k++) {
            sums[TAP_ROWS - k] = sums[TAP_ROWS - 1u - k];
        }
        sums[0] = vec4<f32>(0.0);
    }
}
