// Softmax, or its logarithm, along lines of values: one thread a line, for short lines or many of them
// (softmax_line.wgsl gives a workgroup to a line).
//
//   Y[i] = exp(X[i] - m) / sum over j of exp(X[j] - m)          m the largest, a NaN if there is one
//   Y[i] = X[i] - m - log(sum over j of exp(X[j] - m))          logarithm
//
// Layouts   X, Y of every image [before, length, after], lines along the second axis, from `first` on in tensors whose
//           images are so far apart.
// Grid      one thread a line, flattened and folded: threads side by side read values side by side.

const LANES: u32 = 64u;
const LOGARITHM: u32 = 0u;

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = linear_workgroup(workgroup, grid) * LANES + lane;
    if index >= params.lines {
        return;
    }
    let line = line_of(index);
    var largest = input[line.read];
    for (var at = 1u; at < params.length; at++) {
        largest = larger(largest, input[line.read + at * params.after]);
    }
    var sum = 0.0;
    for (var at = 0u; at < params.length; at++) {
        sum += exp(input[line.read + at * params.after] - largest);
    }
    for (var at = 0u; at < params.length; at++) {
        let distance = input[line.read + at * params.after] - largest;
        output[line.written + at * params.after] = share_of(LOGARITHM, distance, sum);
    }
}
