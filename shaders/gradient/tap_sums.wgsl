// Gradients: what every tap of every filter contributes to the loss, from the products that it adds up; those of gains
// where positions are not learned.
//
//   D[i, k, t] = sum over n, p of  dY[n, i, p] * P[n, row(i, k, t), stride * p + dilation * t - pad]
//   row(i, k, t) = table[tap_rows_at + (i * K + k) * T + t]                         K segments of a filter, 2 for
//   learned positions
//
// Layouts   dY [N, O, OH, OW], from `first_image` on, P [images, rows, H, W]; D [O, K, T], from `first_sum` on.
// Tile      a workgroup computes one sum (`lanes_shared`): its threads the outputs of some rows each, every LANES_X-th
//           of a row, and then one another's, by halves. Or each thread computes one (`lanes_own`), where sharing costs
//           more than it hides, as on software adapters.
// Grid      taps x segments x filters, flattened (taps fastest) and folded.
// Requires  4 * LANES bytes of workgroup memory where they share.

const LANES: u32 = 64u;
const NEIGHBOURS: u32 = 1u; // K
const LANES_X: u32 = 8u; // along a row of outputs
const LANES_Y: u32 = 8u; // rows of outputs
const BLOCK: u32 = 1024u;

struct Params {
    conv: Geometry,
    sums: u32,             // O * K * T
    image_rows: u32,       // images * OH
    rows: u32,
    tap_rows_at: u32,      // where these begin in `table`
    first_sum: u32,        // where these begin in D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read> products: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = sum_of(linear_workgroup(workgroup, grid), lane);
    if own >= params.sums {
        return;
    }
    let taps = params.conv.kernel_height * params.conv.kernel_width;
    let tap = own % taps;
    let filter_index = own / taps / NEIGHBOURS;
    let row = table[params.tap_rows_at + own];
    let from_y = tap / params.conv.kernel_width * params.conv.dilation_y - params.conv.pad_top;
    let from_x = tap % params.conv.kernel_width * params.conv.dilation_x - params.conv.pad_left;

    // Rows add up in blocks, so that no sum is long.
    var total = 0.0;
    var block = 0.0;
    var in_block = 0u;
    for (var image_row = lane / LANES_X % LANES_Y; image_row < params.image_rows; image_row += LANES_Y) {
        let image = image_row / params.conv.out_height;
        let out_y = image_row - image * params.conv.out_height;
        // Rows and columns before the first wrap around to large numbers.
        let y = out_y * params.conv.stride_y + from_y;
        if y >= params.conv.height {
            continue;
        }
        let plane = (params.conv.first_image + image) * params.conv.out_channels + filter_index;
        let out_row = (plane * params.conv.out_height + out_y) * params.conv.out_width;
        let in_row = ((image * params.rows + row) * params.conv.height + y) * params.conv.width;
        var sum = 0.0;
        for (var out_x = lane % LANES_X; out_x < params.conv.out_width; out_x += LANES_X) {
            let x = out_x * params.conv.stride_x + from_x;
            let valid = x < params.conv.width;
            let product = select(0.0, products[in_row + select(0u, x, valid)], valid);
            sum += grad_output[out_row + out_x] * product;
        }
        block += sum;
        in_block += 1u;
        if in_block == BLOCK {
            total += block;
            block = 0.0;
            in_block = 0u;
        }
    }
    total += block;
    store_sum(params.first_sum + own, lane, total);
}
