//! The Filter Summary: one learned vector (or rank-3 tensor) that holds all filters of a layer as overlapping segments.

use std::borrow::Cow;

use crate::check::{check_f16, check_finite};
use crate::error::{Error, Result};
use crate::method::placement::Placement;
use crate::method::quantization::{Precision, Quantization};

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
    stored: Stored,
    placement: Placement,
}

/// The values, as what they are in files and on devices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored {
    F32(Vec<f32>),
    /// Rounded already.
    F16(Vec<f32>),
    /// What values are computed from whenever they are asked for.
    U8 {
        levels: Vec<u8>,
        quantization: Quantization,
    },
}

impl FilterSummary {
    /// A summary of `placement.length()` finite values (row-major `[D, FH, FW]` for rank 3).
    ///
    /// # Errors
    /// When the number of values is another, or one is not finite.
    pub fn new(values: Vec<f32>, placement: Placement) -> Result<Self> {
        check_count(values.len(), &placement)?;
        check_finite("summary", &values)?;
        Ok(Self { stored: Stored::F32(values), placement })
    }

    /// A summary of `placement.length()` values in 8 bits.
    ///
    /// # Errors
    /// When the number of levels is another.
    pub fn from_levels(levels: Vec<u8>, quantization: Quantization, placement: Placement) -> Result<Self> {
        check_count(levels.len(), &placement)?;
        Ok(Self { stored: Stored::U8 { levels, quantization }, placement })
    }

    /// Dense filters `[O, C/groups, KH, KW]` as a summary without overlap.
    ///
    /// # Errors
    /// When the shape and the number of values differ, a size is zero, or a value is not finite.
    pub fn from_dense(weights: Vec<f32>, shape: [usize; 4]) -> Result<Self> {
        let [out_channels, channels, height, width] = shape;
        Self::new(weights, Placement::dense(out_channels, channels, height, width)?)
    }

    /// The same in 8 bits ([`Quantization::of`] its values): a quarter of the memory, in files and on devices.
    ///
    /// ```
    /// use filter_summary::{FilterSummary, Placement, Precision};
    ///
    /// let placement = Placement::tap_major(2, 1, 1, 1, 1)?;
    /// let quantized = FilterSummary::new(vec![-1.0, 0.6], placement)?.quantize()?;
    /// assert_eq!((quantized.precision(), quantized.stored_bytes()), (Precision::U8, 2 + 8));
    /// assert!((quantized.values()[1] - 0.6).abs() < 1e-4);
    /// # Ok::<(), filter_summary::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is not in f32, or the values span more than f32 can.
    pub fn quantize(&self) -> Result<Self> {
        let values = self.f32_values()?;
        let quantization = Quantization::of(values)?;
        let levels = values.iter().map(|&value| quantization.level(value)).collect();
        Self::from_levels(levels, quantization, self.placement.clone())
    }

    /// The same in f16, every value rounded to nearest: half the memory.
    ///
    /// # Errors
    /// When it is not in f32, or a value is beyond f16.
    pub fn round_to_f16(&self) -> Result<Self> {
        let values = self.f32_values()?;
        check_f16(values)?;
        let values = values.iter().map(|&value| half::f16::from_f32(value).to_f32()).collect();
        Ok(Self { stored: Stored::F16(values), placement: self.placement.clone() })
    }

    fn f32_values(&self) -> Result<&[f32]> {
        match &self.stored {
            Stored::F32(values) => Ok(values),
            Stored::F16(_) | Stored::U8 { .. } => {
                Err(Error::value("summary", self.precision().name(), "only f32 values are rounded"))
            }
        }
    }

    /// The values, L of them; of a quantized summary those that its levels stand for, computed now: it keeps nothing
    /// but the levels.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match &self.stored {
            Stored::F32(values) | Stored::F16(values) => Cow::Borrowed(values),
            Stored::U8 { levels, quantization } => levels.iter().map(|&level| quantization.value(level)).collect(),
        }
    }

    /// One of the values, if there are so many.
    pub(crate) fn get(&self, index: usize) -> Option<f32> {
        match &self.stored {
            Stored::F32(values) | Stored::F16(values) => values.get(index).copied(),
            Stored::U8 { levels, quantization } => levels.get(index).map(|&level| quantization.value(level)),
        }
    }

    /// What the values are stored as.
    pub fn precision(&self) -> Precision {
        match self.stored {
            Stored::F32(_) => Precision::F32,
            Stored::F16(_) => Precision::F16,
            Stored::U8 { .. } => Precision::U8,
        }
    }

    /// The levels of a quantized summary, L of them, and what they stand for.
    pub fn levels(&self) -> Option<(&[u8], Quantization)> {
        match &self.stored {
            Stored::U8 { levels, quantization } => Some((levels, *quantization)),
            Stored::F32(_) | Stored::F16(_) => None,
        }
    }

    /// The values as they are kept.
    #[cfg(feature = "network")]
    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Bytes of the values as they are stored; 8-bit ones with their scale and zero.
    pub fn stored_bytes(&self) -> u64 {
        let quantization = if self.precision() == Precision::U8 { 8 } else { 0 };
        self.placement.length() as u64 * self.precision().bytes() + quantization
    }

    /// Effective parameters as FSNet counts them: a quantized tensor of L values for L / 4 + 2, all else whole.
    pub fn effective_parameters(&self) -> f64 {
        let length = self.placement.length() as f64;
        if self.precision() == Precision::U8 { length / 4.0 + 2.0 } else { length }
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
        let value = |index: Option<usize>| index.and_then(|index| self.get(index)).map_or(0.0, f64::from);
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

fn check_count(count: usize, placement: &Placement) -> Result<()> {
    if count == placement.length() {
        return Ok(());
    }
    let rule = format!("the placement has a summary of {}", placement.length());
    Err(Error::value("summary", format!("{count} values"), rule))
}
