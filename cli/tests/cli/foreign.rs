//! Files of another kind: every command that reads a model says what they are, and what to do.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::files::{F32, cifar, color_network, layer_file, write};
use crate::run::{failure, text};

/// Every command that reads a model or a tensor file, given `path` as that.
fn readers<'a>(path: &'a str, images: &'a str, output: &'a str) -> [Vec<&'a str>; 7] {
    [
        vec!["classify", "--device", "cpu", "--model", path],
        vec!["eval", "--device", "cpu", "--cifar10", images, "--model", path],
        vec!["inspect", "--device", "cpu", path],
        vec!["quantize", path, "-o", output],
        vec!["compress", path, "-o", output],
        vec!["import", "--arch", "resnet20", path, "-o", output],
        vec!["conv", "--device", "cpu", path, "-o", output],
    ]
}

#[test]
fn every_command_names_them() {
    let directory = tempdir().unwrap();
    let [path, images, output] =
        ["downloaded", "images.bin", "output.safetensors"].map(|name| directory.path().join(name));
    fs::write(&images, cifar(&[(0, 0)])).unwrap();
    let member = |name: &[u8]| [&b"PK\x03\x04"[..], &[0; 22], &[name.len() as u8, 0, 0, 0], name].concat();
    let mut png = Vec::new();
    let picture = image::RgbImage::from_pixel(2, 2, image::Rgb([1, 2, 3]));
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    let cases: [(Vec<u8>, &str, &str); 9] = [
        (member(b"archive/data.pkl"), "it is a PyTorch archive, not safetensors", "python3 -c \"import sys, torch, "),
        (b"\x80\x02}q\0.".to_vec(), "it is a Python pickle", "python3 -c"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n".to_vec(), "a Git LFS pointer", "git lfs pull"),
        (b"<!doctype html><title>a</title>".to_vec(), "a web page (HTML)", "download the file itself"),
        (br#"{"weight_map":{"a":"b-1-of-2.safetensors"}}"#.to_vec(), "the index of a checkpoint", "python3 -c"),
        (b"\x08\x07\x12\x07pytorch".to_vec(), "an ONNX model", "fsnet import FILE -o NEW.safetensors"),
        (b"GGUF\x03\0\0\0".to_vec(), "a GGUF file", "safetensors"),
        (png, "a PNG picture", "name a model"),
        (Vec::new(), "it is empty", "download it again"),
    ];
    for (bytes, what, remedy) in cases {
        fs::write(&path, bytes).unwrap();
        for arguments in readers(text(&path), text(&images), text(&output)) {
            let error = failure(&arguments);
            assert!(error.contains("downloaded: ") && error.contains(what) && error.contains(remedy), "{error}");
            assert!(!output.exists(), "{arguments:?}");
        }
    }
    for arguments in readers(text(directory.path()), text(&images), text(&output)) {
        assert!(failure(&arguments).contains(": it is a directory: name a file in it"), "{arguments:?}");
    }
}

#[test]
fn a_model_is_no_picture() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let error = failure(["classify", "--device", "cpu", "--model", text(&model), text(&model)]);
    assert!(error.contains("neither PNG nor JPEG: it is safetensors, a model perhaps (--model)"), "{error}");
    let pointer = directory.path().join("cat.png");
    fs::write(&pointer, "version https://git-lfs.github.com/spec/v1\nsize 9\n").unwrap();
    let error = failure(["classify", "--device", "cpu", "--model", text(&model), text(&pointer)]);
    assert!(error.contains("cat.png: neither PNG nor JPEG: it is a Git LFS pointer"), "{error}");
    assert!(error.contains("git lfs pull"), "{error}");
    let error = failure(["eval", "--model", text(&model), "--device", "cpu", "--cifar10", text(&pointer)]);
    assert!(error.contains("it is a Git LFS pointer"), "{error}");
}

#[test]
fn safetensors_for_other_commands_are_named() {
    let directory = tempdir().unwrap();
    let checkpoint = directory.path().join("checkpoint.safetensors");
    let tensors: [F32; 1] = [("conv1.weight".to_owned(), vec![1], vec![1.0])];
    write(&checkpoint, &tensors, None, &[("format", "pt")]);
    let layer = layer_file(directory.path(), 0.0);
    for path in [&checkpoint, &layer] {
        let error = failure(["inspect", text(path)]);
        assert!(error.contains("metadata format: ") && error.contains("fsnet import makes one"), "{error}");
    }
    let network = color_network(directory.path());
    let output = directory.path().join("output");
    let error = failure(["import", "--arch", "resnet20", text(&network), "-o", text(&output)]);
    assert!(error.contains("it is a network already"), "{error}");
    let error = failure(["conv", text(&network)]);
    assert!(error.contains("metadata format: it is filter-summary: a network, not one layer"), "{error}");
}

/// `null` is no metadata, as the safetensors library has it.
#[test]
fn metadata_may_be_null() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("null.safetensors");
    let header = br#"{"__metadata__":null,"conv1.weight":{"dtype":"F32","shape":[16,3,3,3],"data_offsets":[0,1728]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 1728]].concat();
    fs::write(&path, bytes).unwrap();
    let output = directory.path().join("output");
    let error = failure(["import", "--arch", "resnet20", text(&path), "-o", text(&output)]);
    assert!(error.contains("null.safetensors: tensor bn1.weight: it is missing"), "{error}");
    assert!(!Path::exists(&output));
}
