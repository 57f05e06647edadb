// Gradients: what every tap of every filter contributes to the loss, from the products that it adds up; those of gains
// where positions are not learned.
//
//   D[i, k, t] = sum over n, p of  dY[n, i, p] * P[n, row(i, k, t), stride * p + dilation * t - pad]
//   row(i, k, t) = table[tap_rows_at + (i * K + k) * T + t]                         K segments of a filter, 2 for
//   learned positions
//
// Layouts   dY [N, O, OH, OW], P [N, rows, H, W], D [O, K, T].
// Tile      a workgroup computes one sum: its threads every LANES-th output each, in blocks of at most BLOCK, and then
//           one another's, by halves.
// Grid      taps x segments x filters, flattened (taps fastest) and folded.
// Requires  4 * LANES bytes of workgroup memory.

const LANES: u32 = 64u;
const NEIGHBOURS: u32 = 1u; // K
const BLOCK: u32 = 1024u;

struct Params {
    conv: Geometry,
    sums: u32,             // O * K * T
    outputs: u32,          // N * OH * OW
    rows: u32,
    tap_rows_at: u32,      // where these begin in `table`
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read> products: array<f32>;

var<workgroup> lanes: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = linear_workgroup(workgroup, grid);
    if own >= params.sums {
        return;
    }
    let taps = params.conv.kernel_height * params.conv.kernel_width;
    let tap = own % taps;
    let filter_index = own / taps / NEIGHBOURS;
    let row = table[params.tap_rows_at + own];
    let from_y = tap / params.conv.kernel_width * params.conv.dilation_y - params.conv.pad_top;
    let from_x = tap % params.conv.kernel_width * params.conv.dilation_x - params.conv.pad_left;
    let out_plane = params.conv.out_height * params.conv.out_width;

    var total = 0.0;
    for (var block = lane; block < params.outputs; block += BLOCK * LANES) {
        var sum = 0.0;
        let end = min(block + BLOCK * LANES, params.outputs);
        for (var at = block; at < end; at += LANES) {
            let image = at / out_plane;
            let within = at - image * out_plane;
            let out_y = within / params.conv.out_width;
            // Rows and columns before the first wrap around to large numbers.
            let y = out_y * params.conv.stride_y + from_y;
            let x = (within - out_y * params.conv.out_width) * params.conv.stride_x + from_x;
            let valid = y < params.conv.height && x < params.conv.width;
            let place = ((image * params.rows + row) * params.conv.height + y) * params.conv.width + x;
            let product = select(0.0, products[select(0u, place, valid)], valid);
            sum += grad_output[(image * params.conv.out_channels + filter_index) * out_plane + within] * product;
        }
        total += sum;
    }
    lanes[lane] = total;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            lanes[lane] += lanes[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        output[own] = lanes[0];
    }
}
