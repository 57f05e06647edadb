// Softmax, or its logarithm, along long lines of values, a workgroup a line (softmax.wgsl gives a thread to a line, and
// says what is computed).
//
// Layouts   as softmax.wgsl.
// Tile      a line. Lane l takes the values at l, l + LANES, ..; then the lanes' largest values, and later their sums,
//           are combined as a tree, so that the order of additions is fixed and few of them follow each other.
// Grid      one workgroup a line, flattened and folded.
// Requires  LANES * 4 bytes of workgroup memory; 2 storage buffers.

const LANES: u32 = 256u;
const LOGARITHM: u32 = 0u;

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

var<workgroup> lanes: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = linear_workgroup(workgroup, grid);
    if index >= params.lines {
        return;
    }
    let line = line_of(index);
    // Some value of the line: what is there already does not change the largest.
    var largest = input[line.read + min(lane, params.length - 1u) * params.after];
    for (var at = lane + LANES; at < params.length; at += LANES) {
        largest = larger(largest, input[line.read + at * params.after]);
    }
    lanes[lane] = largest;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lanes[lane] = larger(lanes[lane], lanes[lane + half]);
        }
    }
    workgroupBarrier();
    largest = lanes[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var at = lane; at < params.length; at += LANES) {
        sum += exp(input[line.read + at * params.after] - largest);
    }
    lanes[lane] = sum;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lanes[lane] += lanes[lane + half];
        }
    }
    workgroupBarrier();
    sum = lanes[0];
    for (var at = lane; at < params.length; at += LANES) {
        let distance = input[line.read + at * params.after] - largest;
        output[line.written + at * params.after] = share_of(LOGARITHM, distance, sum);
    }
}
