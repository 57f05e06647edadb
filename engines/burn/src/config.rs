//! The layer's configuration, in burn's style.

use burn::config::Config;
use burn::module::Param;
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use filter_summary::{Boundary, Conv2d, Placement, Result, Starts};

use crate::error::{stop, value};
use crate::geometry::FsGeometry;
use crate::module::FsConv2d;

/// How the filters of a layer lie in its summary. C is the channels of a group, K = C * T the weights of a filter.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum FsPlacement {
    /// Filter `i` at `i * step`, the channels of a tap together: with steps of C nine filters of 3x3 share every
    /// product. L = K + (O - 1) * step.
    TapMajor {
        /// Values from one filter to the next.
        step: usize,
    },
    /// All taps of filter `i` at `i * step`, told apart by gains, which it always has. L = C + (O - 1) * step.
    OneBase {
        /// Values from one filter to the next.
        step: usize,
    },
    /// Tap-major, with the step that comes nearest to a compression ratio O * K / L.
    Ratio {
        /// At least 1.
        ratio: f64,
    },
    /// As the authors of FSNet published it: channel-major, wrapping around, little shared.
    Published {
        /// At least 1.
        ratio: f64,
    },
    /// Dense filters, which do not overlap, in burn's own order.
    Dense,
}

/// Configuration of a convolution by Filter Summary, [`FsConv2d`].
///
/// ```
/// use burn::nn::PaddingConfig2d;
/// use filter_summary_burn::{FsConv2dConfig, FsPlacement};
///
/// let config = FsConv2dConfig::new([64, 128], [3, 3], FsPlacement::TapMajor { step: 64 })
///     .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
///     .with_gains(true);
/// assert_eq!(config.geometry()?.placement().length(), 9 * 64 + 127 * 64); // instead of 73,728
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct FsConv2dConfig {
    /// Channels of inputs, and of outputs.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// How the filters lie in the summary.
    pub placement: FsPlacement,
    /// Pixels from one output to the next, `[y, x]`.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Pixels from one tap to the next, `[y, x]`.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved apart.
    #[config(default = "1")]
    pub groups: usize,
    /// Zeros around the input; `Same` with stride 1 only.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Whether every tap of a filter has a factor of its own.
    #[config(default = false)]
    pub gains: bool,
    /// Whether filters move: their positions are learned, in whole taps of C values, in a summary of whole taps. For
    /// tap-major and one-base placements.
    #[config(default = false)]
    pub learned_positions: bool,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How weights begin: the summary by a fan-in of K and a fan-out of O/groups * T, as burn's dense layer; where
    /// there are gains, the summary by a fan-in of C and the gains by one of T, as a 1x1 and a depthwise layer.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(),fan_out_only:false}")]
    pub initializer: Initializer,
}

/// How far from the ends of a summary learned positions begin at most, in units: at the very ends they cannot move.
const END_MARGIN: f64 = 0.01;

impl FsConv2dConfig {
    /// What the layer computes, without weights.
    ///
    /// # Errors
    /// When a size is zero or too large, groups do not divide the channels, the ratio is below 1, padding is `Same`
    /// with a stride, or positions of such a placement are not learned.
    pub fn geometry(&self) -> Result<FsGeometry> {
        let ([channels, filters], [height, width]) = (self.channels, self.kernel_size);
        if self.groups == 0 || !channels.is_multiple_of(self.groups) {
            return Err(value("groups", self.groups, format!("it must divide the {channels} input channels")));
        }
        let channels = channels / self.groups;
        let placement = match self.placement {
            FsPlacement::TapMajor { step } => Placement::tap_major(filters, channels, height, width, step)?,
            FsPlacement::OneBase { step } => Placement::one_base(filters, channels, height, width, step)?,
            FsPlacement::Ratio { ratio } => Placement::for_ratio(filters, channels, height, width, ratio)?,
            FsPlacement::Published { ratio } => Placement::published(filters, channels, height, width, ratio)?,
            FsPlacement::Dense => Placement::dense(filters, channels, height, width)?,
        };
        let placement = if self.gains { placement.with_gains() } else { placement };
        let placement = if self.learned_positions { self.learned(placement)? } else { placement };
        let (stride, dilation, groups) = (self.stride, self.dilation, self.groups);
        FsGeometry::new(placement, Conv2d { stride, padding: self.pixels()?, dilation, groups })
    }

