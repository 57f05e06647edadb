//! What the CPU's work costs, in multiply-adds of a large matrix product:
//! fitted to `examples/cpu_layers.rs` on AMD Zen 4.

/// Writing a product and reading what it is added to.
pub(super) const PRODUCT_COST: usize = 3;
/// Loading and adding a product.
pub(super) const SUM_COST: usize = 4;
/// Copying a value of the input.
pub(super) const COPY_COST: usize = 6;
/// What a thread must have to do, so that waking it is worth while: some 70 microseconds.
pub(super) const THREAD_COST: usize = 1 << 22;
