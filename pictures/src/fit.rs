//! How a picture gets the size of a network's input.

use filter_summary::network::Input;
use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::Error;

/// Largest side that is resized to.
pub const RESIZE_LIMIT: u32 = 1 << 15;

/// Most pixels of a picture with its margins, which are cut off when it has been resized.
const PIXEL_LIMIT: u64 = 1 << 26;

/// How a picture gets the size of a network's input. By default the largest centred part that has the input's
/// proportions is resized, linearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fit {
    /// Resize to this many pixels, 1 to [`RESIZE_LIMIT`] (the shorter side of what the network takes grows to it),
    /// and cut off the margins.
    pub resize: Option<u32>,
    /// Resize both sides to what is needed, without regard to proportions.
    pub stretch: bool,
}

impl Fit {
    /// Refuses to resize to less than the network takes, or to more than 2^26 pixels, which is less than
    /// [`RESIZE_LIMIT`] for both sides. `field` is what the caller calls [`Fit::resize`].
    ///
    /// # Errors
    /// [`Error::Resize`] or [`Error::Enlarged`].
    pub fn check(self, field: &'static str, input: &Input) -> Result<(), Error> {
        let [_, height, width] = input.shape;
        match self.resize {
            Some(resize) if (resize as usize) < height.min(width) => {
                Err(Error::Resize { field, resize, height, width })
            }
            Some(resize) => {
                let [width, height] = self.whole([width as u32, height as u32]).map(u64::from);
                let is_small = width * height <= PIXEL_LIMIT;
                if is_small { Ok(()) } else { Err(Error::Enlarged { field, resize, limit: PIXEL_LIMIT }) }
            }
            None => Ok(()),
        }
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

    /// The picture in this size, width and height. One that has it before margins are cut off is not resized.
    pub(crate) fn apply(self, picture: &RgbImage, size: [u32; 2]) -> RgbImage {
        let whole = self.whole(size);
        let [left, top] = [0, 1].map(|axis| (whole[axis] - size[axis]) / 2);
        let without_margins = |image: &RgbImage| imageops::crop_imm(image, left, top, size[0], size[1]).to_image();
        let (width, height) = picture.dimensions();
        if [width, height] == whole {
            return without_margins(picture);
        }
        let [x, y, width, height] = if self.stretch { [0, 0, width, height] } else { centre([width, height], whole) };
        // A view: photographs are large.
        let part = imageops::crop_imm(picture, x, y, width, height);
        without_margins(&imageops::resize(&*part, whole[0], whole[1], FilterType::Triangle))
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
    use image::Rgb;

    #[test]
    fn crops_the_centre() {
        assert_eq!(centre([100, 50], [32, 32]), [25, 0, 50, 50]);
        assert_eq!(centre([50, 101], [32, 32]), [0, 25, 50, 50]);
        assert_eq!(centre([64, 32], [32, 16]), [0, 0, 64, 32]);
        assert_eq!(centre([1, 30_000], [32, 32]), [0, 14_999, 1, 1]);
    }

    #[test]
    fn margins_are_cut_off() {
        let pixel = |x: u32, y: u32| Rgb([x as u8, y as u8, 0]);
        let picture = RgbImage::from_fn(8, 4, pixel);
        let fit = |resize, stretch| Fit { resize, stretch };
        assert_eq!(fit(Some(256), false).whole([227, 227]), [256, 256]);
        assert_eq!(fit(Some(6), false).whole([8, 4]), [12, 6]);
        let fitted = |fit: Fit| fit.apply(&picture, [2, 2]);
        // The 4x4 in the middle, and of that the 2x2 in the middle.
        assert_eq!(*fitted(fit(Some(4), false)).get_pixel(0, 0), pixel(3, 1));
        // All of it would be 2 pixels wide where it was 8.
        assert_eq!(fitted(fit(None, true)).get_pixel(0, 0).0[1], fitted(fit(None, false)).get_pixel(0, 0).0[1]);
        assert!(fitted(fit(None, true)).get_pixel(0, 0).0[0] < fitted(fit(None, false)).get_pixel(0, 0).0[0]);
    }

    #[test]
    fn resizing_is_to_the_input_s_size_at_least() {
        let input = Input { shape: [3, 4, 5], preprocess: Preprocess::new(3).unwrap() };
        let check = |resize| Fit { resize: Some(resize), stretch: false }.check("--resize", &input);
        let refused = check(3).unwrap_err().to_string();
        assert_eq!(refused, "--resize is 3: the network takes 4x5");
        // 4x5 becomes 7327x9159, which are 2^26 less 871; then 7328x9160.
        assert!(check(4).is_ok() && check(7327).is_ok());
        let refused = check(7328).unwrap_err().to_string();
        assert_eq!(refused, "--resize is 7328: the picture would have more than 67108864 pixels with its margins");
        assert!(check(RESIZE_LIMIT + 1).is_err());
    }
}
