//! Where taps lie in the sorted list of bases, if that is the same for every filter.
#![cfg_attr(not(feature = "software"), allow(dead_code, reason = "only those kernels sum rows of any tap order"))]

/// Kernel rows that uneven ones may have: each has a word of its own.
const MOST_KERNEL_ROWS: usize = 3;

/// Taps of each: a byte of that word.
const MOST_TAPS: usize = 4;

/// The rows, in the list of bases, of the taps of a kernel row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TapRows {
    /// In every kernel row, each as many rows after the last. Kernel rows then have sums in common.
    Even { step: u32 },
    /// In each kernel row differently: counted from the filter's first row, the first tap in the lowest byte.
    Uneven {
        kernel_rows: u32,
        offsets: [u32; MOST_KERNEL_ROWS],
        /// What filters' first rows are multiples of.
        apart: u32,
    },
}

impl TapRows {
    /// Of filters (or segments of them) whose taps have `rows`, `[filters, KH, KW]`; `None` where they differ,
    /// or have no place in three words.
    pub(super) fn uneven(rows: &[u32], [height, width]: [usize; 2]) -> Option<Self> {
        if !(2..=MOST_TAPS).contains(&width) || height > MOST_KERNEL_ROWS {
            return None;
        }
        let first_row = |filter: &[u32]| filter.iter().copied().min();
        let offsets_of = |filter: &[u32]| {
            let first = first_row(filter)?;
            let mut offsets = [0; MOST_KERNEL_ROWS];
            for (word, taps) in offsets.iter_mut().zip(filter.chunks(width)) {
                for (tap, row) in (0..).zip(taps) {
                    *word |= u32::from(u8::try_from(row - first).ok()?) << (8 * tap);
                }
            }
            Some(offsets)
        };
        let filters = || rows.chunks(height * width);
        let offsets = offsets_of(filters().next()?)?;
        let same = filters().all(|filter| offsets_of(filter) == Some(offsets));
        let apart = filters().filter_map(first_row).fold(0, greatest_common_divisor).max(1);
        same.then_some(Self::Uneven { kernel_rows: height as u32, offsets, apart })
    }

    /// Kinds of sums that begin at a row.
    pub(crate) fn kinds(self) -> u32 {
        match self {
            Self::Even { .. } => 1,
            Self::Uneven { kernel_rows, .. } => kernel_rows,
        }
    }

    /// Sums begin at multiples of as many rows.
    pub(crate) fn apart(self) -> u32 {
        match self {
            Self::Even { .. } => 1,
            Self::Uneven { apart, .. } => apart,
        }
    }

    /// Rows from the one where a sum of `taps` taps begins to the last that it adds up.
    pub(crate) fn reach(self, taps: u32) -> u32 {
        match self {
            Self::Even { step } => (taps - 1) * step,
            Self::Uneven { offsets, .. } => {
                offsets.into_iter().flat_map(u32::to_le_bytes).map(u32::from).fold(0, u32::max)
            }
        }
    }

    /// Of a filter whose taps have `rows`, cut into `terms` sums: the row where each begins, and its kind.
    pub(crate) fn sums(self, rows: &[u32], terms: usize) -> impl Iterator<Item = (u32, u32)> {
        let first_row = rows.iter().copied().min().unwrap_or(0);
        (0..).zip(rows.chunks(rows.len() / terms)).map(move |(kernel_row, taps)| match self {
            Self::Even { .. } => (taps[0], 0),
            Self::Uneven { .. } => (first_row, kernel_row),
        })
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::TapRows;

    /// Places of the taps of a 3x3 kernel in which no kernel row is like another.
    const ORDER: [u32; 9] = [0, 4, 8, 1, 5, 6, 2, 3, 7];

    /// Rows of filters that begin at `first`, with taps in `order`.
    fn rows(first: &[u32], order: &[u32]) -> Vec<u32> {
        first.iter().flat_map(|first| order.iter().map(move |place| first + place)).collect()
    }

    #[test]
    fn every_kernel_row_has_its_own_offsets() {
        let found = TapRows::uneven(&rows(&[0, 6, 4], &ORDER), [3, 3]);
        let expected = TapRows::Uneven { kernel_rows: 3, offsets: [0x08_04_00, 0x06_05_01, 0x07_03_02], apart: 2 };
        assert_eq!(found, Some(expected));
        assert_eq!(expected.reach(3), 8);
        assert_eq!((expected.kinds(), expected.apart()), (3, 2));
        // The sums of the second filter: one of every kind, all where it begins.
        let sums: Vec<_> = expected.sums(&rows(&[6], &ORDER), 3).collect();
        assert_eq!(sums, [(6, 0), (6, 1), (6, 2)]);
    }

    #[test]
    fn even_taps_share_sums_of_one_kind() {
        let even = TapRows::Even { step: 2 };
        assert_eq!((even.reach(3), even.kinds(), even.apart()), (4, 1, 1));
        let sums: Vec<_> = even.sums(&[5, 7, 9, 11, 13, 15], 2).collect();
        assert_eq!(sums, [(5, 0), (11, 0)]);
    }

    #[test]
    fn a_filter_may_begin_with_any_tap() {
        let mirrored = TapRows::uneven(&rows(&[3], &[2, 1, 0]), [1, 3]);
        let expected = TapRows::Uneven { kernel_rows: 1, offsets: [0x00_01_02, 0, 0], apart: 3 };
        assert_eq!(mirrored, Some(expected));
        assert_eq!(expected.sums(&[5, 4, 3], 1).collect::<Vec<_>>(), [(3, 0)]);
    }

    #[test]
    fn filters_that_differ_or_do_not_fit_have_none() {
        let mut other = rows(&[0, 2, 4], &ORDER);
        other[13] += 1;
        assert_eq!(TapRows::uneven(&other, [3, 3]), None);
        // Wider than a word, higher than the words there are, and further than a byte counts.
        assert_eq!(TapRows::uneven(&rows(&[0], &[0, 2, 1, 3, 4]), [1, 5]), None);
        assert_eq!(TapRows::uneven(&rows(&[0], &[0, 2, 1, 3, 4, 5, 6, 7]), [4, 2]), None);
        assert_eq!(TapRows::uneven(&rows(&[0], &[0, 256]), [1, 2]), None);
        assert!(TapRows::uneven(&rows(&[0], &[0, 255]), [1, 2]).is_some());
        assert_eq!(TapRows::uneven(&rows(&[0], &[0]), [1, 1]), None);
    }
}
