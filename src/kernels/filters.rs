//! What filters are made of: segments of the summary as they are, or more than that.

/// Whether a gain multiplies each tap, and where kernels find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Gains {
    None,
    /// In the layer's table.
    Own,
    /// In a buffer of the caller's.
    Lent,
}

/// What a kernel does to the segments of a filter, where it loads weights or adds up products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Filters {
    /// Filters are blends of two neighbouring segments (learned positions).
    pub(crate) blended: bool,
    pub(crate) gains: Gains,
}

impl Filters {
    /// Segments as they are.
    pub(crate) const PLAIN: Self = Self { blended: false, gains: Gains::None };

    /// Segments of the summary that a filter is made of.
    pub(super) fn segments(self) -> u32 {
        if self.blended { 2 } else { 1 }
    }

    /// For tests.
    #[cfg(all(test, feature = "network", feature = "software"))]
    pub(super) const ALL: [Self; 6] = [
        Self::PLAIN,
        Self { blended: true, gains: Gains::None },
        Self { blended: false, gains: Gains::Own },
        Self { blended: true, gains: Gains::Own },
        Self { blended: false, gains: Gains::Lent },
        Self { blended: true, gains: Gains::Lent },
    ];
}
