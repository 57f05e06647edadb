// The threads of a workgroup share a sum.
var<workgroup> lanes: array<f32, LANES>;

fn sum_of(workgroup: u32, lane: u32) -> u32 {
    return workgroup;
}

fn store_sum(to: u32, lane: u32, sum: f32) {
    lanes[lane] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            lanes[lane] += lanes[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        output[to] = lanes[0];
    }
}
