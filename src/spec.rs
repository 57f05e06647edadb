//! The spec: one value that names a kernel variant. It is the pipeline-cache key, the list of constants and the label.

mod kernel;
mod label;
mod row_sums;

use crate::placement::Boundary;
use crate::plan::Storage;
use crate::problem::Activation;
use crate::quantization::Precision;
pub(crate) use kernel::{Kernel, MATRIX_FEATURES};
pub(crate) use row_sums::RowSums;

/// What is bound at a slot of bind group 0. The binding number is the role's [`Role::binding`] in every kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The input tensor, NCHW.
    Input,
    /// Products, read.
    ProductsIn,
    /// The summary's values, or dense weights.
    Summary,
    /// Bases, slots, scales, biases.
    Table,
    /// The output tensor, written.
    Output,
    /// Products, written.
    ProductsOut,
    /// The residual (or the second operand of a sum).
    Residual,
}

impl Role {
    pub(crate) fn binding(self) -> u32 {
        match self {
            Self::Input | Self::ProductsIn => 1,
            Self::Summary => 2,
            Self::Table => 3,
            Self::Output | Self::ProductsOut => 4,
            Self::Residual => 5,
        }
    }

    pub(crate) fn is_written(self) -> bool {
        matches!(self, Self::Output | Self::ProductsOut)
    }
}

/// How a thread touches four consecutive values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Each at its own index.
    Scalar,
    /// Two and two, together and aligned; both are valid or neither.
    Vec2,
    /// Together and aligned; all are valid or none.
    Vec4,
}

impl Access {
    /// For runs of values that begin and end at sums of multiples of `lengths`: Vec4 where all are multiples of four, Vec2 where of two.
    pub(crate) fn for_lengths(lengths: &[usize]) -> Self {
        let all_multiples_of = |count| lengths.iter().all(|length| length.is_multiple_of(count));
        if all_multiples_of(4) {
            Self::Vec4
        } else if all_multiples_of(2) {
            Self::Vec2
        } else {
            Self::Scalar
        }
    }
}

/// How weights are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WeightLoad {
    /// Four channels at once; bases and channels are multiples of four.
    Vec4,
    /// One by one, by the boundary's rule.
    Scalar(Boundary),
}

/// Threads of a workgroup and what each keeps in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    pub(crate) lanes_x: u32,
    pub(crate) lanes_y: u32,
    /// Output channels (or bases) a thread.
    pub(crate) rows: u32,
    /// Quads of pixels a thread.
    pub(crate) quads: u32,
    /// Channels that are in workgroup memory at a time; 0 where none are.
    pub(crate) depth: u32,
    /// Groups of `lanes_x * lanes_y` threads that share a tile's reduction.
    pub(crate) slices: u32,
}

impl Tile {
    pub(crate) fn rows_per_tile(self) -> usize {
        (self.lanes_y * self.rows) as usize
    }

    pub(crate) fn pixels_per_tile(self) -> usize {
        (self.lanes_x * self.quads * 4) as usize
    }

    pub(crate) fn threads(self) -> u32 {
        self.lanes_x * self.lanes_y * self.slices
    }
}

/// Taps of a kernel row where outputs stand in the columns of their inputs: gather then shares loads of the input among them, as its
/// pixels stay in registers from tap to tap, and the accumulation puts quads together from neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowTaps {
    pub(crate) taps: u32,
    pub(crate) padding: u32,
}

/// Filters that one thread accumulates, because they share row sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Chain {
    pub(crate) filters: u32,
    /// Terms that each is further than the last.
    pub(crate) terms: u32,
}

/// One kernel variant. Fields a kernel does not use are `None`, so that equal shaders have equal specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) kernel: Kernel,
    pub(crate) tile: Tile,
    pub(crate) weights: Option<WeightLoad>,
    pub(crate) input: Option<Access>,
    pub(crate) row_sums: Option<RowSums>,
    pub(crate) row_taps: Option<RowTaps>,
    /// Rows and columns of stored products that are added up for an output.
    pub(crate) terms: Option<[u32; 2]>,
    pub(crate) chain: Option<Chain>,
    /// Filters are blends of two neighbouring segments (learned positions).
    pub(crate) blended: bool,
    /// Levels of Hankel products: 1 where rows begin half a tap after one another, 2 for a quarter.
    pub(crate) hankel_levels: u32,
    pub(crate) output: Option<Access>,
    pub(crate) residual: Option<Access>,
    pub(crate) activation: Option<Activation>,
    /// What the numbers in buffers are; weights count only where the kernel loads some.
    pub(crate) storage: Storage,
    /// The residual stays f32, whatever tensors are: it is the sum of earlier parts.
    pub(crate) residual_f32: bool,
    /// And so does the output: later parts add to it.
    pub(crate) output_f32: bool,
    /// Quads of f32 are moved as two words of 64 bits, where the device can ([`Spec::paired`]).
    pub(crate) pairs: bool,
    /// All storage buffers are bound read_write, for engines that keep several tensors in one buffer.
    pub(crate) read_write: bool,
}

