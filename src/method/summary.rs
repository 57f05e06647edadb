//! The Filter Summary: one learned vector (or rank-3 tensor) that holds all filters of a layer as overlapping segments.

use std::borrow::Cow;

use crate::check::{check_f16, check_finite, check_length};
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
    /// `[O, T]`; empty where the placement has none.
    gains: Vec<f32>,
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
    /// A summary of `placement.length()` finite values (row-major `[D, FH, FW]` for rank 3). Gains that the placement
    /// has are 1.
    ///
    /// # Errors
    /// When the number of values is another, or one is not finite.
    pub fn new(values: Vec<f32>, placement: Placement) -> Result<Self> {
        check_count(values.len(), &placement)?;
        check_finite("summary", &values)?;
        Ok(Self::of(Stored::F32(values), placement))
    }

    /// A summary of `placement.length()` values in 8 bits.
    ///
    /// # Errors
    /// When the number of levels is another.
    pub fn from_levels(levels: Vec<u8>, quantization: Quantization, placement: Placement) -> Result<Self> {
        check_count(levels.len(), &placement)?;
        Ok(Self::of(Stored::U8 { levels, quantization }, placement))
    }

    fn of(stored: Stored, placement: Placement) -> Self {
        Self { stored, gains: vec![1.0; placement.gains()], placement }
    }

    /// The same with gains `[O, T]`, row-major taps, in place of those that it has: `W[i, c, t] = g[i, t] * f[..]`, or
    /// that times the blend of two segments where positions are learned.
    ///
    /// ```
    /// use filter_summary::{FilterSummary, Placement};
    ///
    /// let placement = Placement::one_base(2, 1, 1, 3, 1)?;
    /// let summary = FilterSummary::new(vec![2.0, 3.0], placement)?.with_gains(vec![1.0, 0.0, -1.0, 0.5, 1.0, 0.5])?;
    /// assert_eq!(summary.expand(), [2.0, 0.0, -2.0, 1.5, 3.0, 1.5]);
    /// # Ok::<(), filter_summary::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the number of gains is another, one is not finite, or too large for the summary's largest value: their
    /// product is a weight of dense filters.
    pub fn with_gains(self, gains: Vec<f32>) -> Result<Self> {
        let largest = self.values().iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let placement = self.placement.with_gains();
        check_length("gains", Some(&gains), placement.gains())?;
        check_finite("gains", &gains)?;
        if let Some(at) = gains.iter().position(|gain| !(gain * largest).is_finite()) {
            let rule = format!("times the summary's largest value, {largest}, it must be finite");
            return Err(Error::value(format!("gains[{at}]"), gains[at], rule));
        }
        Ok(Self { gains, placement, ..self })
    }

    /// The gains `[O, T]`, where there are any. They stay f32 whatever the values are.
    pub fn gains(&self) -> Option<&[f32]> {
        self.placement.has_gains().then_some(&*self.gains)
    }

    /// What multiplies a tap of a filter: 1 without gains.
    pub(crate) fn gain(&self, filter: usize, tap: usize) -> f32 {
        // Without gains there is none at any index.
        self.gains.get(filter * self.placement.taps() + tap).copied().unwrap_or(1.0)
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
        Ok(self.stored_as(Stored::U8 { levels, quantization }))
    }

    /// The same in f16, every value rounded to nearest: half the memory.
    ///
    /// # Errors
    /// When it is not in f32, or a value is beyond f16.
    pub fn round_to_f16(&self) -> Result<Self> {
        let values = self.f32_values()?;
        check_f16("summary", values)?;
        let values = values.iter().map(|&value| half::f16::from_f32(value).to_f32()).collect();
        Ok(self.stored_as(Stored::F16(values)))
    }

    fn stored_as(&self, stored: Stored) -> Self {
        Self { stored, gains: self.gains.clone(), placement: self.placement.clone() }
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

    /// Bytes of the values as they are stored, and of the gains; 8-bit ones with their scale and zero.
    pub fn stored_bytes(&self) -> u64 {
        let quantization = if self.precision() == Precision::U8 { 8 } else { 0 };
        self.placement.length() as u64 * self.precision().bytes() + quantization + 4 * self.gains.len() as u64
    }

    /// Effective parameters as FSNet counts them: a quantized tensor of L values for L / 4 + 2, all else whole.
    pub fn effective_parameters(&self) -> f64 {
        let length = self.placement.length() as f64;
        let values = if self.precision() == Precision::U8 { length / 4.0 + 2.0 } else { length };
        values + self.gains.len() as f64
    }

    /// Where the filters lie.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Weight `(channel, tap)` of a filter. A blend, of a learned position, times a gain is rounded once.
    pub fn weight(&self, filter: usize, channel: usize, tap: usize) -> f32 {
        self.blend(filter, channel, tap).value as f32
    }

    /// Weight `(channel, tap)` of a filter in f64.
    pub(crate) fn blend(&self, filter: usize, channel: usize, tap: usize) -> Blend {
        let value = |index: Option<usize>| index.and_then(|index| self.get(index)).map_or(0.0, f64::from);
        let first = value(self.placement.index(filter, channel, tap));
        let fraction = f64::from(self.placement.fraction(filter));
        let blended = if fraction == 0.0 {
            Blend { value: first, size: first.abs() }
        } else {
            let next = value(self.placement.next_index(filter, channel, tap));
            let blend = |first: f64, next: f64| (1.0 - fraction) * first + fraction * next;
            Blend { value: blend(first, next), size: blend(first.abs(), next.abs()) }
        };
        if self.gains.is_empty() {
            return blended;
        }
        let gain = f64::from(self.gain(filter, tap));
        Blend { value: gain * blended.value, size: (gain.abs() + UNDERFLOW) * (blended.size + UNDERFLOW) }
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

/// What the size of a number is counted too large by. Devices may take for 0 what is below 2^-126, the least normal
/// f32, whether they read, multiply or add it; [`tolerance`](crate::reference::tolerance) of this is at least four
/// times as much.
pub(crate) const UNDERFLOW: f64 = f32::MIN_POSITIVE as f64 / f32::EPSILON as f64;

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
