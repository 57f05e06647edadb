//! Image files to network inputs: decoded, cropped, resized, normalized.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use filter_summary::network::{ChannelOrder, Input, Network};
use filter_summary::tensor_file::{Foreign, is_safetensors, read_file, recognize};
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageReader, Limits};

/// Largest width and height that is decoded.
const SIDE_LIMIT: u32 = 1 << 15;

/// Most values of a network's input that an image is made for.
const VALUE_LIMIT: usize = 1 << 26;

/// Checks that a network reads images.
pub(crate) fn check_input(network: &Network) -> Result<()> {
    let [channels, height, width] = network.input().shape;
    ensure!(channels == 1 || channels == 3, "the network's input has {channels} channels: images have 1 or 3");
    let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    ensure!(
        values.is_some_and(|values| values <= VALUE_LIMIT),
        "the network's input is {height}x{width}: no image is that large"
    );
    Ok(())
}

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<DynamicImage> {
    let bytes = read_file(path)?;
    decode(&bytes).with_context(|| path.display().to_string())
}

/// Decodes PNG or JPEG, whatever the file's name is.
pub(crate) fn decode(bytes: &[u8]) -> Result<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    ensure!(reader.format().is_some(), "neither PNG nor JPEG{}", other_kind(bytes));
    // The default keeps decoding below 512 MiB; broken headers must not cost even that.
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_LIMIT), Some(SIDE_LIMIT));
    reader.limits(limits);
    let image = reader.decode()?;
    ensure!(image.width() > 0 && image.height() > 0, "the image has no pixels");
    Ok(image)
}

/// What bytes are that are no picture, where that is known.
fn other_kind(bytes: &[u8]) -> String {
    if is_safetensors(bytes) {
        return ": it is safetensors, a model perhaps (--model)".to_owned();
    }
    match recognize(bytes) {
        Some(Foreign { what, remedy, stray: true }) => format!(": it is {what}: {remedy}"),
        Some(Foreign { what, .. }) => format!(": it is {what}"),
        None => String::new(),
    }
}

/// How an image gets the size of a network's input.
#[derive(clap::Args, Debug, Clone, Copy, Default)]
pub(crate) struct Fit {
    /// Resize to this many pixels (the shorter side of what the network takes grows to it) and cut off the margins [default: no
    /// margins]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_LIMIT)))]
    resize: Option<u32>,

    /// Resize both sides to what is needed, without regard to proportions; otherwise the largest centred part that has the
    /// input's proportions is resized
    #[arg(long)]
    stretch: bool,
}

impl Fit {
    /// Refuses margins where images are not resized.
    pub(crate) fn refuse(self, reason: &str) -> Result<()> {
        ensure!(self.resize.is_none() && !self.stretch, "--resize and --stretch are for --images: {reason}");
        Ok(())
    }

    /// Refuses to resize to less than the network takes.
    pub(crate) fn check(self, input: &Input) -> Result<()> {
        let [_, height, width] = input.shape;
        if let Some(resize) = self.resize {
            let side = height.min(width);
            ensure!(resize as usize >= side, "--resize is {resize}: the network takes {height}x{width}");
        }
        Ok(())
    }

    /// Width and height before the margins are cut off.
    fn whole(self, size: [u32; 2]) -> [u32; 2] {
        let side = u64::from(size[0].min(size[1]));
        let Some(resize) = self.resize else { return size };
        // Rounded to nearest; never less than the input.
        size.map(|length| {
            let scaled = (u64::from(length) * u64::from(resize) + side / 2) / side;
            u32::try_from(scaled).unwrap_or(u32::MAX).max(length)
        })
    }

    fn apply(self, image: &DynamicImage, size: [u32; 2]) -> DynamicImage {
        let whole = self.whole(size);
        let resized = if [image.width(), image.height()] == whole {
            image.clone()
        } else {
            let [x, y, width, height] = if self.stretch {
                [0, 0, image.width(), image.height()]
            } else {
                centre([image.width(), image.height()], whole)
            };
            let cropped = image.crop_imm(x, y, width, height);
            // 8-bit first: resizing 16-bit or float images would only cost memory.
            DynamicImage::ImageRgb8(imageops::resize(&cropped.to_rgb8(), whole[0], whole[1], FilterType::Triangle))
        };
        let [left, top] = [0, 1].map(|axis| (whole[axis] - size[axis]) / 2);
        resized.crop_imm(left, top, size[0], size[1])
    }
}

