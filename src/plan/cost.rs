//! The cost model of software adapters, in multiply-adds of the inner loops that a family's gather and products share.
//! On GPUs plans are ranked by the time that is predicted of them (`hardware.rs`).

use crate::kernels::Filters;

/// What a family's passes cost beside their multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    /// To store a product or row sum.
    pub(super) store: f64,
    /// To add one product of the tile to a row sum.
    pub(super) row_tap: f64,
    /// To finish an output.
    pub(super) finish: f64,
    /// To add a row sum to an output: a quarter of a vector load.
    pub(super) row: f64,
    /// To add a product to an output: scalar loads, near each other.
    pub(super) tap: f64,
    /// To add a product in workgroup memory to an output.
    pub(super) near_tap: f64,
    /// A multiply-add of products that stay in workgroup memory.
    pub(super) near_product: f64,
    /// To wait for one more dispatch.
    pub(super) dispatch: f64,
    /// To load weights twice and blend them, a multiply-add of gather. Products are blended where they are added up.
    pub(super) blend: f64,
}

/// What shared products have to do.
pub(super) struct Work {
    /// Of the product pass, tiles' surplus included.
    pub(super) multiply_adds: f64,
    /// Values stored by the product pass.
    pub(super) stored: u64,
    /// Products added up for each of them.
    pub(super) row_taps: usize,
    pub(super) outputs: u64,
    /// Stored values added up for each output.
    pub(super) terms: usize,
}

impl Costs {
    /// Of a convolution computed directly.
    pub(super) fn of_direct(&self, multiply_adds: f64, filters: Filters) -> f64 {
        // A gain serves all channels of a tap.
        multiply_adds * if filters.blended { 1.0 + self.blend } else { 1.0 }
    }

    /// Of shared products that are not stored, `terms` of them an output.
    pub(super) fn of_fused(&self, multiply_adds: f64, outputs: u64, terms: usize) -> f64 {
        multiply_adds * self.near_product + outputs as f64 * (self.finish + self.near_tap * terms as f64)
    }

    /// Of shared products.
    pub(super) fn of_shared(&self, work: &Work) -> f64 {
        let stored = work.stored as f64 * (self.store + self.row_tap * work.row_taps as f64);
        let term = if work.row_taps > 1 { self.row } else { self.tap };
        work.multiply_adds + self.dispatch + stored + work.outputs as f64 * (self.finish + term * work.terms as f64)
    }
}
