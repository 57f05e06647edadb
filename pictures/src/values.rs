//! Pixels as numbers, as a network wants them.

use filter_summary::network::{ChannelOrder, Input};
use image::{Rgb, RgbImage};

use crate::{Error, Fit};

/// Most values of a network's input that a picture is made for.
const VALUE_LIMIT: usize = 1 << 26;

/// Checks that a network reads pictures.
///
/// # Errors
/// [`Error::Channels`] or [`Error::Size`].
pub fn check_input(input: &Input) -> Result<(), Error> {
    let [channels, height, width] = input.shape;
    if channels != 1 && channels != 3 {
        return Err(Error::Channels(channels));
    }
    let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    if values.is_some_and(|values| values <= VALUE_LIMIT) { Ok(()) } else { Err(Error::Size(height, width)) }
}

/// `[C, H, W]` of an input that was [checked](check_input). A picture of the size that `fit` resizes to is used as
/// it is.
pub fn values(picture: &RgbImage, fit: Fit, input: &Input) -> Vec<f32> {
    let [channels, height, width] = input.shape;
    let fitted = fit.apply(picture, [width as u32, height as u32]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use filter_summary::network::Preprocess;

    #[test]
    fn planes_follow_the_network_s_order() {
        let picture = RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8, 10, 20]));
        let preprocess =
            Preprocess { order: ChannelOrder::Bgr, scale: 1.0, mean: vec![0.0, 1.0, 0.0], std: vec![1.0, 1.0, 2.0] };
        let input = Input { shape: [3, 1, 2], preprocess };
        assert_eq!(values(&picture, Fit::default(), &input), [20.0, 20.0, 9.0, 9.0, 0.0, 0.5]);
    }

    #[test]
    fn one_channel_is_pillow_s_luma() {
        let preprocess = Preprocess { order: ChannelOrder::Rgb, scale: 1.0, mean: vec![0.0], std: vec![1.0] };
        let input = Input { shape: [1, 1, 7], preprocess };
        let pixels = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3], [77; 3], [1, 2, 3], [12, 200, 90]];
        let picture = RgbImage::from_fn(7, 1, |x, _| Rgb(pixels[x as usize]));
        // Image.convert("L") says so.
        assert_eq!(values(&picture, Fit::default(), &input), [76.0, 150.0, 29.0, 255.0, 77.0, 2.0, 131.0]);
    }

    #[test]
    fn inputs_are_pictures() {
        let check = |shape| check_input(&Input { shape, preprocess: Preprocess::new(3).unwrap() });
        assert_eq!(check([3, 32, 32]), Ok(()));
        assert_eq!(check([2, 32, 32]), Err(Error::Channels(2)));
        assert_eq!(check([3, usize::MAX, 2]), Err(Error::Size(usize::MAX, 2)));
    }
}
