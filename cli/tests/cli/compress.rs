use std::fs;

use tempfile::tempdir;

use crate::files::{cifar, write};
use crate::import::resnet;
use crate::run::{failure, json, success, text};

#[test]
fn a_dense_network_becomes_a_filter_summary_network() {
    let directory = tempdir().unwrap();
    let [source, dense, model, images] =
        ["checkpoint.safetensors", "dense.safetensors", "model.safetensors", "images.bin"]
            .map(|name| directory.path().join(name));
    write(&source, &resnet(3, 10), None, &[]);
    success(["import", "--arch", "resnet20", text(&source), "-o", text(&dense)]);
    let report = json(["compress", text(&dense), "--ratio", "4.5", "--keep", "layer1.0.conv1", "-o", text(&model)]);
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 17, "the first layer stays dense, and the one to keep");
    for layer in layers {
        let error = |field: &str| layer[field].as_f64().unwrap();
        assert!(error("relative_error") < error("relative_error_unordered"), "{layer}");
        assert!((4.0..5.0).contains(&error("ratio")), "{layer}");
    }
    assert_eq!(report["bytes"], fs::metadata(&model).unwrap().len());
    let inspected = json(["inspect", text(&model), "--device", "cpu"]);
    assert_eq!(inspected["totals"]["parameters"], report["parameters"]);
    assert!(inspected["metadata"]["compression"].as_str().unwrap().starts_with("Ratio(4.5)"));
    fs::write(&images, cifar(&[(0, 0), (1, 1)])).unwrap();
    assert_eq!(json(["eval", "--model", text(&model), "--cifar10", text(&images), "--device", "cpu"])["total"], 2);

    let quantized = directory.path().join("quantized.safetensors");
    let short = json(["compress", text(&dense), "--bits", "8", "--keep", "layer1.0.conv1", "-o", text(&quantized)]);
    assert!(short["bytes"].as_u64().unwrap() * 2 < report["bytes"].as_u64().unwrap(), "{short}");
    success(["inspect", text(&quantized), "--device", "cpu"]);

    // One base a filter, told apart by gains, and gains on overlapping filters.
    let gains = directory.path().join("gains.safetensors");
    for (arguments, length, more) in [
        (&["--placement", "one-base", "--bits", "8"][..], 16 * 16, 9 * 16),
        (&["--placement", "one-base", "--step", "1/2"], 17 * 8, 9 * 16),
        (&["--step", "1", "--gains"], (9 + 15) * 16, 9 * 16),
    ] {
        let report = json([&["compress", text(&dense), "-o", text(&gains)], arguments].concat());
        let layer = &report["layers"][1];
        assert_eq!((layer["length"].as_u64(), layer["gains"].as_u64()), (Some(length), Some(more)), "{arguments:?}");
        let [with, without] =
            ["relative_error", "relative_error_without_gains"].map(|key| layer[key].as_f64().unwrap());
        assert!(with < 0.97 * without, "{arguments:?}: {layer}");
        let inspected = json(["inspect", text(&gains), "--device", "cpu"]);
        assert_eq!(inspected["totals"]["parameters"], report["parameters"]);
        assert_eq!(json(["eval", "--model", text(&gains), "--cifar10", text(&images), "--device", "cpu"])["total"], 2);
    }

    let first = fs::read(&model).unwrap();
    let table = success(["compress", text(&dense), "--ratio", "4.5", "--keep", "layer1.0.conv1", "-o", text(&model)]);
    assert!(table.contains("layer3.2.conv2"), "{table}");
    assert_eq!(first, fs::read(&model).unwrap(), "the same seed gives the same bytes");

    let refused = |arguments: &[&str], message: &str| {
        let error = failure([&["compress", text(&dense), "-o", text(&model)], arguments].concat());
        assert!(error.contains(message), "{error}");
        assert_eq!(first, fs::read(&model).unwrap(), "nothing is lost");
    };
    refused(&["--ratio", "0.5"], "ratio is 0.5");
    refused(&["--ratio", "NaN"], "it must be a number greater than 0");
    refused(&["--step", "2", "--ratio", "3"], "--step");
    refused(&["--step", "1/0"], "1/0");
    refused(&["--placement", "published", "--step", "2"], "the published placement has a --ratio instead");
    refused(&["--placement", "one-base", "--ratio", "2"], "the one-base placement has a --step instead");
    refused(&["--step", "1/7"], "step is 16 * 1 / 7");
    refused(&["--keep", "layer9"], "keep is layer9");
    refused(&["--placement", "sideways"], "sideways");
    let error = failure(["compress", text(&model), "--keep", "layer1.0.conv1", "-o", text(&dense)]);
    assert!(error.contains("layer1.0.conv1 was asked to stay"), "{error}");
    assert!(error.contains("no dense convolution would be compressed: "), "{error}");
}
