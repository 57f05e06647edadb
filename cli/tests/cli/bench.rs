use crate::run::{failure, json, skip_gpu, success};

#[test]
fn the_cpu_has_dense_and_shared() {
    let report = json(["bench", "--device", "cpu", "--shape", "8x6@2", "--steps", "C/2,2C", "--runs", "2"]);
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for (layer, step) in layers.iter().zip(["C/2", "2C"]) {
        assert_eq!((layer["layer"].as_str(), layer["step"].as_str()), (Some("8x6@2"), Some(step)));
        assert!(layer["shared"]["milliseconds"].as_f64().unwrap() > 0.0);
        assert!(layer["shared_over_dense"].as_f64().unwrap() > 0.0);
        assert!(layer["gather"].is_null());
    }
}

#[test]
fn the_gpu_has_all_three() {
    if skip_gpu("the_gpu_has_all_three") {
        return;
    }
    let report = json(["bench", "--require-gpu", "--shape", "8-12x9/2@2", "--steps", "C", "--runs", "1"]);
    let layer = &report["layers"][0];
    for kernel in ["dense", "gather", "shared"] {
        assert!(layer[kernel]["effective_gflops"].as_f64().unwrap() > 0.0, "{report}");
        assert!(!layer[kernel]["kernels"].as_array().unwrap().is_empty(), "{report}");
    }
    for ratio in ["gather_over_dense", "shared_over_gather", "shared_over_dense"] {
        assert!(layer[ratio].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[test]
fn tables_say_where_the_times_come_from() {
    let text = success(["bench", "--device", "cpu", "--shape", "4x5", "--steps", "C", "--runs", "1"]);
    assert!(text.contains("Times are medians by wall clock"), "{text}");
}

#[test]
fn malformed_shapes_and_steps_are_errors() {
    for (option, value) in [("--shape", "256"), ("--shape", "0x3"), ("--steps", "2"), ("--runs", "0")] {
        assert!(failure(["bench", "--device", "cpu", option, value]).contains(value), "{option} {value}");
    }
    // Half of one channel is no step.
    assert!(failure(["bench", "--device", "cpu", "--shape", "1x4", "--steps", "C/2"]).contains("step"));
}
