//! The spec: one value that names a kernel variant. It is the pipeline-cache key, the list of constants and the label.

use std::fmt;

use crate::placement::Boundary;
use crate::problem::Activation;

/// A shader file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Gather,
    Products,
    AccumulateRows,
    AccumulateTaps,
    SubgroupGather,
    SubgroupProducts,
    #[cfg(feature = "network")]
    Pool,
    #[cfg(feature = "network")]
    Add,
    #[cfg(feature = "network")]
    Subsample,
}

impl Kernel {
    /// Whether the kernel finishes a convolution.
    pub(crate) fn has_epilogue(self) -> bool {
        matches!(self, Self::Gather | Self::SubgroupGather | Self::AccumulateRows | Self::AccumulateTaps)
    }

    /// Whether the kernel adds a second tensor, if there is one.
    pub(crate) fn takes_residual(self) -> bool {
        #[cfg(feature = "network")]
        if self == Self::Add {
            return true;
        }
        self.has_epilogue()
    }
}

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

    /// The role as an operand: products are the same whether a step reads or writes them.
    pub(crate) fn operand(self) -> Self {
        if self == Self::ProductsIn { Self::ProductsOut } else { self }
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
    /// Together and aligned.
    Vec4,
}

impl Access {
    /// Vec4 where `lengths` are all multiples of four.
    pub(crate) fn for_lengths(lengths: &[usize]) -> Self {
        if lengths.iter().all(|length| length.is_multiple_of(4)) { Self::Vec4 } else { Self::Scalar }
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
}

impl Tile {
    pub(crate) fn rows_per_tile(self) -> usize {
        (self.lanes_y * self.rows) as usize
    }

    pub(crate) fn pixels_per_tile(self) -> usize {
        (self.lanes_x * self.quads * 4) as usize
    }

    pub(crate) fn threads(self) -> u32 {
        self.lanes_x * self.lanes_y
    }
}

/// Products that are summed along an image row before they are stored (the Q form), where the sums are unrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowSums {
    /// Products of one sum; 1 for none.
    pub(crate) taps: u32,
    /// Rows from the base of one tap to that of the next.
    pub(crate) step: u32,
    pub(crate) stride: u32,
    pub(crate) dilation: u32,
    pub(crate) padding: u32,
}

/// One kernel variant. Fields a kernel does not use are `None`, so that equal shaders have equal specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) kernel: Kernel,
    pub(crate) tile: Tile,
    pub(crate) weights: Option<WeightLoad>,
    pub(crate) input: Option<Access>,
    pub(crate) row_sums: Option<RowSums>,
    pub(crate) output: Option<Access>,
    pub(crate) residual: Option<Access>,
    pub(crate) activation: Option<Activation>,
    /// All storage buffers are bound read_write, for engines that keep several tensors in one buffer.
    pub(crate) read_write: bool,
}

