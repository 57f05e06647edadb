//! The Filter Summary: one learned vector (or rank-3 tensor) that holds all filters of a layer as overlapping segments.

use crate::error::{Error, Result};
use crate::placement::Placement;

/// A layer's weights: the values of the summary and the [`Placement`] of the filters in it.
///
/// ```
/// use filter_summary::{FilterSummary, Placement};
///
/// // 64 filters of 64x3x3, each two taps further than the last: r = 4.3.
/// let placement = Placement::tap_major(64, 64, 3, 3, 128)?;
/// let summary = FilterSummary::new(vec![0.5; placement.length()], placement)?;
/// assert_eq!(summary.values().len(), 9 * 64 + 63 * 128);
/// assert!((summary.placement().ratio() - 4.27).abs() < 0.01);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FilterSummary {
    values: Vec<f32>,
    placement: Placement,
}

impl FilterSummary {
    /// A summary of `placement.length()` finite values (row-major `[D, FH, FW]` for rank 3).
    ///
    /// # Errors
    /// When the number of values is another, or one is not finite.
    pub fn new(values: Vec<f32>, placement: Placement) -> Result<Self> {
        if values.len() != placement.length() {
            let rule = format!("the placement has a summary of {}", placement.length());
            return Err(Error::value("summary", format!("{} values", values.len()), rule));
        }
        check_finite("summary", &values)?;
        Ok(Self { values, placement })
    }

    /// Dense filters `[O, C/groups, KH, KW]` as a summary without overlap.
    ///
    /// # Errors
    /// When the shape and the number of values differ, a size is zero, or a value is not finite.
    pub fn from_dense(weights: Vec<f32>, shape: [usize; 4]) -> Result<Self> {
        let [out_channels, channels, height, width] = shape;
        Self::new(weights, Placement::dense(out_channels, channels, height, width)?)
    }

    /// The values, L of them.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Where the filters lie.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Weight `(channel, tap)` of a filter. A blend, of a learned position, is rounded once.
    pub fn weight(&self, filter: usize, channel: usize, tap: usize) -> f32 {
        self.blend(filter, channel, tap).value as f32
    }

    /// Weight `(channel, tap)` of a filter in f64.
    pub(crate) fn blend(&self, filter: usize, channel: usize, tap: usize) -> Blend {
        let value = |index: Option<usize>| index.map_or(0.0, |index| f64::from(self.values[index]));
        let first = value(self.placement.index(filter, channel, tap));
        let fraction = f64::from(self.placement.fraction(filter));
        if fraction == 0.0 {
            return Blend { value: first, size: first.abs() };
        }
        let next = value(self.placement.next_index(filter, channel, tap));
        let blend = |first: f64, next: f64| (1.0 - fraction) * first + fraction * next;
        Blend { value: blend(first, next), size: blend(first.abs(), next.abs()) }
    }

    /// The dense filters this summary stands for, `[O, C/groups, KH, KW]`.
    pub fn expand(&self) -> Vec<f32> {
        self.each_weight(Self::weight)
    }

    /// The same in f64.
    pub(crate) fn blends(&self) -> Vec<Blend> {
        self.each_weight(Self::blend)
    }

    /// `[O, C/groups, KH, KW]`.
    fn each_weight<T>(&self, of: impl Fn(&Self, usize, usize, usize) -> T) -> Vec<T> {
        let (channels, taps) = (self.placement.window().channels(), self.placement.taps());
        let mut dense = Vec::with_capacity(self.placement.filters() * channels * taps);
        for filter in 0..self.placement.filters() {
            for channel in 0..channels {
                dense.extend((0..taps).map(|tap| of(self, filter, channel, tap)));
            }
        }
        dense
    }
}

/// A weight, and the size of the numbers that were added up for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blend {
    pub(crate) value: f64,
    pub(crate) size: f64,
}

/// Refuses infinities and NaN, naming the first.
pub(crate) fn check_finite(field: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::value(format!("{field}[{at}]"), values[at], "it must be finite")),
        None => Ok(()),
    }
}
