//! What is a fault, and which of them are known.

use super::{Fault, Record, What, fallen, faults, unknown};
use crate::plans::Step;
use crate::variant::Variant;

fn variant(gpu: &str, label: &str, [registers, spills]: [u32; 2], share: f64) -> Variant {
    Variant {
        gpu: gpu.to_owned(),
        label: label.to_owned(),
        registers: Some(registers),
        waves: None,
        spills,
        scratch: 0,
        workgroup_bytes: 0,
        instructions: None,
        main: None,
        is_loop: true,
        share: Some(share),
        matrix_share: None,
        bytes_a_multiply_add: None,
        slots_an_output: None,
    }
}

fn step(label: &str, registers: Option<u32>) -> Step {
    let line = serde_json::json!({
        "gpu": "m1", "layer": "64x56", "batch": 1, "family": "tiled", "algorithm": "gather", "chosen": true, "step": 0,
        "label": label, "workgroups": 1, "threads": 64, "terms": 9, "taps": 9, "outputs": 1.0, "bytes_read": 1.0,
        "bytes_written": 1.0, "registers": registers,
    });
    serde_json::from_value(line).unwrap()
}

#[test]
fn spills_and_registers_beyond_the_assumed_are_faults() {
    let steps = [step("a", Some(128)), step("b", None)];
    let variants =
        [variant("m1", "a", [129, 2], 50.0), variant("sm86", "a", [128, 0], 50.0), variant("m1", "b", [255, 0], 0.0)];
    let found = faults(&variants, &steps);
    let lines: Vec<String> = found.iter().map(Fault::line).collect();
    assert_eq!(lines, ["m1 a: 2 spills", "m1 a: 129 registers, and plans assume 128"]);
}

#[test]
fn what_is_known_may_not_grow() {
    let fault = |gpu: &str, found| Fault {
        gpu: gpu.to_owned(),
        label: "a".to_owned(),
        what: What::Spills,
        found,
        expected: 0.0,
    };
    let known = [fault("m1", 4.0)];
    let new = |fault| unknown(vec![fault], &known).len();
    assert_eq!(
        [new(fault("m1", 3.0)), new(fault("m1", 4.0)), new(fault("m1", 5.0)), new(fault("a770", 1.0))],
        [0, 0, 1, 1]
    );
}

#[test]
fn shares_may_fall_by_less_than_three_points() {
    let recorded = [variant("m1", "a", [0; 2], 60.0)];
    let fell = |share, label| fallen(&[variant("m1", label, [0; 2], share)], &recorded);
    assert!(fell(57.1, "a").is_empty() && fell(90.0, "a").is_empty() && fell(10.0, "new").is_empty());
    let lines: Vec<String> = fell(57.0, "a").iter().map(Fault::line).collect();
    assert_eq!(lines, ["m1 a: 57 % multiply-adds, and 60 % are recorded"]);
}

#[test]
fn records_are_read_as_they_were_written_and_keep_other_gpus() {
    let record = |gpu: &str, share| Record {
        drivers: vec![[gpu.to_owned(), "driver".to_owned()]],
        variants: vec![variant(gpu, "a", [1, 2], share)],
        ..Record::default()
    };
    let path = std::env::temp_dir().join(format!("isa-record-{}.json", std::process::id()));
    let mut first = record("m1", 1.0);
    first.keep(record("m1", 2.0));
    first.keep(record("sm86", 3.0));
    first.write(&path).unwrap();
    let read = Record::read(&path).unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.variants, first.variants);
    assert_eq!(read.variants.iter().map(|variant| variant.share).collect::<Vec<_>>(), [Some(1.0), Some(3.0)]);
    assert!(Record::read(&path).unwrap().is_none());
}
