//! One dispatch of a plan, and where it finds what it binds.

use std::ops::Range;

use crate::quantization::Quantization;
use crate::spec::{Role, Spec};

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) spec: Spec,
    pub(crate) grid: [u32; 3],
    /// The uniform's fields in order, by name; a test compares them with the shader's struct.
    pub(crate) params: Vec<(&'static str, u32)>,
    /// Where operands lie that are no tensors of the caller's.
    pub(crate) places: Places,
}

/// Where a step's own operands lie, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Places {
    /// Of the table, what this step's part of the sum reads.
    pub(crate) table: Range<u64>,
    /// Of the workspace, the products.
    pub(crate) products: Range<u64>,
    /// Of the workspace, the sum of the parts before, which is added as a residual.
    pub(crate) addend: Option<Range<u64>>,
    /// Of the workspace, where the sum goes that later parts add to.
    pub(crate) sum: Option<Range<u64>>,
}

/// What a step binds for a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    /// The caller's tensor of that role.
    Tensor(Role),
    /// The summary, or dense weights.
    Summary,
    /// Bytes of the table.
    Table(Range<u64>),
    /// Bytes of the workspace.
    Workspace(Range<u64>),
}

/// The uniform fields that 8-bit weights are read by, which end the fields of every kernel that loads weights. Their
/// values are the summary's: plans know none.
pub(super) const QUANTIZATION: [(&str, u32); 2] = [("weight_scale", 0), ("weight_zero", 0)];

impl Step {
    /// A dispatch of `tiles` workgroups, of at most `limit` a dimension.
    pub(crate) fn new(spec: Spec, tiles: u64, limit: u32, params: Vec<(&'static str, u32)>) -> Self {
        Self { spec, grid: fold_grid(tiles, limit), params, places: Places::default() }
    }

    /// What is bound for a role.
    pub(crate) fn operand(&self, role: Role) -> Operand {
        let Places { table, products, addend, sum } = &self.places;
        match (role, addend, sum) {
            (Role::Residual, Some(addend), _) => Operand::Workspace(addend.clone()),
            (Role::Output, _, Some(sum)) => Operand::Workspace(sum.clone()),
            (Role::Input | Role::Residual | Role::Output, ..) => Operand::Tensor(role),
            (Role::ProductsIn | Role::ProductsOut, ..) => Operand::Workspace(products.clone()),
            (Role::Summary, ..) => Operand::Summary,
            (Role::Table, ..) => Operand::Table(table.clone()),
        }
    }

    /// The uniform's fields, for weights quantized so.
    pub(crate) fn quantized_params(&self, quantization: Option<Quantization>) -> Vec<(&'static str, u32)> {
        let value_of = |name: &str| match (name, quantization) {
            ("weight_scale", Some(quantization)) => Some(quantization.scale().to_bits()),
            ("weight_zero", Some(quantization)) => Some(quantization.zero().to_bits()),
            _ => None,
        };
        self.params.iter().map(|&(name, value)| (name, value_of(name).unwrap_or(value))).collect()
    }
}

/// A grid of at least `tiles` workgroups, folded into y where x would exceed `limit`; shaders return from the surplus.
fn fold_grid(tiles: u64, limit: u32) -> [u32; 3] {
    let folds = tiles.div_ceil(u64::from(limit)).max(1);
    let clamp = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    [clamp(tiles.div_ceil(folds).max(1)), clamp(folds), 1]
}
