//! `software_accumulate`: pass 2 along chains of filters that share row sums, each of which is loaded once.

use bytemuck::{Pod, Zeroable};

use crate::kernels::{Access, Description, End, Geometry, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Accumulate {
    /// Filters of a chain.
    pub(crate) chain: u32,
    /// Row sums that an output adds up: kernel rows.
    pub(crate) terms: u32,
    /// By how many kernel rows a filter of a chain lies further in the summary than the one before.
    pub(crate) step: u32,
    /// Products are read as words of 64 bits.
    pub(crate) words: bool,
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
    pub(crate) pitch: u32,
    pub(crate) images: u32,
    pub(crate) step: u32,
    pub(crate) chains: u32,
    pub(crate) slots_at: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl Accumulate {
    /// Threads of a workgroup.
    const LANES: u32 = 8;

    /// Turns that a diagonal takes: its links, and of every filter the terms. They are too many for a driver to unroll
    /// where kernels are tall.
    pub(crate) fn turns_a_diagonal(&self) -> u64 {
        let [chain, terms, step] = [self.chain, self.terms, self.step].map(u64::from);
        1 + (chain - 1) * step + terms + chain * (1 + terms)
    }
}

impl Kernel for Accumulate {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareAccumulate(self)
    }

    fn describe(&self) -> Description {
        let Self { chain, terms, step, .. } = *self;
        let text = include_str!("../../../shaders/software/accumulate.wgsl");
        Description::of_convolution("software_accumulate", text, Self::LANES)
            .word(Self::LANES)
            .word(format!("terms{terms}x1"))
            .word(format!("chain{chain}by{step}"))
            .constants([("LANES", Self::LANES), ("CHAIN", chain), ("TERM_ROWS", terms), ("TERM_STEP", step)])
            .role(Role::Table)
            .products_in(if self.words { Access::Words } else { Access::Vec4 })
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.conv.height) * self.turns_a_diagonal()
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEASURED
    }

    fn unrolled(&self) -> u64 {
        // Turns of a diagonal are all counted; there are as many loops that end.
        1
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Accumulate {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        use crate::kernels::tests::{
            axes::{ACCESSES, ACTIVATIONS, MEMORIES},
            covering::covering,
        };

        covering(&[2, 5, 2, ACTIVATIONS.len(), MEMORIES.len(), 2], |at| {
            let (memory, output) = (MEMORIES[at[4]], ACCESSES[at[1]]);
            (memory.fits(output) && (!memory.has_addend || at[2] == 1)).then_some(())?;
            Some(Self {
                chain: 4,
                terms: 3,
                step: 1 + at[0] as u32,
                words: memory.words,
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[5] == 1,
            })
        })
    }
}
