//! Placement: where every filter lies in the summary. Pure geometry, no values.

mod slope;

use std::fmt::Display;

use crate::check::check_size;
use crate::error::{Error, Result};
use crate::method::reduction::Part;
use crate::method::starts::{Segments, Starts};
use crate::method::window::{INDEX_LIMIT, Window};

/// Most (filter, tap) pairs a placement may have: it bounds the tables made from it, 16 MiB each, and twice that for
/// learned positions. The largest layers in use have some 40,000.
const POSITION_LIMIT: usize = 1 << 22;

/// What an index outside the summary means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Boundary {
    /// An error: every filter must lie inside.
    #[default]
    None,
    /// The weight is zero.
    Zero,
    /// The summary repeats itself (in every axis of a rank-3 summary).
    Wrap,
}

/// Where the weights of every filter lie: window, starts, boundary; and whether taps have gains.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    window: Window,
    starts: Starts,
    boundary: Boundary,
    has_gains: bool,
}

/// Positions are finite: none is unequal to itself.
impl Eq for Placement {}

impl Placement {
    /// A placement of `starts.len()` filters.
    ///
    /// # Errors
    /// When a size is zero or too large, or a filter lies outside the summary with [`Boundary::None`].
    pub fn new(window: Window, starts: Starts, boundary: Boundary) -> Result<Self> {
        let placement = Self { window, starts, boundary, has_gains: false };
        check_size("out_channels", placement.filters(), INDEX_LIMIT)?;
        check_size("out_channels * taps", placement.filters().saturating_mul(placement.taps()), POSITION_LIMIT)?;
        match &placement.starts {
            Starts::Line { length, .. } => check_size("summary length", *length, INDEX_LIMIT)?,
            Starts::Learned { length, positions, unit } => {
                check_size("summary length", *length, INDEX_LIMIT)?;
                check_size("start_unit", *unit, INDEX_LIMIT)?;
                check_positions(positions, *unit)?;
            }
            Starts::Volume { dims, .. } => {
                for (name, &size) in ["summary depth", "summary height", "summary width"].iter().zip(dims) {
                    check_size(name, size, INDEX_LIMIT)?;
                }
                let length = dims.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
                check_size("summary length", length.unwrap_or(usize::MAX), INDEX_LIMIT)?;
                // A filter's reach, in planes: kernels index with 32 bits.
                let reach = placement.window.channels().saturating_mul(dims[1] * dims[2]);
                check_size("window channels * summary height * width", reach, INDEX_LIMIT)?;
            }
        }
        placement.check_starts()?;
        Ok(placement)
    }

    /// Filters `i` at `i * step` in a tap-major window: `L = K + (O - 1) * step`.
    ///
    /// # Errors
    /// When a size is zero or too large.
    pub fn tap_major(out_channels: usize, channels: usize, height: usize, width: usize, step: usize) -> Result<Self> {
        let window = Window::tap_major(channels, height, width)?;
        Self::regular(window, out_channels, step)
    }

    /// Every tap of filter `i` on one base, at `i * step`, told apart by gains: with `step = C` a 1x1 convolution and a
    /// depthwise one after it (BSConv-U, Haase & Amthor 2020), with less an overlapping one.
    /// `L = C + (O - 1) * step`.
    ///
    /// ```
    /// use filter_summary::Placement;
    ///
    /// let placement = Placement::one_base(128, 64, 3, 3, 64)?;
    /// assert_eq!((placement.length(), placement.has_gains()), (128 * 64, true)); // and 128 * 9 gains
    /// # Ok::<(), filter_summary::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a size is zero or too large.
    pub fn one_base(out_channels: usize, channels: usize, height: usize, width: usize, step: usize) -> Result<Self> {
        Ok(Self::regular(Window::one_base(channels, height, width)?, out_channels, step)?.with_gains())
    }

