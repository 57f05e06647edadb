// Shared products, pass 2 of 2, where filters share row sums: `accumulate.wgsl` in the Q form, for software adapters,
// to which loads are dear.
//
//   Y[n, i, y, x] = epilogue( sum_k Q[slot(i, k), n, y + k * dilation - pad, x] )              k < TERM_ROWS
//   slot(i + step, k) = slot(i, k + TERM_STEP)                                                 of every filter i
//
// Layouts   products [slots, images, H, pitch] with pitch a multiple of 4; table from `slots_at`: slot(i, k)
//           [O, TERM_ROWS]. Y and residual as in gather.
// Tile      a chain: filters first, first + step, ... Each lies TERM_STEP kernel rows further in the summary, so that
//           it reads the same products TERM_STEP * dilation rows further down; a thread finishes one quad of CHAIN
//           filters along this diagonal, from LINKS loads instead of CHAIN * TERM_ROWS. TERM_ROWS = 3, TERM_STEP = 1:
//
//                 link 0   link 1   link 2   link 3   ...      link l + 1 is `dilation` rows below link l
//                 +-- filter 0 ----------+
//                          +-- filter 1 ---------+
//
//           Diagonals go on at the top where they leave the image at the bottom: then a link's row is not the one that
//           a filter asks for, which lies outside. A thread finishes all H diagonals.
// Grid      one thread a quad x chains x images (quads fastest), flattened and folded.
// Requires  stride 1, OH = H > (TERM_ROWS - 1) * dilation, and H > pad_top; 4 storage buffers with a residual, 3
//           without.

const LANES: u32 = 8u;
const CHAIN: u32 = 4u;
const TERM_ROWS: u32 = 3u;
const TERM_STEP: u32 = 1u;

const LINKS: u32 = (CHAIN - 1u) * TERM_STEP + TERM_ROWS;

struct Params {
    conv: Geometry,
    threads: u32,          // row_quads * chains * images
    row_quads: u32,        // quads a row of the output
    pitch: u32,            // of products
    images: u32,           // in this chunk
    step: u32,             // filters from one of a chain to the next
    chains: u32,           // an image
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
    let image = block / params.chains;
    let chain = block - image * params.chains;
    let height = params.conv.height;
    // Chains come `step` at a time, one for each of the filters that the next CHAIN * step begin with.
    let first_filter = chain + chain / params.step * params.step * (CHAIN - 1u);
    let plane = height * params.conv.out_width;
    let x = vec4<u32>(x_quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let x_valid = x < vec4<u32>(params.conv.out_width);

    // Of each link, where its products begin and how many rows below link 0 it is.
    var products_at: array<u32, LINKS>;
    var below: array<u32, LINKS>;
    var member = 0u;
    var rows_below = 0u;
    for (var l = 0u; l < LINKS; l++) {
        // The last filter that exists and has the link; links of none repeat another.
        let next = l / TERM_STEP;
        if next < CHAIN && first_filter + next * params.step < params.conv.out_channels {
            member = next;
        }
        let term = min(l - member * TERM_STEP, TERM_ROWS - 1u);
        let filter_index = min(first_filter + member * params.step, params.conv.out_channels - 1u);
        let slot = table[params.slots_at + filter_index * TERM_ROWS + term];
        products_at[l] = (slot * params.images + image) * height;
        below[l] = rows_below;
        rows_below += params.conv.dilation_y;
        rows_below -= select(0u, height, rows_below >= height);
    }
    var affine: array<Affine, CHAIN>;
    for (var m = 0u; m < CHAIN; m++) {
        affine[m] = affine_of(min(first_filter + m * params.step, params.conv.out_channels - 1u));
    }
    for (var diagonal = 0u; diagonal < height; diagonal++) {
        var rows = array<u32, LINKS>();
        var links = array<vec4<f32>, LINKS>();
        for (var l = 0u; l < LINKS; l++) {
            let row = diagonal + below[l];
            rows[l] = row - select(0u, height, row >= height);
            links[l] = products_whole((products_at[l] + rows[l]) * (params.pitch >> 2u) + x_quad);
        }
        for (var m = 0u; m < CHAIN; m++) {
            let row = rows[m * TERM_STEP];
            let wraps = row + params.conv.pad_top >= height;
            let y = row + params.conv.pad_top - select(0u, height, wraps);
            var sum = vec4<f32>(0.0);
            for (var k = 0u; k < TERM_ROWS; k++) {
                // Where the output goes on at the top, so must the row of its term, or it lies outside.
                let inside = (row + k * params.conv.dilation_y >= height) == wraps;
                sum += select(vec4<f32>(0.0), links[m * TERM_STEP + k], inside);
            }
            let filter_index = first_filter + m * params.step;
            let valid = x_valid & vec4<bool>(filter_index < params.conv.out_channels);
            let within = y * params.conv.out_width + x;
            let in_batch = params.conv.first_image + image;
            let from_residual = (in_batch * params.conv.out_channels + filter_index) * plane;
            let to = (in_batch * params.conv.channels_total + params.conv.channel_offset + filter_index) * plane;
            store_quad(to + within, valid, epilogue(affine[m], sum, residual_quad(from_residual + within, valid)));
        }
    }
}
