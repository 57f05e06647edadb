//! Checkpoints as people have them: wrapped, in other floats, for other classes, with counters.

use std::fs;
use std::path::PathBuf;

use filter_summary::tensor_file::{NewTensor, Values, encode};
use tempfile::{TempDir, tempdir};

use crate::files::{F32, write};
use crate::import::{resnet, squeezenet};
use crate::run::{failure, json, text};

struct Import {
    directory: TempDir,
    source: PathBuf,
    model: PathBuf,
}

impl Import {
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let [source, model] = ["dense.safetensors", "model.safetensors"].map(|name| directory.path().join(name));
        Self { directory, source, model }
    }

    fn arguments<'a>(&'a self, arch: &'a str) -> [&'a str; 6] {
        ["import", "--arch", arch, text(&self.source), "-o", text(&self.model)]
    }

    /// The network that `tensors` become.
    fn of(&self, tensors: &[F32]) -> Vec<u8> {
        write(&self.source, tensors, None, &[("format", "pt")]);
        json(self.arguments("resnet20"));
        fs::read(&self.model).unwrap()
    }

    fn refuses(&self, tensors: &[F32]) -> String {
        write(&self.source, tensors, None, &[]);
        failure(self.arguments("resnet20"))
    }
}

fn renamed(tensors: &[F32], rename: impl Fn(&str) -> String) -> Vec<F32> {
    tensors.iter().map(|(name, shape, values)| (rename(name), shape.clone(), values.clone())).collect()
}

#[test]
fn names_lose_their_wrappers() {
    let import = Import::new();
    let plain = resnet(3, 10);
    let want = import.of(&plain);
    for prefix in ["module.", "_orig_mod.", "state_dict.", "state_dict.module.", "module._orig_mod.module.", "model."] {
        assert_eq!(import.of(&renamed(&plain, |name| format!("{prefix}{name}"))), want, "{prefix}");
    }
    // Parts of a network are wrapped too.
    let partly = |name: &str| name.replace("layer1.", "layer1._orig_mod.").replace("linear.", "module.linear.");
    assert_eq!(import.of(&renamed(&plain, partly)), want);

    let mut twice = plain.clone();
    twice.push(("module.bn1.bias".to_owned(), vec![16], vec![0.0; 16]));
    let error = import.refuses(&twice);
    assert!(
        error.contains("tensor module.bn1.bias: it and tensor bn1.bias are both bn1.bias: which is meant?"),
        "{error}"
    );
}

#[test]
fn missing_tensors_show_the_nearest() {
    let import = Import::new();
    let first = |prefix: &str| renamed(&resnet(3, 10)[..5], |name| format!("{prefix}{name}"));
    // Wrapped, and of the network only the first layer.
    let error = import.refuses(&first("module."));
    assert!(error.contains("dense.safetensors: tensor layer1.0.conv1.weight: it is missing"), "{error}");
    let error = import.refuses(&renamed(&resnet(3, 10), |name| name.replace("conv2", "con2")));
    let want = "tensor layer1.0.conv2.weight: it is missing; the nearest names are layer1.0.con2.weight, ";
    assert!(error.contains(want), "{error}");
    assert!(
        import
            .refuses(&first("encoder."))
            .contains("tensor conv1.weight: it is missing; the nearest names are encoder.conv1.weight")
    );
}

#[test]
fn counters_are_no_weights() {
    let import = Import::new();
    let plain = resnet(3, 10);
    let want = import.of(&plain);
    let mut counted = renamed(&plain, |name| format!("module.{name}"));
    for (name, shape) in [
        ("n_averaged", vec![]),
        ("epoch", vec![]),
        ("module.bn1.num_batches_tracked", vec![]),
        ("module.layer2.0.bn1.num_batches_tracked", vec![1]),
        ("module.conv1.total_ops", vec![1]),
        ("module.total_params", vec![1]),
    ] {
        counted.push((name.to_owned(), shape, vec![7.0]));
    }
    assert_eq!(import.of(&counted), want);
    counted.push(("optimizer.state.0.exp_avg".to_owned(), vec![1], vec![0.0]));
    let error = import.refuses(&counted);
    assert!(error.contains("tensor optimizer.state.0.exp_avg: resnet20 has none of that name"), "{error}");
}

