//! The window: where a filter's weights lie in the summary, from the filter's start on.

use crate::check::check_size;
use crate::error::{Error, Result};

/// Largest index distance and tensor size the crate works with: kernels index with 32-bit integers.
pub(crate) const INDEX_LIMIT: usize = i32::MAX as usize;

/// Most taps a window may have (a 256x256 kernel): a hostile file must not make us allocate without bound.
pub(crate) const TAP_LIMIT: usize = 1 << 16;

/// One filter's footprint in the summary: a channel stride and one offset a tap.
///
/// Weight `(c, t)` of a filter that starts at `s` is `f[s + c * channel_stride + tap_offsets[t]]`, where tap
/// `t = y * width + x` is row-major whatever the offsets are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    channels: usize,
    height: usize,
    width: usize,
    channel_stride: i64,
    tap_offsets: Vec<i64>,
}

impl Window {
    /// A window with an arbitrary offset for each of its `height * width` taps (row-major).
    ///
    /// `channels` is the number of input channels a filter sees (C / groups).
    ///
    /// # Errors
    /// When a size is zero, the offsets are not one a tap, or the window reaches further than 2^31 - 1.
    pub fn new(
        channels: usize,
        height: usize,
        width: usize,
        channel_stride: i64,
        tap_offsets: Vec<i64>,
    ) -> Result<Self> {
        check_size("window.channels", channels, INDEX_LIMIT)?;
        check_taps(height, width)?;
        let weights = height.checked_mul(width).and_then(|taps| taps.checked_mul(channels));
        if weights.is_none_or(|weights| weights > INDEX_LIMIT) {
            return Err(Error::value(
                "window",
                format!("{channels}x{height}x{width}"),
                format!("a filter must have at most {INDEX_LIMIT} weights"),
            ));
        }
        if tap_offsets.len() != height * width {
            return Err(Error::value(
                "window.tap_offsets",
                format!("{} numbers", tap_offsets.len()),
                format!("a {height}x{width} window has {} taps", height * width),
            ));
        }
        let window = Self { channels, height, width, channel_stride, tap_offsets };
        let (low, high) = window.reach_wide();
        if low < -(INDEX_LIMIT as i128) || high > INDEX_LIMIT as i128 {
            return Err(Error::value("window", format!("offsets {low}..={high}"), "they must fit in 32 bits"));
        }
        Ok(window)
    }

    /// A window with strides along channel, y and x: tap `(y, x)` lies `y * strides[1] + x * strides[2]`
    /// from the start.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn with_strides(channels: usize, height: usize, width: usize, strides: [i64; 3]) -> Result<Self> {
        let [channel_stride, y_stride, x_stride] = strides;
        check_taps(height, width)?;
        let offset = |y: usize, x: usize| {
            let (y, x) = (y as i64, x as i64);
            y.checked_mul(y_stride)?.checked_add(x.checked_mul(x_stride)?)
        };
        let tap_offsets = (0..height)
            .flat_map(|y| (0..width).map(move |x| (y, x)))
            .map(|(y, x)| offset(y, x))
            .collect::<Option<Vec<i64>>>()
            .ok_or_else(|| Error::value("window.strides", format!("{strides:?}"), "they must fit in 32 bits"))?;
        Self::new(channels, height, width, channel_stride, tap_offsets)
    }

    /// Tap-major: the channels of one tap lie together. This is the placement whose products are shared.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn tap_major(channels: usize, height: usize, width: usize) -> Result<Self> {
        check_size("window.channels", channels, INDEX_LIMIT)?;
        let (c, w) = (channels as i64, width as i64);
        Self::with_strides(channels, height, width, [1, w.saturating_mul(c), c])
    }

    /// Tap-major with the taps in another order: tap `t` is block `order[t]` of the window.
    ///
    /// # Errors
    /// As [`Window::new`], and when `order` is not a permutation of the taps.
    pub fn tap_major_ordered(channels: usize, height: usize, width: usize, order: &[usize]) -> Result<Self> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..height.saturating_mul(width)) {
            return Err(Error::value("order", format!("{order:?}"), "it must be a permutation of the taps"));
        }
        let offsets = order.iter().map(|&block| (block as i64).saturating_mul(channels as i64)).collect();
        Self::new(channels, height, width, 1, offsets)
    }

    /// All taps at the start: filters whose taps differ by their gains only.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn one_base(channels: usize, height: usize, width: usize) -> Result<Self> {
        Self::with_strides(channels, height, width, [1, 0, 0])
    }

    /// Channel-major: the taps of one channel lie together, as in a flattened PyTorch weight.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn channel_major(channels: usize, height: usize, width: usize) -> Result<Self> {
        let (h, w) = (height as i64, width as i64);
        Self::with_strides(channels, height, width, [h.saturating_mul(w), w, 1])
    }

    /// Input channels a filter sees (C / groups).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Kernel height KH.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Kernel width KW.
    pub fn width(&self) -> usize {
        self.width
    }

    /// T = KH * KW.
    pub fn taps(&self) -> usize {
        self.tap_offsets.len()
    }

    /// K = C/groups * T, the weights of one filter.
    pub fn weights(&self) -> usize {
        self.channels * self.taps()
    }

    /// Distance in the summary from one channel to the next.
    pub fn channel_stride(&self) -> i64 {
        self.channel_stride
    }

    /// Offset of every tap from the filter's start, row-major.
    pub fn tap_offsets(&self) -> &[i64] {
        &self.tap_offsets
    }

    /// Smallest and largest index of the window, relative to the start.
    pub fn reach(&self) -> (i64, i64) {
        let (low, high) = self.reach_wide();
        // `new` has checked that both fit in 32 bits.
        (low as i64, high as i64)
    }

    fn reach_wide(&self) -> (i128, i128) {
        let far_channel = i128::from(self.channel_stride) * (self.channels as i128 - 1);
        let low = self.tap_offsets.iter().min().map_or(0, |&o| i128::from(o));
        let high = self.tap_offsets.iter().max().map_or(0, |&o| i128::from(o));
        (low + far_channel.min(0), high + far_channel.max(0))
    }
}

fn check_taps(height: usize, width: usize) -> Result<()> {
    check_size("window.height", height, TAP_LIMIT)?;
    check_size("window.width", width, TAP_LIMIT)?;
    check_size("window taps", height.saturating_mul(width), TAP_LIMIT)
}
