//! Pictures into a network's input, and its outputs into classes: the same in `fsnet` and in browsers.
//!
//! ```
//! use filter_summary::network::{Input, Preprocess};
//! use filter_summary_pictures::{Fit, best, values};
//! use image::{Rgb, RgbImage};
//!
//! let input = Input { shape: [3, 2, 2], preprocess: Preprocess::new(3)? };
//! let picture = RgbImage::from_pixel(8, 6, Rgb([255, 0, 255]));
//! assert_eq!(values(&picture, Fit::default(), &input), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
//!
//! let labels = ["cat", "dog"].map(str::to_owned);
//! assert_eq!(best(&[1.0, 3.0], &labels, 1)[0].label, "dog");
//! # Ok::<(), filter_summary::Error>(())
//! ```

mod fit;
mod ranking;
mod values;

pub use fit::{Fit, RESIZE_LIMIT};
pub use ranking::{Guess, best};
pub use values::{check_input, values};

/// What networks cannot do with pictures, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither grey nor colour.
    #[error("the network's input has {0} channels: images have 1 or 3")]
    Channels(usize),
    /// Height and width.
    #[error("the network's input is {0}x{1}: no image is that large")]
    Size(usize, usize),
    /// [`Fit::resize`], and the height and width that the network takes.
    #[error("{field} is {resize}: the network takes {height}x{width}")]
    Resize {
        /// The field, as the caller knows it.
        field: &'static str,
        /// Its value.
        resize: u32,
        /// Of the network's input.
        height: usize,
        /// Of the network's input.
        width: usize,
    },
    /// [`Fit::resize`], and the most pixels.
    #[error("{field} is {resize}: the picture would have more than {limit} pixels with its margins")]
    Enlarged {
        /// The field, as the caller knows it.
        field: &'static str,
        /// Its value.
        resize: u32,
        /// Most pixels before margins are cut off.
        limit: u64,
    },
}
