//! Starts: where every filter begins in the summary, by indices or by learned positions between them.

/// Size of the summary and the start of every filter in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Starts {
    /// A summary of rank 1 and length `length`: one index a filter.
    Line {
        /// L, the number of values.
        length: usize,
        /// `s_i`.
        starts: Vec<i64>,
    },
    /// A summary `[D, FH, FW]`: `(c0, y0, x0)` a filter; the window's own strides are ignored.
    Volume {
        /// `[D, FH, FW]`.
        dims: [usize; 3],
        /// `(c0, y0, x0)` of every filter.
        starts: Vec<[i64; 3]>,
    },
    /// A summary of rank 1 with learned positions (DFSNet): real numbers, so that a filter is the linear blend
    /// of the two neighbouring segments. With `p` its position, `s = floor(p) * unit` and `a = p - floor(p)`
    ///
    /// ```text
    /// W[i, c, t] = (1 - a) * f[s + c * channel_stride + tap_offset[t]]
    ///                  + a * f[s + unit + c * channel_stride + tap_offset[t]]
    /// ```
    Learned {
        /// L, the number of values.
        length: usize,
        /// `p_i`, in units.
        positions: Vec<f32>,
        /// Values from one whole position to the next: 1, or C for whole taps of a tap-major window,
        /// which keeps the sharing.
        unit: usize,
    },
}

/// The neighbouring segments of a rank-1 summary that a filter is blended from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segments {
    /// Where they begin: at the same place where the second has no weight, so that nothing else is read.
    pub(crate) starts: [i64; 2],
    /// The weight of the second, in `0..1` (1 only in a [`Self::slope`]); the first has the rest.
    pub(crate) fraction: f32,
}

impl Segments {
    /// Of a finite position that `Placement::new` has found to fit in 32 bits.
    pub(crate) fn at(position: f32, unit: usize) -> Self {
        let position = f64::from(position);
        let floor = position.floor();
        let fraction = (position - floor) as f32;
        // Just below a whole number a fraction may round up to 1.
        let (whole, fraction) = if fraction < 1.0 { (floor as i64, fraction) } else { (floor as i64 + 1, 0.0) };
        let start = whole * unit as i64;
        let next = if fraction > 0.0 { start + unit as i64 } else { start };
        Self { starts: [start, next], fraction }
    }

    /// Two segments a unit apart on the line that a filter's blend moves along: the derivative of its weights by the
    /// position is the second minus the first. Where there is no second one, at a whole position, that is the next
    /// (the derivative on the right) if the summary has it, else the one before (on the left); a filter that fits the
    /// summary at one place only stays there, with a derivative of 0.
    ///
    /// The blend of the two by `fraction`, which is 1 for a derivative on the left, is that of [`Self::at`].
    pub(crate) fn slope(position: f32, unit: usize, exists: impl Fn(i64) -> bool) -> Self {
        let blend = Self::at(position, unit);
        let ([start, _], unit) = (blend.starts, unit as i64);
        if blend.fraction > 0.0 {
            blend
        } else if exists(start + unit) {
            Self { starts: [start, start + unit], fraction: 0.0 }
        } else if exists(start - unit) {
            Self { starts: [start - unit, start], fraction: 1.0 }
        } else {
            blend
        }
    }
}
