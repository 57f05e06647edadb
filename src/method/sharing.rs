//! Sharing: which positions of the summary the filters' taps have in common.
//!
//! A **base** is where the channels of one tap of one filter begin. Filters that overlap have bases in common,
//! and the product of a base with the input is computed once for all of them (FSNet section 3.3, "fast convolution";
//! derivation in `docs/method.md`).

mod tap_rows;

use std::collections::HashMap;

use crate::method::placement::{Boundary, Placement};
use crate::method::starts::{Segments, Starts};
pub(crate) use tap_rows::TapRows;

/// The base of every (filter, tap), in a form that kernels index directly: weight `(i, c, t)` is the value at
/// `base[i * T + t] + c * channel_stride`, which is taken mod L for `Wrap` and is zero outside `0..L` for `Zero`.
///
/// Learned positions have two bases, of two neighbouring segments; the weight is the blend of their values.
///
/// Rank-3 summaries become rank 1 here: y and x wrap once in the base, and stepping a channel is stepping a plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bases {
    /// `[O, neighbours, T]`.
    pub(crate) of_tap: Vec<i32>,
    pub(crate) channel_stride: i32,
    /// [`Placement::neighbours`].
    pub(crate) neighbours: usize,
}

impl Bases {
    pub(crate) fn new(placement: &Placement) -> Self {
        Self::of_segments(placement, placement.neighbours(), |filter| placement.segments(filter))
    }

    /// Those of the two segments whose difference is the derivative of a filter by its learned position
    /// ([`Placement::slope`]): at whole positions some are no bases of the convolution itself.
    #[cfg(any(feature = "cpu", feature = "gradients"))]
    pub(crate) fn of_slopes(placement: &Placement) -> Self {
        Self::of_segments(placement, 2, |filter| placement.slope(filter))
    }

    /// With so many `neighbours` of learned positions.
    fn of_segments(placement: &Placement, neighbours: usize, segments: impl Fn(usize) -> Option<Segments>) -> Self {
        let (window, length) = (placement.window(), placement.length() as i64);
        let channels = window.channels() as i64;
        let channel_stride = match placement.starts() {
            Starts::Volume { dims, .. } => (dims[1] * dims[2]) as i64,
            Starts::Line { .. } | Starts::Learned { .. } => match placement.boundary() {
                Boundary::Wrap => window.channel_stride().rem_euclid(length),
                // With one channel the stride is never taken; a bounded value keeps the arithmetic below in range.
                Boundary::None | Boundary::Zero if channels == 1 => 0,
                Boundary::None | Boundary::Zero => window.channel_stride(),
            },
        };
        // All bases whose channels lie outside read zeros: give them one common base,
        // beyond the end the channels run to.
        let nowhere = if channel_stride >= 0 { length } else { -1 };
        let reach = (channels - 1) * channel_stride;
        let canonical = |base: Option<i64>| match (placement.boundary(), base) {
            (Boundary::Wrap, Some(base)) => base.rem_euclid(length),
            (Boundary::Zero, Some(base)) if base.max(base + reach) < 0 || base.min(base + reach) >= length => nowhere,
            (_, Some(base)) => base,
            (_, None) => nowhere,
        };
        let taps = placement.taps();
        let on_line = |start: i64, tap: usize| {
            let start = match placement.boundary() {
                Boundary::Wrap => start.rem_euclid(length),
                Boundary::None | Boundary::Zero => start,
            };
            // A start beyond 2^31 lies outside a summary whatever the window is: both fit in 32 bits.
            let far = 1i64 << 33;
            Some(start.clamp(-far, far) + window.tap_offsets()[tap])
        };
        let base = |filter: usize, segment: usize, tap: usize| match placement.starts() {
            Starts::Line { starts, .. } => on_line(starts[filter], tap),
            Starts::Learned { .. } => on_line(segments(filter)?.starts[segment], tap),
            Starts::Volume { dims, starts } => {
                let axis = |start: i64, offset: usize, size: usize| {
                    let size = size as i64;
                    let at = match placement.boundary() {
                        Boundary::Wrap => (start.rem_euclid(size) + offset as i64).rem_euclid(size),
                        Boundary::None | Boundary::Zero => start.saturating_add(offset as i64),
                    };
                    (0..size).contains(&at).then_some(at)
                };
                let [c0, y0, x0] = starts[filter];
                let y = axis(y0, tap / window.width(), dims[1])?;
                let x = axis(x0, tap % window.width(), dims[2])?;
                let far = 1i64 << 31;
                let c = if placement.boundary() == Boundary::Wrap {
                    c0.rem_euclid(dims[0] as i64)
                } else {
                    c0.clamp(-far, far)
                };
                Some((c * dims[1] as i64 + y) * dims[2] as i64 + x)
            }
        };
        let of_tap = (0..placement.filters())
            .flat_map(|filter| (0..neighbours).map(move |segment| (filter, segment)))
            .flat_map(|(filter, segment)| (0..taps).map(move |tap| (filter, segment, tap)))
            // After `canonical` every base lies within a window's reach of the summary, so it fits in 32 bits.
            .map(|(filter, segment, tap)| canonical(base(filter, segment, tap)) as i32)
            .collect();
        Self { of_tap, channel_stride: channel_stride as i32, neighbours }
    }
}