    /// Filters `i` at `i * step` of any window that starts at offset 0, with nothing left over at the end.
    ///
    /// # Errors
    /// When a size is zero or too large, or the window reaches below its start.
    pub fn regular(window: Window, out_channels: usize, step: usize) -> Result<Self> {
        check_size("out_channels", out_channels, POSITION_LIMIT)?;
        check_size("step", step, INDEX_LIMIT)?;
        let (_, high) = window.reach();
        let last = (out_channels - 1) as i128 * step as i128;
        let length = usize::try_from(last + i128::from(high) + 1).unwrap_or(usize::MAX);
        check_size("summary length", length, INDEX_LIMIT)?;
        let starts = (0..out_channels as i64).map(|i| i * step as i64).collect();
        Self::new(window, Starts::Line { length, starts }, Boundary::None)
    }

    /// Tap-major with the step that comes nearest to a compression ratio `O * K / L`.
    ///
    /// The step is `C * a / b`. The sharing factor is about `T / a` for ratios near the target, so among the steps
    /// within 5 % of it the one with the smallest `a` wins. Ask [`Placement::ratio`] which ratio results.
    ///
    /// # Errors
    /// When a size is zero, or `ratio` is not a finite number of at least 1.
    pub fn for_ratio(out_channels: usize, channels: usize, height: usize, width: usize, ratio: f64) -> Result<Self> {
        if !(ratio.is_finite() && ratio >= 1.0) {
            return Err(Error::value("ratio", ratio, "it must be a finite number of at least 1"));
        }
        let window = Window::tap_major(channels, height, width)?;
        check_size("out_channels", out_channels, POSITION_LIMIT)?;
        let (weights, taps) = (window.weights(), window.taps());
        let total = out_channels as f64 * weights as f64;
        // Distance in octaves, then a: comparing pairs prefers cheap steps among those near enough.
        let score = |a: usize, b: usize| {
            let length = weights as f64 + (out_channels as f64 - 1.0) * (channels * a) as f64 / b as f64;
            let miss = (total / length / ratio).ln().abs();
            if miss <= 0.05 { (0.0, a as f64, miss) } else { (miss, a as f64, miss) }
        };
        let best = (1..=taps)
            .flat_map(|a| (1..=8).map(move |b| (a, b)))
            .filter(|&(a, b)| (channels * a).is_multiple_of(b))
            .min_by(|&(a, b), &(c, d)| {
                let (left, right) = (score(a, b), score(c, d));
                left.partial_cmp(&right).unwrap_or(std::cmp::Ordering::Equal)
            });
        let (a, b) = best.unwrap_or((taps, 1));
        Self::regular(window, out_channels, channels * a / b)
    }

    /// The FSNet authors' published placement: channel-major, `L = int(O * K / ratio)`, starts `trunc(i * L / (O -
    /// 1))`, wrap.
    ///
    /// # Errors
    /// When a size is zero, or `ratio` is not finite, below 1, or leaves no value.
    pub fn published(out_channels: usize, channels: usize, height: usize, width: usize, ratio: f64) -> Result<Self> {
        let window = Window::channel_major(channels, height, width)?;
        check_size("out_channels", out_channels, POSITION_LIMIT)?;
        let length = (out_channels as f64 * window.weights() as f64 / ratio) as usize;
        if !(ratio.is_finite() && ratio >= 1.0) || length == 0 {
            return Err(Error::value("ratio", ratio, "it must be at least 1 and leave one value"));
        }
        check_size("summary length", length, INDEX_LIMIT)?;
        let gaps = (out_channels as i64 - 1).max(1);
        let starts = (0..out_channels as i64).map(|i| i * length as i64 / gaps).collect();
        Self::new(window, Starts::Line { length, starts }, Boundary::Wrap)
    }

