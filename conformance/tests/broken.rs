//! The mutants of every run of the tests; `--bin mutants` reads more.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use conformance::{Models, Reader};

#[test]
fn models_broken_on_purpose_are_read_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut models = Models::default();
    models.add(&root.join("corpus")).unwrap();
    assert_eq!(models.count(), 4);
    models.add(&root.join("../tests/data")).unwrap();
    let report = models.read_mutants(20_000, 1).unwrap();
    // Changes that matter and changes that do not.
    assert!((1_000..10_000).contains(&report.read), "{report:?}");
}

#[test]
fn what_a_fuzzer_found_is_read_or_refused() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let targets = [
        ("onnx", Reader::Onnx),
        ("onnx_tensor", Reader::OnnxTensor),
        ("network", Reader::Network),
        ("layer", Reader::Layer),
    ];
    let mut read = 0;
    for (folder, reader) in targets {
        let files: Vec<_> = std::fs::read_dir(seeds.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let is_read = reader.read(std::fs::read(&file).unwrap());
            read += usize::from(is_read.unwrap_or_else(|error| panic!("{}: {error:#}", file.display())));
        }
    }
    assert!((1..100).contains(&read), "{read} are read");
}
