//! One dispatch of a plan, and where it finds what it binds.

use std::borrow::Cow;
use std::mem::offset_of;
use std::ops::Range;

use super::{Prediction, Target};
#[cfg(feature = "network")]
use crate::error::{Error, Result};
use crate::kernels::{Description, Geometry, Kernel, Role, Variant, Work};
use crate::method::quantization::Quantization;

/// One dispatch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// The kernel, as the key of a pipeline.
    pub(crate) variant: Variant,
    pub(crate) description: Description,
    pub(crate) grid: [u32; 3],
    /// Most turns that the loops of one invocation take together, but for those that drivers unroll.
    pub(crate) turns: u64,
    /// Most turns of those, in one of the others.
    pub(crate) unrolled: u64,
    /// What each thread does.
    pub(crate) work: Work,
    /// Where operands lie that are no tensors of the caller's.
    pub(crate) places: Places,
    /// The bytes of the kernel's uniform.
    uniform: Vec<u8>,
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

impl Step {
    /// A dispatch of `tiles` workgroups, of at most `limit` a dimension.
    pub(crate) fn new<K: Kernel>(kernel: K, uniform: &K::Uniform, tiles: u64, limit: u32) -> Self {
        Self::described(kernel, kernel.describe(), uniform, tiles, limit)
    }

    /// The same of as many workgroups as `threads` need.
    pub(crate) fn of_threads<K: Kernel>(kernel: K, uniform: &K::Uniform, threads: u64, limit: u32) -> Self {
        let description = kernel.describe();
        let tiles = threads.div_ceil(u64::from(description.threads()));
        Self::described(kernel, description, uniform, tiles, limit)
    }

    fn described<K: Kernel>(kernel: K, description: Description, uniform: &K::Uniform, tiles: u64, limit: u32) -> Self {
        Self {
            variant: kernel.variant(),
            description,
            grid: fold_grid(tiles, limit),
            turns: kernel.turns(uniform),
            unrolled: kernel.unrolled(),
            work: kernel.work(uniform),
            places: Places::default(),
            uniform: bytemuck::bytes_of(uniform).to_vec(),
        }
    }

    /// The same of a tile whose threads have so many registers.
    pub(super) fn with_registers(self, registers: u32) -> Self {
        Self { work: Work { registers, ..self.work }, ..self }
    }

    /// How long it is expected to take on a target where it moves so many bytes through memory.
    pub(super) fn predict(&self, target: &Target, bytes: f64) -> Prediction {
        target.predict(&self.work, self.description.threads(), self.workgroups(), bytes)
    }

    /// Workgroups of the grid.
    pub(crate) fn workgroups(&self) -> u64 {
        self.grid.iter().map(|&size| u64::from(size)).product()
    }

    /// Whether the loops of an invocation end on a target, on every driver.
    pub(super) fn ends_on(&self, target: &Target) -> bool {
        self.turns <= target.most_turns(self.unrolled)
    }

    /// Refuses loops that would not end on a target, on every driver.
    #[cfg(feature = "network")]
    pub(crate) fn check_turns(&self, target: &Target) -> Result<()> {
        if self.ends_on(target) {
            return Ok(());
        }
        let (turns, most) = (self.turns, target.most_turns(self.unrolled));
        let reason = format!("its loops would turn {turns} times an invocation, and may {most} times");
        Err(Error::Unsupported { kernel: self.description.kernel(), reason })
    }

    /// The same where its operands lie so.
    pub(super) fn placed(self, places: &Places) -> Self {
        Self { places: places.clone(), ..self }
    }

    /// What is bound for a role.
    pub(crate) fn operand(&self, role: Role) -> Operand {
        let Places { table, products, addend, sum } = &self.places;
        match (role, addend, sum) {
            (Role::Residual, Some(addend), _) => Operand::Workspace(addend.clone()),
            (Role::Output, _, Some(sum)) => Operand::Workspace(sum.clone()),
            (Role::Input | Role::Residual | Role::Output | Role::Gains | Role::Scale | Role::Bias, ..) => {
                Operand::Tensor(role)
            }
            (Role::ProductsIn | Role::ProductsOut, ..) => Operand::Workspace(products.clone()),
            (Role::Summary, ..) => Operand::Summary,
            (Role::Table, ..) => Operand::Table(table.clone()),
        }
    }

    /// The uniform, for weights quantized so: plans know of a summary's levels nothing but that there are some.
    pub(crate) fn uniform(&self, quantization: Option<Quantization>) -> Cow<'_, [u8]> {
        let Some(quantization) = quantization.filter(|_| self.loads_weights()) else {
            return Cow::Borrowed(&self.uniform);
        };
        let mut bytes = self.uniform.clone();
        for (at, value) in Self::levels(quantization) {
            bytes[at..at + 4].copy_from_slice(&value);
        }
        Cow::Owned(bytes)
    }

    /// Whether its uniform says what 8-bit weights stand for.
    pub(crate) fn loads_weights(&self) -> bool {
        self.description.weights_in().is_some()
    }

    /// What its uniform says of it, and at which byte.
    pub(crate) fn levels(quantization: Quantization) -> [(usize, [u8; 4]); 2] {
        // Uniforms of kernels that load weights begin with the geometry.
        [
            (offset_of!(Geometry, weight_scale), quantization.scale().to_ne_bytes()),
            (offset_of!(Geometry, weight_zero), quantization.zero().to_ne_bytes()),
        ]
    }
}

/// A grid of at least `tiles` workgroups, folded into y where x would exceed `limit`; shaders return from the surplus.
fn fold_grid(tiles: u64, limit: u32) -> [u32; 3] {
    let folds = tiles.div_ceil(u64::from(limit)).max(1);
    let clamp = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    [clamp(tiles.div_ceil(folds).max(1)), clamp(folds), 1]
}