    /// Dense filters as a summary without overlap, in PyTorch's order: start `i * K`, ratio 1.
    ///
    /// # Errors
    /// When a size is zero or too large.
    pub fn dense(out_channels: usize, channels: usize, height: usize, width: usize) -> Result<Self> {
        let window = Window::channel_major(channels, height, width)?;
        let step = window.weights();
        Self::regular(window, out_channels, step)
    }

    /// The same with a gain a filter and tap, which multiplies the tap's weights: `W[i, c, t] = g[i, t] * f[..]`.
    /// The gains are the summary's ([`FilterSummary::with_gains`](crate::FilterSummary::with_gains)).
    #[must_use]
    pub fn with_gains(self) -> Self {
        Self { has_gains: true, ..self }
    }

    /// Whether taps have gains.
    pub fn has_gains(&self) -> bool {
        self.has_gains
    }

    /// G, the number of gains: O * T, or none.
    pub fn gains(&self) -> usize {
        if self.has_gains { self.filters() * self.taps() } else { 0 }
    }

    /// The window every filter uses.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The starts, and the size of the summary.
    pub fn starts(&self) -> &Starts {
        &self.starts
    }

    /// What an index outside the summary means.
    pub fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// O, the number of filters.
    pub fn filters(&self) -> usize {
        match &self.starts {
            Starts::Line { starts, .. } => starts.len(),
            Starts::Volume { starts, .. } => starts.len(),
            Starts::Learned { positions, .. } => positions.len(),
        }
    }

    /// T, the taps of a filter.
    pub fn taps(&self) -> usize {
        self.window.taps()
    }

    /// L, the number of values in the summary.
    pub fn length(&self) -> usize {
        match &self.starts {
            Starts::Line { length, .. } | Starts::Learned { length, .. } => *length,
            Starts::Volume { dims, .. } => dims.iter().product(),
        }
    }

    /// Compression ratio r = O * K / (L + G).
    pub fn ratio(&self) -> f64 {
        self.filters() as f64 * self.window.weights() as f64 / (self.length() + self.gains()) as f64
    }

    /// Neighbouring segments that every filter is blended from: 2 for learned positions, unless all of them are
    /// whole, else 1.
    pub fn neighbours(&self) -> usize {
        let between = (0..self.filters()).any(|filter| self.fraction(filter) > 0.0);
        1 + usize::from(between)
    }

    /// How far a filter's learned position lies between two starts, in `0..1`; 0 for fixed starts.
    ///
    /// A weight is `(1 - fraction)` times the value at [`Self::index`] plus `fraction` times that at
    /// [`Self::next_index`].
    pub fn fraction(&self, filter: usize) -> f32 {
        self.segments(filter).map_or(0.0, |segments| segments.fraction)
    }

    /// Index of weight `(channel, tap)` of filter `filter`, straight from the definition; `None` where the weight is
    /// zero or there is no such weight. With a learned position, the index in the first of its two segments.
    pub fn index(&self, filter: usize, channel: usize, tap: usize) -> Option<usize> {
        self.index_in(0, filter, channel, tap)
    }

    /// [`Self::index`] in the second segment of a learned position: one unit further, or the same where the fraction
    /// is 0.
    pub fn next_index(&self, filter: usize, channel: usize, tap: usize) -> Option<usize> {
        self.index_in(1, filter, channel, tap)
    }

    fn index_in(&self, segment: usize, filter: usize, channel: usize, tap: usize) -> Option<usize> {
        if channel >= self.window.channels() || tap >= self.taps() {
            return None;
        }
        match &self.starts {
            Starts::Line { starts, .. } => self.index_from(*starts.get(filter)?, channel, tap),
            Starts::Learned { .. } => self.index_from(self.segments(filter)?.starts[segment], channel, tap),
            Starts::Volume { dims, starts } => {
                let [c0, y0, x0] = *starts.get(filter)?;
                let width = self.window.width();
                let c = self.inside(c0, channel as i64, dims[0])?;
                let y = self.inside(y0, (tap / width) as i64, dims[1])?;
                let x = self.inside(x0, (tap % width) as i64, dims[2])?;
                Some((c * dims[1] + y) * dims[2] + x)
            }
        }
    }

