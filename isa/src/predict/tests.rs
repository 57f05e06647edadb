//! Times by hand.

use super::{Prediction, predict};
use crate::code::Compiler;
use crate::gpus;
use crate::plans::Step;
use crate::told::Told;
use crate::variant::Variant;

/// A multiply-add, a move and 8 bytes of workgroup memory a turn, then six moves.
const LOOP: &str = "BB1:\n\tds_read_b64 v[2:3], v4\n\tv_fmac_f32_e32 v0, v1, v2\n\tv_mov_b32_e32 v1, v2\n\ts_branch BB1\n\
    BB2:\n\tv_mov_b32_e32 v0, v1\n\tv_mov_b32_e32 v0, v1\n\tv_mov_b32_e32 v0, v1\n\tv_mov_b32_e32 v0, v1\n\
    \tv_mov_b32_e32 v0, v1\n\tv_mov_b32_e32 v0, v1\n";

/// On navi21: 80 processors of 64 lanes and 128 bytes, 2.25 GHz, 512 GB/s; one workgroup each, of 64 threads.
fn predicted(code: &str, label: &str, terms: u32, bytes: f64) -> Prediction {
    let gpus = gpus::all().unwrap();
    let gpu = gpus.iter().find(|gpu| gpu.name == "navi21").unwrap();
    let told: Told = serde_json::from_value(serde_json::json!({
        "threads": 64, "statistics": {"Subgroups per SIMD": 16}, "texts": {"Assembly": code},
    }))
    .unwrap();
    let step: Step = serde_json::from_value(serde_json::json!({
        "gpu": "navi21", "layer": "a", "batch": 1, "family": "tiled", "algorithm": "gather", "chosen": true, "step": 0,
        "label": label, "workgroups": 80, "threads": 64, "terms": terms, "taps": 9, "outputs": 5120.0,
        "bytes_read": bytes, "bytes_written": 0.0, "registers": null,
    }))
    .unwrap();
    let program = told.program(Compiler::Aco).unwrap();
    let variant = Variant::new(gpu, label, &told, Some(&program), 9);
    predict(gpu, &step, &variant, &program).unwrap()
}

fn assert_near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
}

#[test]
fn the_slowest_of_three_bounds_a_step() {
    // 10,000 turns of two slots and six more, at one slot a lane and clock.
    let label = "fs_tiled_gather-8x8x1-in1";
    let found = predicted(LOOP, label, 10_000, 0.0);
    assert_near(found.arithmetic, 20_006.0 / 2.25e9);
    // 64 lanes of 8 bytes a turn, at 128 bytes a clock: four clocks.
    assert_near(found.workgroup_memory.unwrap(), 40_000.0 / 2.25e9);
    // One workgroup for each processor, of a quarter of the threads that hide latencies.
    assert_near(found.fill, 0.25);
    assert_eq!(found.bound, "workgroup memory");
    assert_near(found.time, 4.0 * 40_000.0 / 2.25e9 + 2e-6);
    // 5.12 MB take 10 us.
    let slow = predicted(LOOP, label, 100, 5.12e6);
    assert_eq!(slow.bound, "memory");
    assert_near(slow.time, 12e-6);
    assert_eq!(predicted(LOOP, label, 100, 0.0).bound, "launch");
    // A slot for the read too: three a turn, and six.
    assert_near(slow.slots_an_output, 306.0);
}

#[test]
fn loops_over_taps_turn_until_all_are_added() {
    // Three additions an outer turn, of one output; nine taps.
    let code = "BB1:\n\tv_mov_b32_e32 v1, v2\nBB2:\n\tbuffer_load_dword v2, v2, s[0:3], 0\n\tv_mul_lo_u32 v3, v3, v3\n\
        \tv_add_f32_e32 v0, v1, v2\n\ts_cbranch_scc1 BB2\n\ts_branch BB1\nBB3:\n\tv_mov_b32_e32 v0, v1\n";
    let found = predicted(code, "fs_tiled_accumulate-8x8-out1", 0, 0.0);
    // Nine taps of an addition and a product of four slots, three rows of a move, one at the end.
    assert_near(found.arithmetic, (9.0 * 5.0 + 3.0 + 1.0) / 2.25e9);
    assert_near(found.slots_an_output, 9.0 * 6.0 + 3.0 + 1.0);
}
