//! Windows that go over images: kernels, strides, dilations and padding, by numbers or by words.

use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};

/// What convolutions and pools have in common; lists are `[y, x]`, padding `[top, left, bottom, right]`. A tensor of
/// one axis of pixels is an image of width 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) padding: [usize; 4],
    pub(super) auto: Auto,
}

/// How padding is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auto {
    /// It is given.
    No,
    /// As much as makes the output `size / stride`, rounded up: the odd pixel at the end or the start.
    Same { odd_at_end: bool },
}

impl Window {
    /// Of a call over an image of `rank` axes, channels and pixels, with a kernel of `kernel`.
    pub(super) fn of(call: &Call<'_>, rank: usize, kernel: &[usize]) -> Result<Self, Why> {
        let axes = rank.checked_sub(1).filter(|axes| (1..=2).contains(axes));
        let axes = axes.ok_or_else(|| why(format!("it goes over {} axes: 1 or 2 can be", rank.saturating_sub(1))))?;
        if kernel.len() != axes {
            return Err(why(format!("its kernel has {} axes: its operand has {axes}", kernel.len())));
        }
        let said = call.ints("kernel_shape")?.filter(|said| !said.is_empty());
        if let Some(said) = said.filter(|said| !said.iter().copied().eq(kernel.iter().map(|&size| size as i64))) {
            return Err(why(format!("kernel_shape is {said:?}: its weights have {kernel:?}")));
        }
        let pair = |sizes: &[usize]| [sizes[0], sizes.get(1).copied().unwrap_or(1)];
        let numbers = |name: &str, count: usize, default: usize| -> Result<Vec<usize>, Why> {
            let Some(given) = call.ints(name)?.filter(|given| !given.is_empty()) else {
                return Ok(vec![default; count]);
            };
            let numbers = given.iter().map(|&number| usize::try_from(number).ok().filter(|&number| number < 1 << 31));
            let numbers: Option<Vec<usize>> = numbers.collect();
            numbers
                .filter(|numbers| numbers.len() == count)
                .ok_or_else(|| why(format!("{name} is {given:?}: it must be {count} numbers from 0 on")))
        };
        let auto_pad = call.word("auto_pad", "NOTSET")?;
        let pads = if auto_pad == "VALID" { vec![0; 2 * axes] } else { numbers("pads", 2 * axes, 0)? };
        let (before, after) = pads.split_at(axes);
        let at = |sizes: &[usize], axis: usize| sizes.get(axis).copied().unwrap_or(0);
        let auto = match auto_pad {
            "NOTSET" | "" | "VALID" => Auto::No,
            "SAME_UPPER" => Auto::Same { odd_at_end: true },
            "SAME_LOWER" => Auto::Same { odd_at_end: false },
            other => return Err(why(format!("auto_pad is {other:?}"))),
        };
        Ok(Self {
            kernel: pair(kernel),
            stride: pair(&numbers("strides", axes, 1)?),
            dilation: pair(&numbers("dilations", axes, 1)?),
            padding: [at(before, 0), at(before, 1), at(after, 0), at(after, 1)],
            auto,
        })
    }

    /// The padding around an image of `size`.
    pub(super) fn padding(&self, size: [usize; 2]) -> [usize; 4] {
        let Auto::Same { odd_at_end } = self.auto else { return self.padding };
        let mut padding = [0; 4];
        for axis in 0..2 {
            let stride = self.stride[axis].max(1);
            let reach = self.kernel[axis].saturating_sub(1).saturating_mul(self.dilation[axis]).saturating_add(1);
            let walked = size[axis].div_ceil(stride).saturating_sub(1).saturating_mul(stride);
            let total = walked.saturating_add(reach).saturating_sub(size[axis]);
            let (less, more) = (total / 2, total - total / 2);
            let (before, after) = if odd_at_end { (less, more) } else { (more, less) };
            (padding[axis], padding[axis + 2]) = (before, after);
        }
        padding
    }
}
