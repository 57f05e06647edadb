// Gradients: that of the summary. Every value adds up what the bases contribute whose weights it is among, in a fixed
// order: group after group, base after base, split after split.
//
//   df[l] = sum over g, r, c with base(g, r) + c * channel_stride = l  (mod L where it wraps)  of  sum_s dG[s, g, r, c]
//
// Bases of a group are ascending, table[g * rows + r], count(g) of them, table[counts_at + g]: those that reach l are
// found by halving.
//
// Layouts   dG [splits, groups, rows, C], df [L].
// Tile      a thread computes one value.
// Grid      values of the summary, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    length: u32,           // L
    groups: u32,
    rows: u32,             // of a group
    channels: u32,         // of a group
    channel_stride: i32,
    counts_at: u32,        // where these begin in `table`
    splits: u32,
    turns: u32,            // of a wrapped summary, that the channels of a base reach over
    most_bases: u32,       // that reach over one value
    adds: u32,             // 1 for images behind others, whose sums are there
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> contributions: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// The first of a group's bases that is not below `least`.
fn first_base(group: u32, count: u32, least: i32) -> u32 {
    var low = 0u;
    var high = count;
    for (var k = 0u; k < 32u; k++) {
        if low >= high {
            break;
        }
        let middle = (low + high) / 2u;
        if i32(table[group * params.rows + middle]) < least {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

// The contributions of a base's channel, over all splits.
fn contribution(group: u32, row: u32, channel: u32) -> f32 {
    let at = (group * params.rows + row) * params.channels + channel;
    let split_values = params.groups * params.rows * params.channels;
    var sum = 0.0;
    for (var split = 0u; split < params.splits; split++) {
        sum += contributions[split * split_values + at];
    }
    return sum;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let value = linear_workgroup(workgroup, grid) * LANES + lane;
    if value >= params.length {
        return;
    }
    let reach = i32(params.channels - 1u) * params.channel_stride;
    var sum = 0.0;
    for (var group = 0u; group < params.groups; group++) {
        let count = table[params.counts_at + group];
        var place = i32(value);
        for (var turn = 0u; turn <= params.turns; turn++) {
            let row = first_base(group, count, place - max(reach, 0));
            for (var k = 0u; k < params.most_bases; k++) {
                if row + k >= count {
                    break;
                }
                let distance = place - i32(table[group * params.rows + row + k]);
                if distance < min(reach, 0) {
                    break;
                }
                if params.channel_stride == 0 {
                    for (var channel = 0u; channel < params.channels; channel++) {
                        sum += contribution(group, row + k, channel);
                    }
                } else if distance % params.channel_stride == 0 {
                    sum += contribution(group, row + k, u32(distance / params.channel_stride));
                }
            }
            place += i32(params.length);
        }
    }
    if params.adds == 1u {
        sum += output[value];
    }
    output[value] = sum;
}
