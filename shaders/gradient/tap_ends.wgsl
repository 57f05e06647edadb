// Gradients of gains and learned positions, from what the taps of both segments contribute. With a the share of the
// second segment, table[fractions_at + i]:
//
//   dg[i, t] = (1 - a) * D[i, 0, t] + a * D[i, 1, t]                                          POSITIONS = 0
//   dp[i]    = sum_t g(i, t) * (D[i, 1, t] - D[i, 0, t])                                      POSITIONS = 1
//
// Layouts   D [O, 2, T], dg [O, T], dp [O].
// Tile      a thread computes one gradient.
// Grid      gradients, flattened and folded.

const LANES: u32 = 64u;
const POSITIONS: u32 = 0u;

struct Params {
    conv: Geometry,
    threads: u32,
    fractions_at: u32,     // where the shares begin in `table`
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tap_sums: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

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
        let fraction = bitcast<f32>(table[params.fractions_at + filter_index]);
        let at = filter_index * 2u * taps + own % taps;
        output[own] = (1.0 - fraction) * tap_sums[at] + fraction * tap_sums[at + taps];
        return;
    }
    var sum = 0.0;
    for (var tap = 0u; tap < taps; tap++) {
        let at = own * 2u * taps + tap;
        sum += gain_of(own, tap) * (tap_sums[at + taps] - tap_sums[at]);
    }
    output[own] = sum;
}
