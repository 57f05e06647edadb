use std::fs;

use tempfile::tempdir;

use crate::files::{cifar, color_network};
use crate::run::{failure, json, skip_gpu, success, text};

/// Seven images, the third and the last with another label than their colour.
const RECORDS: [(u8, usize); 7] = [(0, 0), (1, 1), (9, 2), (2, 2), (1, 1), (0, 0), (1, 0)];

#[test]
fn counts_right_answers_in_every_batch_size() {
    let directory = tempdir().unwrap();
    let (model, images) = (color_network(directory.path()), directory.path().join("images.bin"));
    fs::write(&images, cifar(&RECORDS)).unwrap();
    for batch in ["1", "3", "7", "100"] {
        let report =
            json(["eval", "--model", text(&model), "--cifar10", text(&images), "--device", "cpu", "--batch", batch]);
        assert_eq!((report["correct"].as_u64(), report["total"].as_u64()), (Some(5), Some(7)), "batch {batch}");
        assert!(report["images_per_second"].as_f64().unwrap() > 0.0);
        assert!(report["device"].as_str().unwrap().starts_with("CPU"), "{report}");
    }
}

#[test]
fn reads_xz_and_limits() {
    let directory = tempdir().unwrap();
    let (model, images) = (color_network(directory.path()), directory.path().join("images.bin.xz"));
    fs::write(&images, liblzma::encode_all(cifar(&RECORDS).as_slice(), 1).unwrap()).unwrap();
    let arguments = ["eval", "--model", text(&model), "--cifar10", text(&images), "--device", "cpu", "--limit", "3"];
    let report = json(arguments);
    assert_eq!((report["correct"].as_u64(), report["total"].as_u64()), (Some(2), Some(3)));
    assert!(success(arguments).starts_with("2 of 3 correct (66.67 %)\n"));
}

#[test]
fn every_kernel_counts_the_same_on_the_gpu() {
    if skip_gpu("every_kernel_counts_the_same_on_the_gpu") {
        return;
    }
    let directory = tempdir().unwrap();
    let (model, images) = (color_network(directory.path()), directory.path().join("images.bin"));
    fs::write(&images, cifar(&RECORDS)).unwrap();
    for kernel in ["auto", "dense", "gather", "shared"] {
        let arguments = ["eval", "--model", text(&model), "--cifar10", text(&images), "--batch", "3", "--require-gpu"];
        let report = json(arguments.iter().chain(&["--kernel", kernel]));
        assert_eq!((report["correct"].as_u64(), report["total"].as_u64()), (Some(5), Some(7)), "{kernel}");
        assert_eq!(report["kernel"], kernel);
    }
}

#[test]
fn refuses_files_that_are_no_cifar_batch() {
    let directory = tempdir().unwrap();
    let (model, images) = (color_network(directory.path()), directory.path().join("images.bin"));
    let arguments = ["eval", "--model", text(&model), "--cifar10", text(&images), "--device", "cpu"];
    assert!(failure(arguments).contains("images.bin"), "a missing file is named");
    let whole = cifar(&RECORDS);
    let mut labelled = whole.clone();
    labelled[3073] = 10;
    let xz = liblzma::encode_all(whole.as_slice(), 1).unwrap();
    let cases: [(&[u8], &str); 5] = [
        (&[], "0 bytes: a CIFAR-10 batch is a positive multiple of 3073"),
        (&whole[..whole.len() - 1], "21510 bytes"),
        (&labelled, "record 1 has label 10"),
        (&xz[..xz.len() / 2], "broken xz data"),
        (b"\xfd7zXZ\0garbage", "broken xz data"),
    ];
    for (bytes, message) in cases {
        fs::write(&images, bytes).unwrap();
        let error = failure(arguments);
        assert!(error.contains("images.bin") && error.contains(message), "{error}");
    }
}