impl Spec {
    /// The roles the kernel binds, in the order of their binding numbers; binding 0 is the uniform.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let mut roles = match self.kernel {
            Kernel::Gather | Kernel::SubgroupGather => vec![Role::Input, Role::Summary, Role::Table, Role::Output],
            Kernel::Products | Kernel::SubgroupProducts => {
                vec![Role::Input, Role::Summary, Role::Table, Role::ProductsOut]
            }
            Kernel::AccumulateRows | Kernel::AccumulateTaps => vec![Role::ProductsIn, Role::Table, Role::Output],
            #[cfg(feature = "network")]
            Kernel::Pool | Kernel::Add | Kernel::Subsample => vec![Role::Input, Role::Output],
        };
        if self.residual.is_some() {
            roles.push(Role::Residual);
        }
        roles
    }

    /// Features the kernel uses beyond WebGPU's core.
    pub(crate) fn features(&self) -> wgpu::Features {
        match self.kernel {
            Kernel::Gather | Kernel::Products | Kernel::AccumulateRows | Kernel::AccumulateTaps => {
                wgpu::Features::empty()
            }
            Kernel::SubgroupGather | Kernel::SubgroupProducts => wgpu::Features::SUBGROUP,
            #[cfg(feature = "network")]
            Kernel::Pool | Kernel::Add | Kernel::Subsample => wgpu::Features::empty(),
        }
    }

    /// Named constants of the shader and the values this variant gives them.
    pub(crate) fn constants(&self) -> Vec<(&'static str, u32)> {
        let tile = self.tile;
        let mut constants = match self.kernel {
            Kernel::Gather | Kernel::Products => {
                vec![("LANES_X", tile.lanes_x), ("LANES_Y", tile.lanes_y), ("ROWS", tile.rows), ("QUADS", tile.quads)]
            }
            Kernel::SubgroupGather | Kernel::SubgroupProducts => {
                vec![("SUBGROUP", tile.lanes_x), ("ROW_BLOCKS", tile.rows / tile.lanes_x), ("QUADS", tile.quads)]
            }
            Kernel::AccumulateRows | Kernel::AccumulateTaps => vec![("LANES", tile.lanes_x), ("QUADS", tile.quads)],
            #[cfg(feature = "network")]
            Kernel::Pool | Kernel::Add | Kernel::Subsample => vec![("LANES", tile.lanes_x)],
        };
        if let Some(sums) = self.row_sums {
            constants.extend([
                ("ROW_TAPS", sums.taps),
                ("ROW_STEP", sums.step),
                ("STRIDE_X", sums.stride),
                ("DILATION_X", sums.dilation),
                ("PAD_LEFT", sums.padding),
            ]);
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

    /// Bytes of workgroup memory; a test compares it with what naga finds in the shader.
    pub(crate) fn workgroup_bytes(&self) -> u64 {
        match self.kernel {
            Kernel::Products => (self.tile.rows_per_tile() * self.tile.pixels_per_tile() * 4) as u64,
            _ => 0,
        }
    }
}

impl fmt::Display for Spec {
    /// The label: `fs_products-8x8x8x2-in4-f4`, unique to the variant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |access: Access| if access == Access::Vec4 { 4 } else { 1 };
        write!(f, "fs_{}-{}", self.kernel.name(), self.tile.lanes_x)?;
        if matches!(self.kernel, Kernel::Gather | Kernel::Products) {
            write!(f, "x{}x{}x{}", self.tile.lanes_y, self.tile.rows, self.tile.quads)?;
        }
        if matches!(self.kernel, Kernel::SubgroupGather | Kernel::SubgroupProducts) {
            write!(f, "x{}x{}", self.tile.rows, self.tile.quads)?;
        }
        if matches!(self.kernel, Kernel::AccumulateRows | Kernel::AccumulateTaps) {
            write!(f, "x{}", self.tile.quads)?;
        }
        if let Some(RowSums { taps, step, stride, dilation, padding }) = self.row_sums.filter(|sums| sums.taps > 1) {
            write!(f, "-sum{taps}x{step}s{stride}d{dilation}p{padding}")?;
        }
        if let Some(access) = self.input {
            write!(f, "-in{}", digit(access))?;
        }
        match self.weights {
            Some(WeightLoad::Vec4) => f.write_str("-f4")?,
            Some(WeightLoad::Scalar(Boundary::None)) => f.write_str("-f1")?,
            Some(WeightLoad::Scalar(Boundary::Zero)) => f.write_str("-f1zero")?,
            Some(WeightLoad::Scalar(Boundary::Wrap)) => f.write_str("-f1wrap")?,
            None => {}
        }
        if let Some(access) = self.output {
            write!(f, "-out{}", digit(access))?;
        }
        if let Some(access) = self.residual {
            write!(f, "-res{}", digit(access))?;
        }
        if self.activation == Some(Activation::Relu) {
            f.write_str("-relu")?;
        }
        if self.read_write { f.write_str("-rw") } else { Ok(()) }
    }
}
