//! What a thread does, as far as the time of a dispatch depends on it.

/// What a thread does, counted from its shader's loops. Compilers make more or less of it: what they do on eight GPUs
/// is in `benches/results/isa-*`, and a test compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Work {
    /// Vector instructions, multiply-adds among them, but those of addresses.
    pub(crate) vector: f64,
    /// Values loaded from memory and stored there. Their addresses take further vector instructions, by vendor.
    pub(crate) values: f64,
    /// Instructions beside those of vectors: of workgroup memory, barriers, loops.
    pub(crate) beside: f64,
    /// Bytes loaded from workgroup memory and stored there.
    pub(crate) workgroup_bytes: f64,
    /// Multiply-adds of matrices.
    pub(crate) matrices: f64,
    /// Registers of 32 bits, about; 0 where they are few.
    pub(crate) registers: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Work {
    const NOTHING: Self =
        Self { vector: 0.0, values: 0.0, beside: 0.0, workgroup_bytes: 0.0, matrices: 0.0, registers: 0 };

    /// Of kernels that wait for memory alone.
    #[cfg(feature = "network")]
    pub(crate) const MEMORY: Self = Self::NOTHING;

    /// Of kernels for software adapters, where costs were measured.
    #[cfg(feature = "software")]
    pub(crate) const MEASURED: Self = Self::NOTHING;

    /// So many times over.
    pub(crate) fn times(self, count: u64) -> Self {
        self.scaled(count as f64)
    }

    /// The same where the count is a mean.
    pub(crate) fn scaled(self, count: f64) -> Self {
        Self {
            vector: self.vector * count,
            values: self.values * count,
            beside: self.beside * count,
            workgroup_bytes: self.workgroup_bytes * count,
            matrices: self.matrices * count,
            registers: self.registers,
        }
    }

    /// Both, one after another.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            vector: self.vector + other.vector,
            values: self.values + other.values,
            beside: self.beside + other.beside,
            workgroup_bytes: self.workgroup_bytes + other.workgroup_bytes,
            matrices: self.matrices + other.matrices,
            registers: self.registers.max(other.registers),
        }
    }

    /// Finishes and stores so many quads of outputs or products.
    pub(crate) fn stored_quads(quads: u32) -> Self {
        Self { vector: 14.0, values: 8.0, ..Self::default() }.times(quads.into())
    }

    /// Multiplies four channels from memory in registers alone: so many rows of weights by quads of columns.
    pub(crate) fn of_registers(rows: u32, quads: u32) -> Self {
        let [rows, quads] = [rows, quads].map(f64::from);
        let columns = 16.0 * quads;
        Self { vector: rows * columns + 2.0 * columns, values: columns + 4.0 * rows, ..Self::default() }
    }
}
