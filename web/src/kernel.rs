//! Which algorithm a page wants.

use filter_summary::Algorithm;

use crate::error::{Result, refuse};

/// `None` is `auto`: whatever is expected to be fastest.
pub(crate) fn algorithm(kernel: &str) -> Result<Option<Algorithm>> {
    if kernel == "auto" {
        return Ok(None);
    }
    match Algorithm::ALL.iter().find(|algorithm| algorithm.name() == kernel) {
        Some(&algorithm) => Ok(Some(algorithm)),
        None => {
            let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            refuse(format!("kernel is {kernel:?}: it must be auto, {}", names.join(", ")))
        }
    }
}