/// The distinct bases of a placement, group by group, and which of them each tap of each filter uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    groups: Vec<Vec<i32>>,
    /// Of every group, the bases of those before it.
    before: Vec<usize>,
    rows: Vec<u32>,
    neighbours: usize,
    taps: [usize; 2],
    /// Something is done to every product of a tap by itself.
    single_products: bool,
}

impl Sharing {
    /// Analyses a placement whose filters are split evenly into `groups` (values that do not divide count as 1).
    ///
    /// Filters of different groups read different input channels, so they share no products.
    pub fn new(placement: &Placement, groups: usize) -> Self {
        Self::from_bases(&Bases::new(placement), placement, groups)
    }

    pub(crate) fn from_bases(bases: &Bases, placement: &Placement, groups: usize) -> Self {
        let groups = if groups > 0 && placement.filters().is_multiple_of(groups) { groups } else { 1 };
        let per_group = placement.filters() / groups * bases.neighbours * placement.taps();
        let mut rows = Vec::with_capacity(bases.of_tap.len());
        let mut lists = Vec::with_capacity(groups);
        let (mut before, mut count) = (Vec::with_capacity(groups), 0);
        for group in bases.of_tap.chunks(per_group) {
            let mut distinct = group.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            let row_of: HashMap<i32, u32> = distinct.iter().zip(0..).map(|(&base, row)| (base, row)).collect();
            rows.extend(group.iter().map(|base| row_of[base]));
            before.push(count);
            count += distinct.len();
            lists.push(distinct);
        }
        let window = placement.window();
        let taps = [window.height(), window.width()];
        Self { groups: lists, before, rows, neighbours: bases.neighbours, taps, single_products: placement.has_gains() }
    }

    /// The same where something is done to every product before taps add it up.
    pub(crate) fn of_single_products(self) -> Self {
        Self { single_products: true, ..self }
    }

    /// |U|, the number of distinct bases over all groups; with learned positions those of both segments.
    pub fn bases(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// `O * T / |U|`: how many filters' taps use a product on average.
    pub fn factor(&self) -> f64 {
        (self.rows.len() / self.neighbours) as f64 / self.bases() as f64
    }

    /// Distinct bases of each group, ascending.
    pub(crate) fn groups(&self) -> &[Vec<i32>] {
        &self.groups
    }

    /// The place of a group's first base among all bases, group after group.
    pub(crate) fn first_base(&self, group: usize) -> usize {
        self.before[group]
    }

    /// Distinct bases of the group that has most of them.
    pub(crate) fn most_bases(&self) -> usize {
        self.groups.iter().map(Vec::len).max().unwrap_or(1)
    }

    /// Row of the base of every (filter, segment, tap) within its group's list.
    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Distance in rows from one tap of a kernel row to the next, when it is the same everywhere and not negative:
    /// then the products of a kernel row can be summed where they are computed (the Q form), by every family
    /// that takes such sums, and kernel rows have sums in common. Never with gains, which differ from filter to filter,
    /// nor with a base stage, which differs from base to base.
    pub fn row_step(&self) -> Option<u32> {
        let [height, width] = self.taps;
        if width < 2 || self.single_products {
            return None;
        }
        let step = self.rows[1].checked_sub(self.rows[0])?;
        let same =
            self.rows.chunks(width).all(|row| row.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(step)));
        (same && height > 0).then_some(step)
    }

    /// Where the taps of a kernel row lie in the list of bases, when that is the same for every filter: what row sums
    /// need.
    #[cfg(feature = "software")]
    pub(crate) fn tap_rows(&self) -> Option<TapRows> {
        if self.single_products {
            return None;
        }
        let even = self.row_step().map(|step| TapRows::Even { step });
        even.or_else(|| TapRows::uneven(&self.rows, self.taps))
    }
}
