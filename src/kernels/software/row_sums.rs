//! Sums along kernel rows (the Q form), which the product pass takes before it stores.

use std::fmt;

use crate::method::sharing::TapRows;

/// Products that are summed along an image row before they are stored, where the sums are unrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowSums {
    /// Products of one sum; 1 for none.
    pub(crate) taps: u32,
    pub(crate) rows: TapRows,
    pub(crate) stride: u32,
    pub(crate) dilation: u32,
    pub(crate) padding: u32,
}

impl RowSums {
    /// The products themselves.
    pub(crate) const NONE: Self = Self { taps: 1, rows: TapRows::Even { step: 0 }, stride: 1, dilation: 1, padding: 0 };

    /// Rows at the end of a tile that only feed the sums of others.
    pub(crate) fn feeding(&self) -> usize {
        self.rows.reach(self.taps) as usize
    }

    /// Rows whose sums a tile of `rows` rows finishes: the next tile begins after them.
    pub(crate) fn finished(&self, rows: usize) -> usize {
        let apart = self.rows.apart() as usize;
        rows.saturating_sub(self.feeding()) / apart * apart
    }

    /// Tiles of `tile` rows that finish the sums of `rows` rows. Rows that only feed others need none of their own.
    pub(crate) fn tiles(&self, tile: usize, rows: usize) -> usize {
        (rows - self.feeding().min(rows - 1)).div_ceil(self.finished(tile))
    }

    /// Whether every tile, of whole eights of rows, begins at a multiple of `rows` (a power of two up to eight).
    pub(crate) fn tiles_begin_at(&self, rows: usize) -> bool {
        let apart = self.rows.apart() as usize;
        apart.is_multiple_of(rows) || apart == 1 && self.feeding().is_multiple_of(rows)
    }

    /// Products that the sums of `rows` rows add up.
    pub(crate) fn products(&self, rows: usize) -> usize {
        let [kinds, taps, apart] = [self.rows.kinds(), self.taps, self.rows.apart()].map(|count| count as usize);
        rows * kinds * taps / apart
    }

    /// Named constants of the shader.
    pub(super) fn constants(&self) -> Vec<(&'static str, u32)> {
        let mut constants = vec![
            ("ROW_TAPS", self.taps),
            ("STRIDE_X", self.stride),
            ("DILATION_X", self.dilation),
            ("PAD_LEFT", self.padding),
        ];
        match self.rows {
            TapRows::Even { step } => constants.push(("ROW_STEP", step)),
            TapRows::Uneven { kernel_rows, offsets: [first, second, third], apart } => constants.extend([
                ("SUM_KINDS", kernel_rows),
                ("SUMS_APART", apart),
                ("FEEDING", self.rows.reach(self.taps)),
                ("OFFSETS_0", first),
                ("OFFSETS_1", second),
                ("OFFSETS_2", third),
            ]),
        }
        constants
    }
}

impl fmt::Display for RowSums {
    /// Its part of a label: `3x1s1d1p1`, or with the offsets of every kernel row `3x0.4.8_1.5.6_2.3.7by2s1d1p1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taps, rows, stride, dilation, padding } = self;
        write!(f, "{taps}x")?;
        match rows {
            TapRows::Even { step } => write!(f, "{step}")?,
            TapRows::Uneven { kernel_rows, offsets, apart } => {
                let of_row =
                    |word: &u32| word.to_le_bytes().map(|offset| offset.to_string())[..*taps as usize].join(".");
                let words: Vec<String> = offsets[..*kernel_rows as usize].iter().map(of_row).collect();
                write!(f, "{}by{apart}", words.join("_"))?;
            }
        }
        write!(f, "s{stride}d{dilation}p{padding}")
    }
}
