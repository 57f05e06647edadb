//! How pixels become the input tensor.

use crate::check::check_finite;
use crate::error::{Error, Result};
use crate::files::stored_summary::Word;

/// Most input channels that get default values: a hostile number of them must not be allocated.
const DEFAULT_CHANNELS: usize = 1 << 16;

/// `(pixel * scale - mean[c]) / std[c]`, channels in `order`.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Order of the channels.
    pub order: ChannelOrder,
    /// Factor of the 8-bit value.
    pub scale: f32,
    /// One a channel.
    pub mean: Vec<f32>,
    /// One a channel, not zero.
    pub std: Vec<f32>,
}

/// Order of colour channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
}

impl Preprocess {
    /// The factor of 8-bit values that makes numbers up to 1 of them.
    pub(super) const SCALE: f32 = 1.0 / 255.0;

    /// RGB in `0..=1`: scale 1/255, mean 0 and deviation 1.
    ///
    /// # Errors
    /// When there are more than 65,536 channels.
    pub fn new(channels: usize) -> Result<Self> {
        let [mean, std] = [0.0, 1.0].map(|value| Self::of_every_channel(channels, value));
        Ok(Self { order: ChannelOrder::Rgb, scale: Self::SCALE, mean: mean?, std: std? })
    }

    /// One value for each of the channels.
    pub(super) fn of_every_channel(channels: usize, value: f32) -> Result<Vec<f32>> {
        if channels > DEFAULT_CHANNELS {
            let rule = format!("without preprocess it must be at most {DEFAULT_CHANNELS}");
            return Err(Error::value("input channels", channels, rule));
        }
        Ok(vec![value; channels])
    }

    pub(super) fn check(&self, channels: usize) -> Result<()> {
        for (field, values) in [("preprocess.mean", &self.mean), ("preprocess.std", &self.std)] {
            check_finite(field, values)?;
            if values.len() != channels {
                let rule = format!("the input has {channels} channels");
                return Err(Error::value(field, format!("{} numbers", values.len()), rule));
            }
        }
        if !self.scale.is_finite() {
            return Err(Error::value("preprocess.scale", self.scale, "it must be finite"));
        }
        match self.std.iter().position(|&std| std == 0.0) {
            Some(at) => Err(Error::value(format!("preprocess.std[{at}]"), 0, "it must not be zero")),
            None => Ok(()),
        }
    }
}

impl Word for ChannelOrder {
    const ALL: &'static [Self] = &[Self::Rgb, Self::Bgr];

    fn word(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
        }
    }
}