    /// A layer with weights by the initializer.
    ///
    /// # Panics
    /// Where [`FsConv2dConfig::try_init`] returns an error.
    pub fn init(&self, device: &Device) -> FsConv2d {
        self.try_init(device).unwrap_or_else(|error| stop(&error))
    }

    /// A layer with weights by the initializer.
    ///
    /// # Errors
    /// As [`FsConv2dConfig::geometry`].
    pub fn try_init(&self, device: &Device) -> Result<FsConv2d> {
        let geometry = self.geometry()?;
        let placement = geometry.placement();
        let [filters, channels, ..] = geometry.dense_shape();
        let (taps, weights) = (placement.taps(), placement.window().weights());
        let fan_out = filters / self.groups * taps;
        let has_gains = placement.has_gains();
        let fans = if has_gains { (channels, filters / self.groups) } else { (weights, fan_out) };
        let values: Param<Tensor<1>> =
            self.initializer.init_with([placement.length()], Some(fans.0), Some(fans.1), device);
        let gains = has_gains.then(|| self.initializer.init_with([filters, taps], Some(taps), Some(taps), device));
        let bias = self.bias.then(|| self.initializer.init_with([filters], Some(weights), Some(fan_out), device));
        let locations = geometry.positions().map(|positions| {
            let span = span(placement);
            let inside =
                |position: f32| f64::from(position).max(END_MARGIN).min((span - END_MARGIN).max(span / 2.0)) / span;
            let logits: Vec<f32> =
                positions.iter().map(|&at| inside(at)).map(|at| (at / (1.0 - at)).ln() as f32).collect();
            Param::from_data(burn::tensor::TensorData::new(logits, [filters]), device)
        });
        Ok(FsConv2d::new(geometry, values.val(), gains, locations, bias))
    }

    fn learned(&self, placement: Placement) -> Result<Placement> {
        let (Starts::Line { length, starts }, Boundary::None) = (placement.starts(), placement.boundary()) else {
            return Err(value("learned_positions", true, "placements that wrap around have fixed starts here"));
        };
        if matches!(self.placement, FsPlacement::Dense) {
            return Err(value("learned_positions", true, "dense filters do not move: their taps are apart"));
        }
        let unit = placement.window().channels();
        if span_of(*length, placement.window().reach().1, unit) <= 0.0 {
            return Err(value("learned_positions", true, format!("a summary of {length} leaves filters no room")));
        }
        // As long as the last filter's second segment wants it.
        let last = starts.iter().max().map_or(0, |&start| (start as usize).next_multiple_of(unit));
        let length = last + placement.window().reach().1 as usize + 1;
        let positions = starts.iter().map(|&start| (start as f64 / unit as f64) as f32).collect();
        let starts = Starts::Learned { length, positions, unit };
        let learned = Placement::new(placement.window().clone(), starts, Boundary::None)?;
        Ok(if placement.has_gains() { learned.with_gains() } else { learned })
    }

    /// `[top, left, bottom, right]`.
    fn pixels(&self) -> Result<[usize; 4]> {
        match self.padding {
            PaddingConfig2d::Valid => Ok([0; 4]),
            PaddingConfig2d::Explicit(top, left, bottom, right) => Ok([top, left, bottom, right]),
            PaddingConfig2d::Same if self.stride != [1, 1] => {
                let rule = "with a stride it would depend on the input: give pixels";
                Err(value("padding", "Same", rule))
            }
            PaddingConfig2d::Same => {
                let total =
                    [0, 1].map(|axis| self.dilation[axis].saturating_mul(self.kernel_size[axis].saturating_sub(1)));
                let [top, left] = total.map(|total| total / 2);
                Ok([top, left, total[0] - top, total[1] - left])
            }
        }
    }
}

/// The last position that a filter may have, in units: what learned locations are fractions of.
pub(crate) fn span(placement: &Placement) -> f64 {
    match placement.starts() {
        Starts::Learned { length, unit, .. } => span_of(*length, placement.window().reach().1, *unit),
        _ => 0.0,
    }
}

fn span_of(length: usize, reach: i64, unit: usize) -> f64 {
    (length as i64 - 1 - reach) as f64 / unit as f64
}
