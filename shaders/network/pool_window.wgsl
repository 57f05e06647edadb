// Pooling of large windows: the largest or the average value of a window, by a workgroup (pool.wgsl gives a thread to a
// window).
//
//   max   Y[n, c, y, x] = max over taps inside the input
//   avg   Y[n, c, y, x] = (sum over taps inside the input) / count                          count as in pool.wgsl
//
// Layouts   X [N * C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on.
// Tile      a window's taps inside the input, counted row by row, or `block` of them. Lane l takes those at l,
//           l + LANES, ...; then the lanes' values are combined as a tree, so that the order of additions is fixed
//           and few of them follow each other:
//
//              lane 0   lane 1   lane 2   lane 3
//                |________|________|        |        half = 2: 0 takes 2, and 1 takes 3
//                |        |_________________|
//                |________|                          half = 1: 0 takes 1
//
// Stages    0: a window to its output. Windows of more than one block take two dispatches: 1: blocks of X to `blocks`
//           values a window, in the workspace; 2: those to the output. A block without taps stands for nothing: 0, or
//           some tap of the window.
// Grid      one workgroup a block and output element, blocks fastest, flattened and folded.
// Requires  LANES * 4 bytes of workgroup memory; 2 storage buffers.

const LANES: u32 = 64u;
const STAGE: u32 = 0u;

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

var<workgroup> lanes: array<f32, LANES>;

fn combine(a: f32, b: f32) -> f32 {
    if params.average == 1u {
        return a + b;
    }
    return larger(a, b);
}

// Where a tap's value is: `first` is where that of tap 0 is, and rows are `columns` taps.
fn place_of(tap: u32, first: u32, columns: u32) -> u32 {
    if STAGE == 2u {
        return first + tap;
    }
    // At least one, for windows without taps, of which nothing is taken.
    let divisor = max(columns, 1u);
    return first + tap / divisor * params.width + tap % divisor;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = linear_workgroup(workgroup, grid);
    let blocks = select(1u, params.blocks, STAGE == 1u);
    let element = place / blocks;
    if element >= params.elements {
        return;
    }
    let window = window_of(element);
    let columns = window.columns;
    let taps = select(window.rows * columns, params.blocks, STAGE == 2u);
    let first = select(window.first, element * taps, STAGE == 2u);
    let begin = place % blocks * params.block;
    let end = select(taps, min(begin + params.block, taps), STAGE == 1u);
    var value = 0.0;
    if params.average == 0u && taps > 0u {
        // Some tap of the window: what is there already does not change the largest.
        value = input[place_of(min(begin + lane, taps - 1u), first, columns)];
    }
    for (var tap = begin + lane; tap < end; tap += LANES) {
        value = combine(value, input[place_of(tap, first, columns)]);
    }
    lanes[lane] = value;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
    }
    if lane > 0u {
        return;
    }
    if STAGE == 1u {
        output[place] = lanes[0];
        return;
    }
    output[window.output] = select(lanes[0], lanes[0] / window.count, params.average == 1u);
}
