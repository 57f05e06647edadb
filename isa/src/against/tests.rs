//! Ratios by hand.

use super::page;
use crate::gpus;
use crate::record::{Record, Row};

/// A step of a layer on the M1; seconds.
fn row(layer: &str, algorithm: &str, step: u32, bound: &str, time: f64) -> Row {
    let line = serde_json::json!({
        "gpu": "m1", "layer": layer, "batch": 1, "family": "tiled", "algorithm": algorithm,
        "chosen": algorithm == "shared", "step": step, "label": "a", "workgroups": 1,
        "prediction": {
            "arithmetic": 0.0, "workgroup_memory": null, "memory": 0.0, "fill": 1.0, "time": time, "bound": bound,
            "slots_an_output": 1.0,
        },
    });
    serde_json::from_value(line).unwrap()
}

#[test]
fn times_of_all_steps_are_compared() {
    let record = |steps| Record { steps, ..Record::default() };
    let before = record(vec![
        row("a", "gather", 0, "arithmetic", 4e-6),
        row("b", "gather", 0, "arithmetic", 9e-6),
        row("a", "shared", 0, "arithmetic", 4e-6),
        row("a", "shared", 1, "memory", 2e-6),
    ]);
    let now = record(vec![
        row("a", "gather", 0, "memory", 1e-6),
        row("b", "gather", 0, "arithmetic", 9e-6),
        // Two steps were one that is fused now, which was not there before.
        row("a", "fused", 0, "arithmetic", 1e-6),
        row("a", "shared", 0, "arithmetic", 1e-6),
        row("a", "shared", 1, "memory", 2e-6),
    ]);
    let page = page(&gpus::all().unwrap(), &before, &now);
    let has = |line: &str| assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    has("| m1 | gather | 2 | **2.00** | 1.00, 4.00 | memory 1, arithmetic 1 |");
    has("| m1 | shared | 1 | **2.00** | 2.00, 2.00 | memory 1 |");
    has("| m1 | plan | 1 | **2.00** | 2.00, 2.00 | memory 1 |");
    has("| shared | a, 1 | 6.0 | 3.0 | 2.00 | arithmetic | memory |");
    assert!(!page.contains("fused |"));
}
