use std::fs;

use tempfile::tempdir;

use crate::files::{F32, cifar, write};
use crate::run::{failure, json, success, text};

/// Tensors of values of no meaning.
struct Checkpoint {
    tensors: Vec<F32>,
    seed: u32,
}

impl Checkpoint {
    fn new() -> Self {
        Self { tensors: Vec::new(), seed: 1 }
    }

    fn add(&mut self, name: String, shape: Vec<usize>, center: f32, spread: f32) {
        let count = shape.iter().product();
        let seed = &mut self.seed;
        let values = std::iter::repeat_with(|| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            center + spread * ((*seed >> 8) as f32 / (1 << 23) as f32 - 1.0)
        });
        self.tensors.push((name, shape, values.take(count).collect()));
    }
}

/// A state_dict with the names and shapes of a CIFAR-10 ResNet with `blocks` blocks a stage.
pub fn resnet(blocks: usize, classes: usize) -> Vec<F32> {
    let mut checkpoint = Checkpoint::new();
    let mut add = |name, shape, center, spread| checkpoint.add(name, shape, center, spread);
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
        for block in 0..blocks {
            let name = format!("layer{}.{block}.", stage + 1);
            conv(&name, 1, width, channels);
            conv(&name, 2, width, width);
            channels = width;
        }
    }
    add("linear.weight".to_owned(), vec![classes, 64], 0.0, 0.3);
    add("linear.bias".to_owned(), vec![classes], 0.0, 0.3);
    checkpoint.tensors
}

/// SqueezeNet 1.0's names and shapes.
pub fn squeezenet(classes: usize) -> Vec<F32> {
    let mut checkpoint = Checkpoint::new();
    let mut conv = |name: &str, shape: [usize; 4]| {
        checkpoint.add(format!("{name}.weight"), shape.to_vec(), 0.0, 0.1);
        checkpoint.add(format!("{name}.bias"), vec![shape[0]], 0.1, 0.1);
    };
    conv("conv1", [96, 3, 7, 7]);
    let mut channels = 96;
    for (fire, squeezed) in (2..).zip([16, 16, 32, 32, 48, 48, 64, 64]) {
        conv(&format!("fire{fire}/conv1x1_1"), [squeezed, channels, 1, 1]);
        conv(&format!("fire{fire}/conv1x1_2"), [4 * squeezed, squeezed, 1, 1]);
        conv(&format!("fire{fire}/conv3x3_2"), [4 * squeezed, squeezed, 3, 3]);
        channels = 8 * squeezed;
    }
    conv("conv_final", [classes, 512, 1, 1]);
    checkpoint.tensors
}

#[test]
fn squeezenet_has_its_published_shapes() {
    let directory = tempdir().unwrap();
    let [source, model] = ["dense.safetensors", "model.safetensors"].map(|name| directory.path().join(name));
    write(&source, &squeezenet(1000), None, &[]);
    let arguments = ["import", "--arch", "squeezenet1.0", text(&source), "-o", text(&model)];
    let report = json(arguments);
    // 1,248,424 is the number of parameters that the paper's network has.
    assert_eq!((report["convolutions"].as_u64(), report["parameters"].as_u64()), (Some(26), Some(1_248_424)));
    let inspected = json(["inspect", text(&model), "--device", "cpu"]);
    assert_eq!(inspected["input"], serde_json::json!([3, 227, 227]));
    assert_eq!(inspected["classes"], 1000);
    let output = |name: &str| {
        let layers = inspected["layers"].as_array().unwrap();
        layers.iter().find(|layer| layer["name"] == name).unwrap()["output"].clone()
    };
    for (name, shape) in [
        ("conv1", [96, 111, 111]),
        ("fire2/conv3x3_2", [64, 55, 55]),
        ("fire5/conv1x1_2", [128, 27, 27]),
        ("fire9/conv1x1_1", [64, 13, 13]),
        ("conv_final", [1000, 15, 15]),
    ] {
        assert_eq!(output(name), serde_json::json!(shape), "{name}");
    }

    write(&source, &squeezenet(1000)[1..], None, &[]);
    assert!(failure(arguments).contains("tensor conv1.weight: it is missing"));
    let mut more = squeezenet(1000);
    more.push(("fire10/conv1x1_1.bias".to_owned(), vec![1], vec![0.0]));
    write(&source, &more, None, &[]);
    assert!(failure(arguments).contains("tensor fire10/conv1x1_1.bias: squeezenet1.0 has none of that name"));
}

#[test]
fn resnets_of_every_depth() {
    let directory = tempdir().unwrap();
    let [source, model] = ["dense.safetensors", "model.safetensors"].map(|name| directory.path().join(name));
    for (arch, blocks) in [("resnet32", 5), ("resnet44", 7), ("resnet56", 9), ("resnet110", 18)] {
        write(&source, &resnet(blocks, 10), None, &[]);
        let report = json(["import", "--arch", arch, text(&source), "-o", text(&model)]);
        assert_eq!(
            (report["convolutions"].as_u64(), report["architecture"].as_str()),
            (Some(6 * blocks as u64 + 1), Some(arch))
        );
    }
}

#[test]
fn a_checkpoint_becomes_a_network_that_runs() {
    let directory = tempdir().unwrap();
    let [source, model, images] =
        ["dense.safetensors", "model.safetensors", "images.bin"].map(|name| directory.path().join(name));
    let mut tensors = resnet(3, 10);
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
    let whole = resnet(3, 10);
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