    /// `start + offset` along an axis of `length` values, by the boundary's rule.
    fn inside(&self, start: i64, offset: i64, length: usize) -> Option<usize> {
        let size = length as i64;
        let index = match self.boundary {
            Boundary::Wrap => (start.rem_euclid(size) + offset).rem_euclid(size),
            Boundary::None | Boundary::Zero => start.checked_add(offset)?,
        };
        usize::try_from(index).ok().filter(|&index| index < length)
    }

    /// The same filters with some of their channels and taps only, which lie where they did in the same summary.
    pub(crate) fn part(&self, part: &Part) -> Result<Self> {
        let (channels, stride) = (part.channels.start as i64, self.window.channel_stride());
        let width = self.window.width();
        let taps = part.rows.clone().flat_map(|y| part.columns.clone().map(move |x| y * width + x));
        let offsets = taps.map(|tap| self.window.tap_offsets()[tap] + channels * stride).collect();
        let [height, width] = [part.rows.len(), part.columns.len()];
        let window = Window::new(part.channels.len(), height, width, stride, offsets)?;
        let starts = match &self.starts {
            Starts::Volume { dims, starts } => {
                let first = [part.channels.start, part.rows.start, part.columns.start].map(|first| first as i64);
                let from = |start: &[i64; 3]| std::array::from_fn(|axis| start[axis].saturating_add(first[axis]));
                Starts::Volume { dims: *dims, starts: starts.iter().map(from).collect() }
            }
            starts => starts.clone(),
        };
        Ok(Self { has_gains: self.has_gains, ..Self::new(window, starts, self.boundary)? })
    }

    fn check_starts(&self) -> Result<()> {
        let outside = |field: String, start: &dyn Display, [first, last]: [i128; 2], length: usize| {
            if self.boundary == Boundary::None && (first < 0 || last >= length as i128) {
                let rule = format!("its weights {first}..={last} must lie in a summary of {length} with boundary none");
                return Err(Error::value(field, start, rule));
            }
            Ok(())
        };
        let weights = |first: i64, last: i64, (low, high): (i64, i64)| {
            [i128::from(first) + i128::from(low), i128::from(last) + i128::from(high)]
        };
        let reach = self.window.reach();
        match &self.starts {
            Starts::Line { length, starts } => {
                for (i, &start) in starts.iter().enumerate() {
                    outside(format!("starts[{i}]"), &start, weights(start, start, reach), *length)?;
                }
            }
            Starts::Learned { length, positions, unit } => {
                for (i, &position) in positions.iter().enumerate() {
                    let [start, next] = Segments::at(position, *unit).starts;
                    outside(format!("starts[{i}]"), &position, weights(start, next, reach), *length)?;
                }
            }
            Starts::Volume { dims, starts } => {
                let size = [self.window.channels(), self.window.height(), self.window.width()];
                for (i, start) in starts.iter().enumerate() {
                    for axis in 0..3 {
                        let weights = weights(start[axis], start[axis], (0, size[axis] as i64 - 1));
                        outside(format!("starts[{i}][{axis}]"), &start[axis], weights, dims[axis])?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Learned positions must be numbers, and no further from 0 than 2^31 - 1 values.
fn check_positions(positions: &[f32], unit: usize) -> Result<()> {
    for (i, &position) in positions.iter().enumerate() {
        if !position.is_finite() {
            return Err(Error::value(format!("starts[{i}]"), position, "it must be finite"));
        }
        if f64::from(position).abs() * unit as f64 > INDEX_LIMIT as f64 {
            let rule = format!("in units of {unit} it must lie within {INDEX_LIMIT} values of 0");
            return Err(Error::value(format!("starts[{i}]"), position, rule));
        }
    }
    Ok(())
}
