//! Image files to network inputs.

mod decode;

use anyhow::{Result, ensure};
use filter_summary::network::Input;
use filter_summary_pictures::{Fit, RESIZE_LIMIT};
use image::DynamicImage;

pub(crate) use decode::{decode, load};

/// How an image gets the size of a network's input.
#[derive(clap::Args, Debug, Clone, Copy, Default)]
pub(crate) struct FitArgs {
    /// Resize to this many pixels (the shorter side of what the network takes grows to it) and cut off the margins
    /// [default: no margins]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(RESIZE_LIMIT)))]
    resize: Option<u32>,

    /// Resize both sides to what is needed, without regard to proportions; otherwise the largest centred part
    /// that has the input's proportions is resized
    #[arg(long)]
    stretch: bool,
}

impl FitArgs {
    /// Refuses margins where images are not resized.
    pub(crate) fn refuse(self, reason: &str) -> Result<()> {
        ensure!(self.resize.is_none() && !self.stretch, "--resize and --stretch are for --images: {reason}");
        Ok(())
    }
}

impl From<FitArgs> for Fit {
    fn from(FitArgs { resize, stretch }: FitArgs) -> Self {
        Self { resize, stretch }
    }
}

/// The values of an image as a network wants them. 16 bits are rounded to 8, and transparency is left out.
pub(crate) fn values(image: DynamicImage, fit: Fit, input: &Input) -> Vec<f32> {
    // 8-bit first: resizing 16-bit images would only cost memory.
    filter_summary_pictures::values(&image.into_rgb8(), fit, input)
}
