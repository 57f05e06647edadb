// Gradients of gains and learned positions, from what taps contribute, in splits: where filters are blends, the taps of
// both segments. With a the share of the second segment, table[fractions_at + i]:
//
//   dg[i, t] = (1 - a) * D[i, 0, t] + a * D[i, 1, t], or D[i, 0, t]                           POSITIONS = 0
//   dp[i]    = sum_t g(i, t) * (D[i, 1, t] - D[i, 0, t])                                      POSITIONS = 1
//
// Layouts   D [splits, O, NEIGHBOURS, T], of which the sum over splits is meant; dg [O, T], dp [O].
// Tile      a thread computes one gradient.
// Grid      gradients, flattened and folded.

const LANES: u32 = 64u;
const NEIGHBOURS: u32 = 1u; // 2 for learned positions
const POSITIONS: u32 = 0u;

struct Params {
    conv: Geometry,
    threads: u32,
    fractions_at: u32,     // where the shares begin in `table`
    splits: u32,
    split_values: u32,     // O * NEIGHBOURS * T
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tap_sums: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn contribution(at: u32) -> f32 {
    var sum = 0.0;
    for (var split = 0u; split < params.splits; split++) {
        sum += tap_sums[split * params.split_values + at];
    }
    return sum;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = linear_workgroup(workgroup, grid) * LANES + lane;
    if own >= params.threads {
        return;
    }
    let taps = params.conv.kernel_height * params.conv.kernel_width;
    if POSITIONS == 0u {
        let filter_index = own / taps;
        let at = filter_index * NEIGHBOURS * taps + own % taps;
        let first = contribution(at);
        if NEIGHBOURS == 1u {
            output[own] = first;
            return;
        }
        let fraction = bitcast<f32>(table[params.fractions_at + filter_index]);
        output[own] = (1.0 - fraction) * first + fraction * contribution(at + taps);
        return;
    }
    var sum = 0.0;
    for (var tap = 0u; tap < taps; tap++) {
        let at = own * NEIGHBOURS * taps + tap;
        sum += gain_of(own, tap) * (contribution(at + taps) - contribution(at));
    }
    output[own] = sum;
}