/// Appends an image as the network wants it. An image of the size that `fit` resizes to is used as it is.
pub(crate) fn append(image: &DynamicImage, fit: Fit, input: &Input, batch: &mut Vec<f32>) {
    let [channels, height, width] = input.shape;
    let fitted = fit.apply(image, [width as u32, height as u32]);
    let preprocess = &input.preprocess;
    let mut plane = |channel: usize, pixels: &mut dyn Iterator<Item = u8>| {
        let (mean, std) = (preprocess.mean[channel], preprocess.std[channel]);
        batch.extend(pixels.map(|pixel| (f32::from(pixel) * preprocess.scale - mean) / std));
    };
    if channels == 1 {
        plane(0, &mut fitted.to_luma8().into_raw().into_iter());
        return;
    }
    let pixels = fitted.to_rgb8().into_raw();
    for channel in 0..channels {
        let source = match preprocess.order {
            ChannelOrder::Rgb => channel,
            ChannelOrder::Bgr => channels - 1 - channel,
        };
        plane(channel, &mut pixels.iter().skip(source).step_by(channels).copied());
    }
}

/// The largest centred part of `size` with the proportions of `target`: `[x, y, width, height]`.
fn centre(size: [u32; 2], target: [u32; 2]) -> [u32; 4] {
    let [width, height, target_width, target_height] = [size[0], size[1], target[0], target[1]].map(u64::from);
    // Compares width / height with target_width / target_height.
    let (crop_width, crop_height) = if width * target_height > height * target_width {
        ((height * target_width / target_height).max(1), height)
    } else {
        (width, (width * target_height / target_width).max(1))
    };
    [(width - crop_width) / 2, (height - crop_height) / 2, crop_width, crop_height].map(|size| size as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_summary::network::Preprocess;
    use image::{Rgb, RgbImage};

    #[test]
    fn crops_the_centre() {
        assert_eq!(centre([100, 50], [32, 32]), [25, 0, 50, 50]);
        assert_eq!(centre([50, 101], [32, 32]), [0, 25, 50, 50]);
        assert_eq!(centre([64, 32], [32, 16]), [0, 0, 64, 32]);
        assert_eq!(centre([1, 30_000], [32, 32]), [0, 14_999, 1, 1]);
    }

    #[test]
    fn planes_follow_the_network_s_order() {
        let image = DynamicImage::ImageRgb8(RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8, 10, 20])));
        let preprocess =
            Preprocess { order: ChannelOrder::Bgr, scale: 1.0, mean: vec![0.0, 1.0, 0.0], std: vec![1.0, 1.0, 2.0] };
        let input = Input { shape: [3, 1, 2], preprocess };
        let mut batch = Vec::new();
        append(&image, Fit::default(), &input, &mut batch);
        assert_eq!(batch, [20.0, 20.0, 9.0, 9.0, 0.0, 0.5]);
    }

    #[test]
    fn margins_are_cut_off() {
        let pixel = |x: u32, y: u32| Rgb([x as u8, y as u8, 0]);
        let image = DynamicImage::ImageRgb8(RgbImage::from_fn(8, 4, pixel));
        let fit = |resize, stretch| Fit { resize, stretch };
        assert_eq!(fit(Some(256), false).whole([227, 227]), [256, 256]);
        assert_eq!(fit(Some(6), false).whole([8, 4]), [12, 6]);
        let fitted = |fit: Fit| fit.apply(&image, [2, 2]).to_rgb8();
        // The 4x4 in the middle, and of that the 2x2 in the middle.
        assert_eq!(*fitted(fit(Some(4), false)).get_pixel(0, 0), pixel(3, 1));
        // All of it would be 2 pixels wide where it was 8.
        assert_eq!(fitted(fit(None, true)).get_pixel(0, 0).0[1], fitted(fit(None, false)).get_pixel(0, 0).0[1]);
        assert!(fitted(fit(None, true)).get_pixel(0, 0).0[0] < fitted(fit(None, false)).get_pixel(0, 0).0[0]);
        assert!(fit(Some(3), false).check(&input(4)).is_err() && fit(Some(4), false).check(&input(4)).is_ok());
    }

    fn input(side: usize) -> Input {
        let preprocess = Preprocess { order: ChannelOrder::Rgb, scale: 1.0, mean: vec![0.0; 3], std: vec![1.0; 3] };
        Input { shape: [3, side, side], preprocess }
    }

    #[test]
    fn text_is_no_image() {
        let error = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert_eq!(error(b"\x01\x02\xff"), "neither PNG nor JPEG");
        assert!(error(b"hello").starts_with("neither PNG nor JPEG: it is a text (hello): "));
        assert_eq!(error(b"%PDF-1.7"), "neither PNG nor JPEG: it is a PDF document");
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";
        assert!(
            error(pointer).ends_with("it is a Git LFS pointer (to 5 bytes): fetch the file itself with git lfs pull")
        );
        assert!(error(b"\x02\0\0\0\0\0\0\0{}").contains("it is safetensors, a model perhaps (--model)"));
    }
}
