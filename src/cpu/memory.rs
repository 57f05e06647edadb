//! How much memory a layer may take.

use crate::error::{Error, Result};

/// Most values of any one buffer a layer allocates beside its operands: a gigabyte.
const MEMORY_LIMIT: usize = 1 << 28;

/// Refuses buffers that only a hostile layer needs.
pub(crate) fn check_memory(what: &str, sizes: &[usize]) -> Result<()> {
    let values = sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size));
    if values > MEMORY_LIMIT {
        return Err(Error::value(what, format!("{values} values"), format!("the CPU takes at most {MEMORY_LIMIT}")));
    }
    Ok(())
}