#[test]
fn classes_are_those_of_the_last_layer() {
    let import = Import::new();
    for (arch, classes, tensors) in
        [("resnet20", 100, resnet(3, 100)), ("resnet20", 2, resnet(3, 2)), ("squeezenet1.0", 10, squeezenet(10))]
    {
        write(&import.source, &tensors, None, &[]);
        json(import.arguments(arch));
        let inspected = json(["inspect", text(&import.model), "--device", "cpu"]);
        assert_eq!(inspected["classes"], classes, "{arch}");
    }
    let image = import.directory.path().join("image.png");
    image::RgbImage::from_pixel(32, 32, image::Rgb([9, 8, 7])).save(&image).unwrap();
    write(&import.source, &resnet(3, 100), None, &[]);
    json(import.arguments("resnet20"));
    let classified = json(["classify", "--device", "cpu", "--model", text(&import.model), text(&image)]);
    let label = classified["images"][0]["top"][0]["label"].as_str().unwrap();
    assert!(label.starts_with("class "), "CIFAR-100's classes are not CIFAR-10's: {label}");

    let mut changed = resnet(3, 10);
    let weight = changed.len() - 2;
    changed[weight].1 = vec![10, 8, 8];
    let error = import.refuses(&changed);
    assert!(error.contains("tensor linear.weight: its shape is [10, 8, 8]: it must be [classes, 64]"), "{error}");
    let mut changed = resnet(3, 10);
    changed[weight + 1] = ("linear.bias".to_owned(), vec![9], vec![0.0; 9]);
    assert!(import.refuses(&changed).contains("tensor linear.bias: its shape is [9]: it must be [10]"));
}

/// A header of one dtype throughout, and the values of the same in F32.
fn in_sixteen_bits() -> (Vec<u8>, Vec<F32>) {
    let mut exact = resnet(3, 10);
    for (_, _, values) in &mut exact {
        // Eight bits of fraction at most: f16 and bf16 have them both.
        values.iter_mut().for_each(|value| *value = (*value * 64.0).round() / 64.0);
    }
    let new: Vec<NewTensor<'_>> = exact
        .iter()
        .map(|(name, shape, values)| NewTensor {
            name: name.clone(),
            shape: shape.clone(),
            values: Values::F16(values),
        })
        .collect();
    (encode(&new, &Default::default()).unwrap(), exact)
}

#[test]
fn other_floats_become_f32() {
    let import = Import::new();
    let (half, exact) = in_sixteen_bits();
    let want = import.of(&exact);
    let converted = |bytes: &[u8]| {
        fs::write(&import.source, bytes).unwrap();
        json(import.arguments("resnet20"));
        fs::read(&import.model).unwrap()
    };
    assert_eq!(converted(&half), want, "F16");
    // The same file with other types and bytes.
    let length = u64::from_le_bytes(half[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&half[8..8 + length]).unwrap();
    for (dtype, width) in [("BF16", 2), ("F64", 8)] {
        let mut header = header.clone();
        for (_, entry) in header.as_object_mut().unwrap() {
            entry["dtype"] = dtype.into();
            for at in 0..2 {
                entry["data_offsets"][at] = (entry["data_offsets"][at].as_u64().unwrap() * width / 2).into();
            }
        }
        let header = header.to_string();
        let mut bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        let mut ordered: Vec<&F32> = exact.iter().collect();
        ordered.sort_by_key(|(name, ..)| name);
        for value in ordered.iter().flat_map(|(.., values)| values) {
            match dtype {
                "BF16" => bytes.extend(&value.to_le_bytes()[2..]),
                _ => bytes.extend(f64::from(*value).to_le_bytes()),
            }
        }
        assert_eq!(converted(&bytes), want, "{dtype}");
    }
}
