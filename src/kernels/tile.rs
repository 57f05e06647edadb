//! Tiles: what a workgroup finishes, and what each of its threads keeps in registers.

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
    /// One in registers alone.
    pub(crate) const fn registers(lanes_x: u32, lanes_y: u32, rows: u32, quads: u32) -> Self {
        Self { lanes_x, lanes_y, rows, quads, depth: 0, slices: 1 }
    }

    pub(crate) fn rows_per_tile(self) -> usize {
        (self.lanes_y * self.rows) as usize
    }

    pub(crate) fn pixels_per_tile(self) -> usize {
        (self.lanes_x * self.quads * 4) as usize
    }

    /// Sums of f32 that a thread keeps.
    pub(crate) fn sums_per_thread(self) -> u32 {
        self.rows * self.quads * 4
    }

    /// Values that a thread of an implicit GEMM holds at a time: its sums, and quads of both operands that are loaded
    /// while it multiplies.
    pub(crate) fn values_per_thread(self) -> u32 {
        let items = [self.lanes_y * self.rows, self.lanes_x * self.quads * 4].map(|size| size * self.depth / 4);
        let loads = items.map(|items| items.div_ceil(self.lanes_x * self.lanes_y));
        self.sums_per_thread() + 4 * (loads[0] + loads[1])
    }

    /// Turns that four channels take to be multiplied in registers, where no loop is unrolled: loads of quads, and of
    /// every row the weights, in so many turns, and its products.
    pub(super) fn unrolled(self, weights: u64) -> u64 {
        let [rows, quads] = [self.rows, self.quads].map(u64::from);
        quads * (4 + 2) + rows * (weights + quads + 2) + 2
    }

    pub(crate) fn threads(self) -> u32 {
        self.lanes_x * self.lanes_y * self.slices
    }
}
