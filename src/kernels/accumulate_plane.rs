//! `accumulate_plane`: outputs as depthwise convolutions of one plane of products each. WebGPU core, where
//! `accumulate` is.

use super::accumulate::Uniform;
use super::{Access, Description, End, Filters, Gains, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AccumulatePlane {
    pub(crate) threads: u32,
    /// KH and KW.
    pub(crate) size: [u32; 2],
    /// Pixels that the first tap lies left of its output.
    pub(crate) padding: u32,
    /// Products are read as words of 64 bits.
    pub(crate) words: bool,
    pub(crate) gains: Gains,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

impl AccumulatePlane {
    /// Most kernel rows and columns, and padding, that are kept in registers.
    pub(crate) const MOST_TAPS: usize = 7;

    /// Quads that the taps of an output quad reach to its left, and in all.
    fn quads(&self) -> [u32; 2] {
        let left = self.padding.div_ceil(4);
        // The last pixel of the quad, read by the last tap; it may lie to the left too.
        let last = 4 * left + 3 + self.size[1] - 1 - self.padding;
        [left, last / 4 + 1]
    }
}

impl Kernel for AccumulatePlane {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::AccumulatePlane(self)
    }

    fn describe(&self) -> Description {
        let [height, width] = self.size;
        let [left, quads] = self.quads();
        let text = include_str!("../../shaders/portable/accumulate_plane.wgsl");
        Description::of_convolution("accumulate_plane", text, self.threads)
            .word(format!("{}", self.threads))
            .word(format!("terms{height}x{width}p{}", self.padding))
            .constants([("LANES", self.threads), ("TAP_ROWS", height), ("TAP_COLUMNS", width)])
            .constants([("PAD_LEFT", self.padding), ("QUADS_LEFT", left), ("QUADS", quads)])
            .role(Role::Table)
            .products_in(if self.words { Access::Words } else { Access::Vec4 })
            .filter_sums(Filters { blended: false, gains: self.gains })
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.thread_rows) + u64::from(self.size[0]) - 1
    }

    fn unrolled(&self) -> u64 {
        let [rows, columns] = self.size.map(u64::from);
        let quads = u64::from(self.quads()[1]);
        // Quads of the row; pixels of each term; terms of each kernel row; sums that move on.
        (1 + quads) + (1 + 6 * columns) + (1 + rows * (2 + columns)) + rows
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let [rows, columns] = self.size.map(f64::from);
        // A row of products is loaded once, and added to as many rows of outputs as the window has.
        let values = 4.0 * f64::from(self.quads()[1]);
        let row = Work { vector: 4.0 * rows * columns + 2.0 * values, values, ..Work::default() };
        row.times(self.turns(uniform)).and(Work::stored_quads(uniform.thread_rows))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl AccumulatePlane {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{
            axes::{ACCESSES, ACTIVATIONS, MEMORIES},
            covering::covering,
        };

        let walks = [([3, 3], 1), ([3, 3], 0), ([1, 3], 1), ([7, 7], 3), ([2, 2], 1), ([5, 1], 0), ([3, 3], 7)];
        covering(&[walks.len(), 5, 2, ACTIVATIONS.len(), 3, MEMORIES.len(), 2], |at| {
            let ((size, padding), memory, output) = (walks[at[0]], MEMORIES[at[5]], ACCESSES[at[1]]);
            (memory.fits(output) && (!memory.has_addend || at[2] == 1)).then_some(())?;
            Some(Self {
                threads: 64,
                size,
                padding,
                words: memory.words,
                gains: [Gains::None, Gains::Own, Gains::Lent][at[4]],
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[6] == 1,
            })
        })
    }
}
