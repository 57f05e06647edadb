// Every thread has a sum of its own.
fn sum_of(workgroup: u32, lane: u32) -> u32 {
    return workgroup * LANES + lane;
}

fn store_sum(to: u32, lane: u32, sum: f32) {
    output[to] = sum;
}
