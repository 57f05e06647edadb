use std::fs;

use tempfile::tempdir;

use crate::files::{cifar, color_network, layer_file};
use crate::run::{failure, fsnet, text};

#[test]
fn usage_errors_are_one_line() {
    let cases: [&[&str]; 11] = [
        &["frobnicate"],
        &["--frobnicate"],
        &["eval"],
        &["eval", "--model", "m"],
        &["conv", "layer", "--kernel", "magic"],
        &["bench", "--family", "magic"],
        &["bench", "--hankel", "3"],
        &["bench", "--device", "cpu", "--hankel", "1"],
        &["import", "--arch", "vgg", "a", "-o", "b"],
        &["eval", "--model", "m", "--cifar10", "c", "--batch", "0"],
        &["classify", "--top", "none"],
    ];
    for arguments in cases {
        failure(arguments);
    }
}

#[test]
fn misspellings_get_suggestions() {
    for (arguments, meant) in [
        (&["clasify"][..], "'classify' (see fsnet --help)"),
        (&["--versoin"], "'--version' (see fsnet --help)"),
        (&["conv", "layer", "--kernal", "dense"], "'--kernel' (see fsnet conv --help)"),
        (&["conv", "layer", "--kernel", "gathr"], "'gather' (see fsnet conv --help)"),
        (&["bench", "--family", "softwrae"], "'software' (see fsnet bench --help)"),
        (&["classify", "--famly", "tiled"], "'--family' (see fsnet classify --help)"),
        (&["import", "--arch", "resnt20", "a", "-o", "b"], "'resnet20' (see fsnet import --help)"),
        (&["import", "--arch", "squeezenet", "a", "-o", "b"], "'squeezenet1.0' (see fsnet import --help)"),
        (&["compress", "a", "-o", "b", "--placement", "tapmajor"], "'tap-major' (see fsnet compress --help)"),
        (&["compress", "a", "-o", "b", "--ratio", "nan"], "a number greater than 0 (see fsnet compress --help)"),
        (&["eval", "--model", "m"], "(see fsnet eval --help)"),
    ] {
        let error = failure(arguments);
        assert!(error.trim_end().ends_with(meant), "{error}");
    }
    let directory = tempdir().unwrap();
    let network = color_network(directory.path());
    let output = directory.path().join("output");
    let error = failure(["compress", text(&network), "-o", text(&output), "--keep", "convv"]);
    assert!(error.contains("keep is convv: it must be a convolution of dense weights"), "{error}");
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/resnet20-s2c.safetensors");
    let error = failure(["compress", model, "-o", text(&output), "--keep", "conv1", "--only", "conv1"]);
    assert!(error.contains("keep is conv1: only has it too"), "{error}");
    let error = failure(["classify", "--device", "lavapipe-9000"]);
    assert!(error.contains("--device lavapipe-9000: no"), "{error}");
}

#[test]
fn help_is_an_answer() {
    for arguments in [&["--help"][..], &["--version"], &["bench", "--help"], &["help", "conv"]] {
        let output = fsnet().args(arguments).assert().code(0).get_output().clone();
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
    fsnet().assert().code(2);
}

/// Every command that reads a model, given `path` as the model.
fn readers<'a>(path: &'a str, images: &'a str) -> [Vec<&'a str>; 3] {
    [
        vec!["classify", "--device", "cpu", "--model", path],
        vec!["eval", "--device", "cpu", "--cifar10", images, "--model", path],
        vec!["inspect", "--device", "cpu", path],
    ]
}

#[test]
fn broken_models_are_named() {
    let directory = tempdir().unwrap();
    let images = directory.path().join("images.bin");
    fs::write(&images, cifar(&[(0, 0)])).unwrap();
    let whole = fs::read(color_network(directory.path())).unwrap();
    let path = directory.path().join("broken.safetensors");
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut infinite = whole.clone();
    let last = infinite.len() - 4;
    infinite[last..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let cases: [&[u8]; 7] =
        [&[], b"text", &whole[..whole.len() - 4], &whole[..9], &huge, &infinite, &vec![b'{'; 1 << 16]];
    for bytes in cases {
        fs::write(&path, bytes).unwrap();
        for arguments in readers(text(&path), text(&images)) {
            let error = failure(&arguments);
            assert!(error.contains("broken.safetensors"), "{arguments:?}: {error}");
        }
    }
    fs::remove_file(&path).unwrap();
    for arguments in readers(text(&path), text(&images)) {
        assert!(failure(&arguments).contains("broken.safetensors"));
    }
    // A directory is no file.
    for arguments in readers(text(directory.path()), text(&images)) {
        failure(&arguments);
    }
}

#[test]
fn a_layer_file_is_no_network_and_the_reverse() {
    let directory = tempdir().unwrap();
    let (network, layer) = (color_network(directory.path()), layer_file(directory.path(), 0.0));
    assert!(failure(["inspect", text(&layer)]).contains("format"));
    assert!(failure(["conv", text(&network)]).contains("a network, not one layer"));
}

#[test]
fn unwritable_outputs_leave_nothing() {
    let directory = tempdir().unwrap();
    let layer = layer_file(directory.path(), 0.0);
    let missing = directory.path().join("missing/output.safetensors");
    let error = failure(["conv", text(&layer), "--device", "cpu", "-o", text(&missing)]);
    assert!(error.contains("missing"), "{error}");
    failure(["conv", text(&layer), "--device", "cpu", "-o", text(directory.path())]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_read_is_not_replaced() {
    let directory = tempdir().unwrap();
    let (network, layer) = (color_network(directory.path()), layer_file(directory.path(), 0.0));
    let before = [&network, &layer].map(|path| fs::read(path).unwrap());
    let (network, layer) = (text(&network), text(&layer));
    // Another way to write the same path.
    let again = format!("{}/./colors.safetensors", text(directory.path()));
    let cases: [&[&str]; 4] = [
        &["quantize", network, "-o", &again],
        &["compress", network, "-o", network],
        &["import", "--arch", "resnet20", network, "-o", network],
        &["conv", "--device", "cpu", layer, "-o", layer],
    ];
    for arguments in cases {
        assert!(failure(arguments).contains("it is the file that is read"), "{arguments:?}");
    }
    assert_eq!([network, layer].map(|path| fs::read(path).unwrap()), before);
}

#[test]
fn names_in_files_cannot_drive_the_terminal() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let header = br#"{"\u001b[2Jevil\n":{"dtype":"F32","shape":[1],"data_offsets":[0,9]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    fs::write(&path, bytes).unwrap();
    assert!(!failure(["inspect", text(&path)]).contains('\u{1b}'));
}

#[test]
fn a_message_names_a_file_once() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let absent = directory.path().join("absent");
    let eval = ["eval", "--device", "cpu", "--model", text(&model)];
    for (option, place) in [("--images", absent.as_path()), ("--images", &model), ("--cifar10", directory.path())] {
        let error = failure(eval.iter().copied().chain([option, text(place)]));
        assert_eq!(error.matches(&format!("{}: ", place.display())).count(), 1, "{error}");
    }
    let error = failure(["classify", "--tune", "--tuning-cache", text(directory.path())]);
    assert_eq!(error.matches(text(directory.path())).count(), 1, "{error}");
}
