//! The mutants of every run of the tests; `--bin mutants` reads more.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use conformance::Models;

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
