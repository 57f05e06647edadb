use serde_json::Value;

use crate::run::{failure, json, skip_gpu, success};

/// The timing of a candidate.
fn timing<'a>(layer: &'a Value, label: &str) -> &'a Value {
    layer["timings"].as_array().unwrap().iter().find(|timing| timing["label"] == label).unwrap_or(&Value::Null)
}

#[test]
fn the_cpu_has_dense_and_shared() {
    let report = json(["bench", "--device", "cpu", "--shape", "8x6@2", "--summaries", "C/2,2C", "--runs", "2"]);
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for (layer, summary) in layers.iter().zip(["C/2", "2C"]) {
        assert_eq!((layer["layer"].as_str(), layer["summary"].as_str()), (Some("8x6@2"), Some(summary)));
        assert!(timing(layer, "shared")["milliseconds"].as_f64().unwrap() > 0.0);
        assert!(layer["shared_over_dense"].as_f64().unwrap() > 0.0);
        assert!(timing(layer, "gather").is_null());
    }
    assert!(report["adapter"].is_null());
}

#[test]
fn the_gpu_has_all_three_and_names_their_kernels() {
    if skip_gpu("the_gpu_has_all_three_and_names_their_kernels") {
        return;
    }
    let report = json(["bench", "--require-gpu", "--shape", "8-12x9/2@2", "--summaries", "C", "--runs", "1"]);
    let layer = &report["layers"][0];
    for kernel in ["dense", "gather", "shared"] {
        let timing = timing(layer, kernel);
        // `compare` reads these.
        let rates = ["milliseconds", "gflops", "effective_gflops", "gigabytes_per_second", "flops_per_byte"];
        for number in rates.into_iter().chain(["compile_milliseconds", "first_milliseconds", "dispatches"]) {
            assert!(timing[number].as_f64().unwrap() > 0.0, "{number} {report}");
        }
        assert!(!timing["variants"].as_array().unwrap().is_empty(), "{report}");
    }
    for ratio in ["gather_over_dense", "shared_over_gather", "shared_over_dense"] {
        assert!(layer[ratio].as_f64().unwrap() > 0.0, "{report}");
    }
    // What the planner takes is one of those measured.
    assert!(!timing(layer, layer["auto"].as_str().unwrap()).is_null(), "{report}");
    assert!(layer["ratio"].as_f64().unwrap() > 1.0 && layer["output_sum"].is_f64(), "{report}");
    for text in ["version", "speedups_from"] {
        assert!(!report[text].as_str().unwrap().is_empty(), "{report}");
    }
    for text in ["backend", "name", "driver", "driver_info"] {
        assert!(report["adapter"][text].is_string(), "{report}");
    }
    assert!(report["adapter"]["software"].is_boolean(), "{report}");
}

#[test]
fn storages_are_checked_and_counted() {
    if skip_gpu("storages_are_checked_and_counted") {
        return;
    }
    // An odd number of outputs, the last word of which has one f16.
    let shape = ["bench", "--require-gpu", "--shape", "8-13x9/2", "--summaries", "C,dense", "--runs", "1", "--storage"];
    let reports = ["f32", "f16-weights", "u8-weights", "f16", "f16-u8-weights", "f16-f32-weights"].map(|storage| {
        let report = json(shape.into_iter().chain([storage]));
        assert_eq!(report["storage"], storage);
        report
    });
    for report in &reports[1..] {
        for row in 0..2 {
            // Every storage holds the same numbers.
            assert_eq!(report["layers"][row]["output_sum"], reports[0]["layers"][row]["output_sum"], "{report}");
        }
        for kernel in ["dense", "gather", "shared"] {
            // The same arithmetic on fewer bytes.
            let intensity = |report: &Value| timing(&report["layers"][0], kernel)["flops_per_byte"].as_f64().unwrap();
            assert!(intensity(report) > intensity(&reports[0]), "{kernel} {report}");
        }
    }
    let variants = timing(&reports[3]["layers"][0], "dense")["variants"].to_string();
    assert!(variants.contains("-f16"), "{variants}");
    let quick = json(["bench", "--require-gpu", "--quick", "--seconds", "1", "--storage", "f16"]);
    assert_eq!(quick["layers"].as_array().unwrap().len(), 2, "{quick}");
}

#[test]
fn storages_are_for_gpus_and_have_names() {
    let cpu = ["bench", "--device", "cpu", "--shape", "4x5", "--storage"];
    assert!(failure(cpu.into_iter().chain(["f16"])).contains("--storage f16: the CPU executor"));
    assert!(failure(cpu.into_iter().chain(["f8"])).contains("f8"));
}