impl Spec {
    /// A variant with nothing but a kernel and a tile, in f32.
    pub(crate) const fn new(kernel: Kernel, tile: Tile) -> Self {
        Self {
            kernel,
            tile,
            weights: None,
            input: None,
            row_sums: None,
            row_taps: None,
            terms: None,
            chain: None,
            blended: false,
            hankel_levels: 0,
            output: None,
            residual: None,
            activation: None,
            storage: Storage::F32,
            residual_f32: false,
            output_f32: false,
            pairs: false,
            read_write: false,
        }
    }

    /// The roles the kernel binds, in the order of their binding numbers; binding 0 is the uniform.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let mut roles = match self.kernel {
            Kernel::Gather
            | Kernel::SubgroupGather
            | Kernel::SubgroupGatherRows
            | Kernel::SubgroupGatherFew
            | Kernel::TiledGather
            | Kernel::MatrixGather => vec![Role::Input, Role::Summary, Role::Table, Role::Output],
            Kernel::Products | Kernel::SubgroupProducts | Kernel::TiledProducts | Kernel::MatrixProducts => {
                vec![Role::Input, Role::Summary, Role::Table, Role::ProductsOut]
            }
            Kernel::AccumulateRows | Kernel::AccumulateTaps | Kernel::AccumulateChains | Kernel::TiledAccumulate => {
                vec![Role::ProductsIn, Role::Table, Role::Output]
            }
            #[cfg(feature = "network")]
            Kernel::Pool | Kernel::PoolWindow | Kernel::Add | Kernel::Subsample => vec![Role::Input, Role::Output],
            #[cfg(feature = "network")]
            Kernel::PoolBlocks => vec![Role::Input, Role::ProductsOut],
            #[cfg(feature = "network")]
            Kernel::PoolFinish => vec![Role::ProductsIn, Role::Output],
            #[cfg(feature = "network")]
            Kernel::BatchNorm => vec![Role::Input, Role::Table, Role::Output],
        };
        if self.residual.is_some() {
            roles.push(Role::Residual);
        }
        roles
    }

    /// Features the kernel uses beyond WebGPU's core.
    pub(crate) fn features(&self) -> wgpu::Features {
        let of_kernel = match self.kernel {
            Kernel::Gather
            | Kernel::Products
            | Kernel::AccumulateRows
            | Kernel::AccumulateTaps
            | Kernel::AccumulateChains => wgpu::Features::empty(),
            Kernel::SubgroupGather
            | Kernel::SubgroupGatherRows
            | Kernel::SubgroupGatherFew
            | Kernel::SubgroupProducts => wgpu::Features::SUBGROUP,
            Kernel::TiledGather | Kernel::TiledProducts | Kernel::TiledAccumulate => wgpu::Features::empty(),
            Kernel::MatrixGather | Kernel::MatrixProducts => MATRIX_FEATURES,
            #[cfg(feature = "network")]
            Kernel::Pool
            | Kernel::PoolWindow
            | Kernel::PoolBlocks
            | Kernel::PoolFinish
            | Kernel::Add
            | Kernel::BatchNorm
            | Kernel::Subsample => wgpu::Features::empty(),
        };
        let when = |used: bool, feature: wgpu::Features| if used { feature } else { wgpu::Features::empty() };
        of_kernel
            | when(self.storage.has_f16_tensors(), wgpu::Features::SHADER_F16)
            | when(self.pairs, wgpu::Features::SHADER_INT64)
    }

    /// The variant that moves quads of f32 as two words of 64 bits: a software adapter's loads and stores are loops over lanes
    /// and words. The same where nothing is moved by quads, and with f16 tensors, whose quads are two words already.
    pub(crate) fn paired(self) -> Self {
        let moved =
            [self.input, self.output, self.residual].into_iter().flatten().any(|access| access != Access::Scalar);
        let weights = self.weights == Some(WeightLoad::Vec4) && self.storage.weights() == Precision::F32;
        let products = matches!(self.kernel, Kernel::AccumulateRows | Kernel::AccumulateChains)
            || self.kernel == Kernel::AccumulateTaps && self.row_taps.is_some();
        Self { pairs: (moved || weights || products) && !self.storage.has_f16_tensors(), ..self }
    }

    /// Named constants of the shader and the values this variant gives them.
    pub(crate) fn constants(&self) -> Vec<(&'static str, u32)> {
        let tile = self.tile;
        let mut constants = match self.kernel {
            Kernel::Gather | Kernel::Products => {
                vec![("LANES_X", tile.lanes_x), ("LANES_Y", tile.lanes_y), ("ROWS", tile.rows), ("QUADS", tile.quads)]
            }
            Kernel::SubgroupGather | Kernel::SubgroupGatherRows | Kernel::SubgroupProducts => {
                vec![("SUBGROUP", tile.lanes_x), ("ROW_BLOCKS", tile.rows / tile.lanes_x), ("QUADS", tile.quads)]
            }
            Kernel::SubgroupGatherFew => vec![("SUBGROUP", tile.lanes_y), ("ROW_BLOCKS", tile.rows)],
            Kernel::TiledGather | Kernel::TiledProducts => vec![
                ("LANES_X", tile.lanes_x),
                ("LANES_Y", tile.lanes_y),
                ("SLICES", tile.slices),
                ("ROWS", tile.rows),
                ("QUADS", tile.quads),
                ("DEPTH", tile.depth),
            ],
            Kernel::MatrixGather | Kernel::MatrixProducts => {
                vec![("SUBGROUPS", tile.lanes_y), ("DEPTH", tile.depth)]
            }
            Kernel::TiledAccumulate => {
                vec![("LANES_X", tile.lanes_x), ("LANES_Y", tile.lanes_y), ("ROWS", tile.rows)]
            }
            Kernel::AccumulateRows | Kernel::AccumulateTaps => vec![("LANES", tile.lanes_x), ("ROWS", tile.rows)],
            Kernel::AccumulateChains => vec![("LANES", tile.lanes_x)],
            #[cfg(feature = "network")]
            Kernel::Pool | Kernel::Add | Kernel::BatchNorm | Kernel::Subsample => vec![("LANES", tile.lanes_x)],
            #[cfg(feature = "network")]
            Kernel::PoolWindow => vec![("LANES", tile.lanes_x), ("STAGE", 0)],
            #[cfg(feature = "network")]
            Kernel::PoolBlocks => vec![("LANES", tile.lanes_x), ("STAGE", 1)],
            #[cfg(feature = "network")]
            Kernel::PoolFinish => vec![("LANES", tile.lanes_x), ("STAGE", 2)],
        };
        constants.extend(self.row_sums.iter().flat_map(RowSums::constants));
        if self.row_sums.is_some() {
            // They are stored together where rows begin and end with them.
            constants.push(("WHOLE_QUADS", u32::from(self.output == Some(Access::Vec4))));
        }
        if let Some(RowTaps { taps, padding }) = self.row_taps {
            // An accumulation counts its taps as terms.
            constants.extend(self.terms.is_none().then_some(("ROW_TAPS", taps)));
            constants.push(("PAD_LEFT", padding));
        }
        if let Some([rows, columns]) = self.terms {
            constants.push(("TERM_ROWS", rows));
            if self.chain.is_none() {
                constants.push(("TERM_COLUMNS", columns));
            }
        }
        if let Some(Chain { filters, terms }) = self.chain {
            constants.extend([("CHAIN", filters), ("TERM_STEP", terms)]);
        }
        if self.blended {
            constants.push(("NEIGHBOURS", 2));
        }
        if let Some(activation) = self.activation {
            constants.push(("ACTIVATION", u32::from(activation == Activation::Relu)));
        }
        if let Some(WeightLoad::Scalar(boundary)) = self.weights {
            let code = match boundary {
                Boundary::None => 0,
                Boundary::Zero => 1,
                Boundary::Wrap => 2,
            };
            constants.push(("BOUNDARY", code));
        }
        constants
    }

    /// Named types of the shader that are f16 in this variant; by default they are f32.
    pub(crate) fn half_types(&self) -> Vec<&'static str> {
        let type_of = |role: &Role| match role {
            Role::Input => Some("Input"),
            Role::Output if !self.output_f32 => Some("Output"),
            Role::Residual if !self.residual_f32 => Some("Residual"),
            Role::Output | Role::Residual | Role::Summary | Role::Table | Role::ProductsIn | Role::ProductsOut => None,
        };
        if self.storage.has_f16_tensors() { self.roles().iter().filter_map(type_of).collect() } else { Vec::new() }
    }

    /// Bytes of workgroup memory; a test compares it with what naga finds in the shader.
    pub(crate) fn workgroup_bytes(&self) -> u64 {
        self.kernel.workgroup_bytes(self.tile)
    }
}
