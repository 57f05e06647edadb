//! What filters are made of: segments of the summary as they are, or more than that.

/// What a kernel does to the segments of a filter, where it loads weights or adds up products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Filters {
    /// Filters are blends of two neighbouring segments (learned positions).
    pub(crate) blended: bool,
    /// A gain multiplies each tap.
    pub(crate) gains: bool,
}

impl Filters {
    /// Segments as they are.
    pub(crate) const PLAIN: Self = Self { blended: false, gains: false };

    /// Segments of the summary that a filter is made of.
    pub(super) fn segments(self) -> u32 {
        if self.blended { 2 } else { 1 }
    }

    /// For tests.
    #[cfg(all(test, feature = "network", feature = "software"))]
    pub(super) const ALL: [Self; 4] = [
        Self::PLAIN,
        Self { blended: true, gains: false },
        Self { blended: false, gains: true },
        Self { blended: true, gains: true },
    ];
}
