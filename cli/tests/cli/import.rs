use std::fs;

use tempfile::tempdir;

use crate::files::{F32, cifar, write};
use crate::run::{failure, json, success, text};

/// A state_dict with ResNet-20's names and shapes, and values of no meaning.
pub fn resnet20() -> Vec<F32> {
    let mut tensors = Vec::new();
    let mut seed = 1u32;
    let mut add = |name: String, shape: Vec<usize>, center: f32, spread: f32| {
        let count = shape.iter().product();
        let values = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            center + spread * ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0)
        });
        tensors.push((name, shape, values.take(count).collect()));
    };
    let mut conv = |name: &str, index: usize, out: usize, channels: usize| {
        add(format!("{name}conv{index}.weight"), vec![out, channels, 3, 3], 0.0, 0.1);
        add(format!("{name}bn{index}.weight"), vec![out], 1.0, 0.2);
        add(format!("{name}bn{index}.bias"), vec![out], 0.0, 0.2);
        add(format!("{name}bn{index}.running_mean"), vec![out], 0.0, 0.2);
        add(format!("{name}bn{index}.running_var"), vec![out], 1.0, 0.5);
    };
    conv("", 1, 16, 3);
    let mut channels = 16;
    for (stage, width) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..3 {
            let name = format!("layer{}.{block}.", stage + 1);
            conv(&name, 1, width, channels);
            conv(&name, 2, width, width);
            channels = width;
        }
    }
    add("linear.weight".to_owned(), vec![10, 64], 0.0, 0.3);
    add("linear.bias".to_owned(), vec![10], 0.0, 0.3);
    tensors
}

#[test]
fn a_checkpoint_becomes_a_network_that_runs() {
    let directory = tempdir().unwrap();
    let [source, model, images] =
        ["dense.safetensors", "model.safetensors", "images.bin"].map(|name| directory.path().join(name));
    let mut tensors = resnet20();
    // What PyTorch counts in training is no parameter.
    tensors.push(("bn1.num_batches_tracked".to_owned(), vec![], vec![7.0]));
    write(&source, &tensors, None, &[]);
    let report = json(["import", "--arch", "resnet20", text(&source), "-o", text(&model)]);
    assert_eq!(report["convolutions"], 19);
    assert_eq!(report["bytes"], fs::metadata(&model).unwrap().len());

    let inspected = json(["inspect", text(&model), "--device", "cpu"]);
    let layers = inspected["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 20);
    assert!(layers.iter().all(|layer| (layer["ratio"].as_f64().unwrap() - 1.0).abs() < 1e-12));
    // 268,336 weights, and a bias for each of the 688 filters and 10 classes.
    assert_eq!(inspected["totals"]["dense_weights"], 268_336);
    assert_eq!(inspected["totals"]["parameters"], 269_034);
    assert_eq!(inspected["metadata"]["architecture"], "resnet20");

    fs::write(&images, cifar(&[(0, 0), (1, 1), (2, 2)])).unwrap();
    let evaluated = json(["eval", "--model", text(&model), "--cifar10", text(&images), "--device", "cpu"]);
    assert_eq!(evaluated["total"], 3);

    let first = fs::read(&model).unwrap();
    success(["import", "--arch", "resnet20", text(&source), "-o", text(&model)]);
    assert_eq!(first, fs::read(&model).unwrap(), "the same checkpoint gives the same bytes");
}

#[test]
fn every_name_and_shape_is_checked() {
    let directory = tempdir().unwrap();
    let [source, model] = ["dense.safetensors", "model.safetensors"].map(|name| directory.path().join(name));
    let refused = |tensors: &[F32], arch: &str, message: &str| {
        write(&source, tensors, None, &[]);
        let error = failure(["import", "--arch", arch, text(&source), "-o", text(&model)]);
        assert!(error.contains("dense.safetensors") && error.contains(message), "{error}");
        assert!(!model.exists());
    };
    let whole = resnet20();
    refused(&whole, "resnet56", "layer1.3.conv1.weight");
    refused(&whole[1..], "resnet20", "tensor conv1.weight: it is missing");
    let mut changed = whole.clone();
    changed.push(("fc.weight".to_owned(), vec![1], vec![0.0]));
    refused(&changed, "resnet20", "tensor fc.weight: resnet20 has none of that name");
    let mut changed = whole.clone();
    changed[0].1 = vec![16, 3, 9, 1];
    refused(&changed, "resnet20", "tensor conv1.weight: its shape is [16, 3, 9, 1]");
    let mut changed = whole;
    changed[4].2[2] = -3.0;
    refused(&changed, "resnet20", "tensor bn1.running_var: value 2 is -3");
}