#[test]
fn peaks_are_above_what_kernels_reach() {
    if skip_gpu("peaks_are_above_what_kernels_reach") {
        return;
    }
    let report = json(["bench", "--require-gpu", "--shape", "16x8", "--summaries", "dense", "--runs", "1", "--peaks"]);
    let peak = |name: &str| report["peaks"][name].as_f64().unwrap();
    let dense = timing(&report["layers"][0], "dense");
    assert!(peak("gflops") > dense["gflops"].as_f64().unwrap(), "{report}");
    assert!(peak("gigabytes_per_second") > 0.0, "{report}");
}

#[test]
fn lists_are_what_would_be_measured() {
    let list = json(["bench", "--list", "--layers", "first", "--device", "none such"]);
    assert_eq!(
        list[1],
        serde_json::json!({
            "layer": "3-64x224k7/2", "batch": 1, "channels": 3, "filters": 64, "size": 224,
            "kernel": 7, "stride": 2, "padding": 3
        })
    );
}

#[test]
fn dense_and_published_summaries_have_nothing_to_share() {
    let arguments =
        ["bench", "--device", "cpu", "--shape", "8x6", "--shape", "8x6k1", "--summaries", "2C,published:4,dense"];
    let report = json(arguments.into_iter().chain(["--runs", "1"]));
    let rows: Vec<(&str, &str, usize)> = report["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            let text = |key: &str| layer[key].as_str().unwrap();
            (text("layer"), text("summary"), layer["timings"].as_array().unwrap().len())
        })
        .collect();
    // A step of 2C leaves gaps between filters of one tap.
    let want = [
        ("8x6", "2C", 2),
        ("8x6", "published:4", 1),
        ("8x6", "dense", 1),
        ("8x6k1", "published:4", 1),
        ("8x6k1", "dense", 1),
    ];
    assert_eq!(rows, want, "{report}");
}

#[test]
fn equal_numbers_have_equal_sums() {
    // Peers make the same numbers: this is what numpy computes in float64 (peers/python/layer.py).
    let report = json(["bench", "--device", "cpu", "--shape", "64x56", "--summaries", "dense", "--runs", "1"]);
    assert_eq!(report["layers"][0]["output_sum"].as_f64(), Some(2_166.349_609_375));
}

#[test]
fn tables_say_where_the_times_come_from() {
    let text = success(["bench", "--device", "cpu", "--shape", "4x5", "--summaries", "C", "--runs", "1"]);
    assert!(text.contains("Times are medians by CPU time") || text.contains("Times are medians by wall"), "{text}");
}

#[test]
fn malformed_shapes_and_steps_are_errors() {
    for (option, value) in [("--shape", "256"), ("--shape", "0x3"), ("--summaries", "2"), ("--runs", "0")] {
        assert!(failure(["bench", "--device", "cpu", option, value]).contains(value), "{option} {value}");
    }
    // Half of one channel is no step; but where one summary suits, it is measured.
    assert!(failure(["bench", "--device", "cpu", "--shape", "1x4", "--summaries", "C/2"]).contains("compresses"));
    let report = json(["bench", "--device", "cpu", "--shape", "1x4", "--summaries", "C/2,C", "--runs", "1"]);
    assert_eq!(report["layers"].as_array().map(Vec::len), Some(1), "{report}");
    // More filters than there can be.
    let many = ["bench", "--device", "cpu", "--shape", "1-4000000000000x3", "--summaries", "learned:C"];
    assert!(failure(many).contains("4000000000000"));
    assert!(failure(["bench", "--device", "cpu", "--shape", "4x4k1", "--summaries", "C"]).contains("compresses"));
}

#[test]
fn whole_networks_are_measured() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/resnet20-s1c-short.safetensors");
    let network = ["bench", "--network", model, "--batch", "2", "--runs", "1"];
    assert!(failure([&network[..], &["--shape", "4x4"]].concat()).contains("cannot be used with"));
    assert!(failure([&network[..], &["--device", "cpu", "--storage", "f16-weights"]].concat()).contains("--storage"));
    let measured = |device: &[&str], numbers: &[&str]| {
        let report = json([&network[..], device].concat());
        let forward = &report["networks"][0];
        assert_eq!((forward["network"].as_str(), forward["batch"].as_u64()), (Some("resnet20-s1c-short"), Some(2)));
        for number in ["milliseconds", "images_per_second", "first_milliseconds"].iter().chain(numbers) {
            assert!(forward[number].as_f64().unwrap() > 0.0, "{number} {report}");
        }
        assert!(forward["largest_difference"].as_f64().unwrap() < 1e-4, "{report}");
    };
    measured(&["--device", "cpu"], &[]);
    if !skip_gpu("whole_networks_are_measured") {
        measured(&["--require-gpu"], &["dispatches", "weight_bytes"]);
    }
}
