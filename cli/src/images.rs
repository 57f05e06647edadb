//! Image files to network inputs: decoded, cropped, resized, normalized.

mod decode;

use anyhow::{Result, ensure};
use filter_summary::network::{ChannelOrder, Input, Network};
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};

pub(crate) use decode::{decode, load};

/// Largest side that is resized to.
const RESIZE_LIMIT: u32 = 1 << 15;

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

/// How an image gets the size of a network's input.
#[derive(clap::Args, Debug, Clone, Copy, Default)]
pub(crate) struct Fit {
    /// Resize to this many pixels (the shorter side of what the network takes grows to it) and cut off the margins
    /// [default: no margins]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(RESIZE_LIMIT)))]
    resize: Option<u32>,

    /// Resize both sides to what is needed, without regard to proportions; otherwise the largest centred part
    /// that has the input's proportions is resized
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

    fn apply(self, image: &RgbImage, size: [u32; 2]) -> RgbImage {
        let whole = self.whole(size);
        let [left, top] = [0, 1].map(|axis| (whole[axis] - size[axis]) / 2);
        let without_margins = |image: &RgbImage| imageops::crop_imm(image, left, top, size[0], size[1]).to_image();
        let (width, height) = image.dimensions();
        if [width, height] == whole {
            return without_margins(image);
        }
        let [x, y, width, height] = if self.stretch { [0, 0, width, height] } else { centre([width, height], whole) };
        // A view: photographs are large.
        let part = imageops::crop_imm(image, x, y, width, height);
        without_margins(&imageops::resize(&*part, whole[0], whole[1], FilterType::Triangle))
    }
}

/// The values of an image as the network wants them. An image of the size that `fit` resizes to is used as it is. 16
/// bits are rounded to 8, and transparency is left out.
pub(crate) fn values(image: DynamicImage, fit: Fit, input: &Input) -> Vec<f32> {
    let [channels, height, width] = input.shape;
    // 8-bit first: resizing 16-bit images would only cost memory.
    let fitted = fit.apply(&image.into_rgb8(), [width as u32, height as u32]);
    let preprocess = &input.preprocess;
    let mut values = Vec::with_capacity(channels * height * width);
    let mut plane = |channel: usize, level: &dyn Fn(&Rgb<u8>) -> u8| {
        let (mean, std) = (preprocess.mean[channel], preprocess.std[channel]);
        values.extend(fitted.pixels().map(|pixel| (f32::from(level(pixel)) * preprocess.scale - mean) / std));
    };
    if channels == 1 {
        plane(0, &luma);
        return values;
    }
    for channel in 0..channels {
        let source = match preprocess.order {
            ChannelOrder::Rgb => channel,
            ChannelOrder::Bgr => channels - 1 - channel,
        };
        plane(channel, &|pixel| pixel.0[source]);
    }
    values
}

/// ITU-R BT.601's luma as Pillow, and so torchvision, rounds it; `image` has BT.709's.
fn luma(&Rgb([red, green, blue]): &Rgb<u8>) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
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
        assert_eq!(values(image, Fit::default(), &input), [20.0, 20.0, 9.0, 9.0, 0.0, 0.5]);
    }

    #[test]
    fn margins_are_cut_off() {
        let pixel = |x: u32, y: u32| Rgb([x as u8, y as u8, 0]);
        let image = RgbImage::from_fn(8, 4, pixel);
        let fit = |resize, stretch| Fit { resize, stretch };
        assert_eq!(fit(Some(256), false).whole([227, 227]), [256, 256]);
        assert_eq!(fit(Some(6), false).whole([8, 4]), [12, 6]);
        let fitted = |fit: Fit| fit.apply(&image, [2, 2]);
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
    fn one_channel_is_pillow_s_luma() {
        let preprocess = Preprocess { order: ChannelOrder::Rgb, scale: 1.0, mean: vec![0.0], std: vec![1.0] };
        let input = Input { shape: [1, 1, 7], preprocess };
        let pixels = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3], [77; 3], [1, 2, 3], [12, 200, 90]];
        let image = DynamicImage::ImageRgb8(RgbImage::from_fn(7, 1, |x, _| Rgb(pixels[x as usize])));
        // Image.convert("L") says so.
        assert_eq!(values(image, Fit::default(), &input), [76.0, 150.0, 29.0, 255.0, 77.0, 2.0, 131.0]);
    }
}
