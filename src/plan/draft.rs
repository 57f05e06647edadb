//! A draft: how one part of a problem's sums is computed, and what that is expected to cost.

use super::Step;
use crate::method::storage::Storage;

/// How one part of a sum is computed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    /// Words of the table before the scales.
    pub(super) table: Vec<u32>,
    /// Of a base stage, the base of every row whose numbers stand behind the gains; empty where there is none.
    pub(super) stage: Vec<usize>,
    /// Bytes of scratch memory.
    pub(super) workspace: u64,
    pub(super) storage: Storage,
    /// Levels of Hankel products.
    pub(super) hankel_levels: u32,
    /// Stored products, or sums of them, that are added up for an output; 0 where none are stored.
    pub(super) terms: usize,
    /// In multiply-adds of the family's inner loops; `None` where it is the seconds predicted of its steps.
    pub(super) cost: Option<f64>,
}
