// Gradients, pass 1: what every product contributes to the loss. The accumulation of shared products backwards: where
// it adds products up for an output, this adds up the gradients of the outputs that a product went into.
//
//   dP[n, r, q] = sum over (i, k, t) with base r of  w(i, k) * g(i, t) * dY[n, i, p]
//                                                                             where stride * p + dilation * t - pad = q
//
// Each term of a base is listed: table[terms_at + 2 * term] is its filter i, with the segment k in the highest bit, and
// the next word its tap, ky << 16 | kx; those of row r are terms first(r) .. first(r + 1), table[firsts_at + r].
// With learned positions w is how much of a segment is in the filter, table[fractions_at + i] for the second; else 1.
//
// Layouts   dY [N, O, OH, OW], from `first_image` on, dP [images, rows, H, W]; rows are those of all groups, each
//           group's filled up with rows without terms, whose products are zero.
// Tile      a thread computes four neighbouring pixels of one row r.
// Grid      quads x image rows x rows x images, flattened and folded.

const LANES: u32 = 64u;
const NEIGHBOURS: u32 = 1u; // 2 for learned positions
const STRIDED: u32 = 0u; // 1 where a stride is more than 1

struct Params {
    conv: Geometry,
    threads: u32,
    row_quads: u32,
    rows: u32,
    firsts_at: u32,        // where these begin in `table`
    terms_at: u32,
    fractions_at: u32,
    most_terms: u32,       // of a row
    last_y: u32,           // the row and column that the first tap of the last output reads, in the padded image
    last_x: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

// The output that reads `at` of the padded image with its first tap, along an axis; whether there is one is for the
// caller to say.
fn output_at(at: u32, stride: u32) -> u32 {
    if STRIDED == 0u {
        return at;
    }
    return at / stride;
}

// Whether an output reads `at` of the padded image with its first tap. Places before it wrap around to large numbers.
fn is_read(at: u32, last: u32, stride: u32) -> bool {
    if STRIDED == 0u {
        return at <= last;
    }
    return at <= last && at % stride == 0u;
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
    let x = thread % params.row_quads * 4u;
    let y = thread / params.row_quads % params.conv.height;
    let row = thread / params.row_quads / params.conv.height % params.rows;
    let image = thread / params.row_quads / params.conv.height / params.rows;

    var sums = vec4<f32>(0.0);
    let first = table[params.firsts_at + row];
    let count = min(table[params.firsts_at + row + 1u] - first, params.most_terms);
    for (var k = 0u; k < count; k++) {
        let term = params.terms_at + 2u * (first + k);
        let segment_of_filter = table[term];
        let filter_index = segment_of_filter & 0x7fffffffu;
        let tap_y = table[term + 1u] >> 16u;
        let tap_x = table[term + 1u] & 0xffffu;
        let at_y = y + params.conv.pad_top - tap_y * params.conv.dilation_y;
        if !is_read(at_y, params.last_y, params.conv.stride_y) {
            continue;
        }
        var weight = gain_of(filter_index, tap_y * params.conv.kernel_width + tap_x);
        if NEIGHBOURS == 2u {
            let fraction = bitcast<f32>(table[params.fractions_at + filter_index]);
            weight *= select(1.0 - fraction, fraction, segment_of_filter > 0x7fffffffu);
        }
        let plane = (params.conv.first_image + image) * params.conv.out_channels + filter_index;
        let place = (plane * params.conv.out_height + output_at(at_y, params.conv.stride_y)) * params.conv.out_width;
        var values = vec4<f32>(0.0);
        for (var j = 0u; j < 4u; j++) {
            let at_x = x + j + params.conv.pad_left - tap_x * params.conv.dilation_x;
            let valid = is_read(at_x, params.last_x, params.conv.stride_x);
            let value = grad_output[place + select(0u, output_at(at_x, params.conv.stride_x), valid)];
            values[j] = select(0.0, value, valid);
        }
        sums += weight * values;
    }
    let columns = x + vec4<u32>(0u, 1u, 2u, 3u);
    let to = ((image * params.rows + row) * params.conv.height + y) * params.conv.width + columns;
    store_quad(to, columns < vec4<u32>(params.conv.width), sums);
}
