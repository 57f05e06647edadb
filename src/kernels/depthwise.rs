//! `depthwise`: convolutions whose filters see one channel each, columns of quads in registers. WebGPU core, for all
//! families.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, End, Filters, Geometry, Kernel, Tensor, Variant, Weights, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Depthwise {
    /// The input's values are f16; they are read one by one.
    pub(crate) half: bool,
    pub(crate) weights: Weights,
    pub(crate) filters: Filters,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) threads: u32,
    pub(crate) row_quads: u32,
    pub(crate) row_blocks: u32,
    pub(crate) filters: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl Depthwise {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;

    /// Output rows that a thread finishes.
    pub(crate) const ROWS: u32 = 4;
}

impl Kernel for Depthwise {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Depthwise(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../shaders/portable/depthwise.wgsl");
        Description::of_convolution("depthwise", text, Self::LANES)
            .word(format!("{}x{}", Self::LANES, Self::ROWS))
            .constants([("LANES", Self::LANES), ("ROWS", Self::ROWS)])
            .input(Tensor { access: Access::Scalar, half: self.half })
            .weights(self.weights)
            .filter_weights(self.filters)
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.conv.kernel_height) * (1 + u64::from(uniform.conv.kernel_width))
    }

    fn unrolled(&self) -> u64 {
        self.weights.unrolled() + u64::from(Self::ROWS) + 1
    }

    fn work(&self, uniform: &Uniform) -> Work {
        // A tap of four pixels in every row is loaded by itself.
        let tap = Work { vector: 12.0, values: 5.0, ..Work::default() };
        let taps = uniform.conv.taps() * u64::from(uniform.conv.channels);
        tap.times(taps * u64::from(Self::ROWS)).and(Work::stored_quads(Self::ROWS))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Depthwise {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::axes::{ACCESSES, ACTIVATIONS, LOADS, MEMORIES};
        use super::tests::covering::covering;

        covering(&[4, 2, ACTIVATIONS.len(), 5, 4, MEMORIES.len(), 2], |at| {
            let (output, memory) = (ACCESSES[at[3]], MEMORIES[at[5]]);
            (memory.fits(output) && (!memory.has_addend || at[1] == 1)).then_some(())?;
            Some(Self {
                half: memory.half,
                weights: memory.weights(LOADS[at[4]]),
                filters: Filters::ALL[at[0]],
                end: memory.end(output, at[1] == 1, ACTIVATIONS[at[2]]),
                read_write: memory.has_addend || memory.is_addend || at[6] == 1,
            })
        })
    }
}
