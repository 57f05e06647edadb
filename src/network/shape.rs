//! Shapes: what comes out of every operation but convolutions, whose rule is [`crate::Conv2d::output_size`].

use super::Pool;
use crate::error::{Error, Result, check_size};
use crate::window::INDEX_LIMIT;

impl Pool {
    /// Output height and width for an input of `size` (both `[y, x]`), by PyTorch's rule: with `ceil_mode` a last window
    /// that would start in the right or bottom padding is dropped.
    ///
    /// # Errors
    /// When a size is zero, the padding exceeds half the kernel, or the kernel exceeds the padded input.
    pub fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            check_size(&format!("kernel[{axis}]"), kernel, INDEX_LIMIT)?;
            check_size(&format!("stride[{axis}]"), stride, INDEX_LIMIT)?;
            for side in [axis, axis + 2] {
                if self.padding[side] > kernel / 2 {
                    let rule = format!("it must be at most half the kernel of {kernel}");
                    return Err(Error::value(format!("padding[{side}]"), self.padding[side], rule));
                }
            }
            let (before, after) = (self.padding[axis], self.padding[axis + 2]);
            // Both paddings are below 2^30 now, and sizes of tensors below 2^31.
            let padded = size[axis].saturating_add(before + after);
            if kernel > padded {
                let rule = format!("it must fit in the padded input of {padded}");
                return Err(Error::value(format!("kernel[{axis}]"), kernel, rule));
            }
            let rest = padded - kernel;
            output[axis] = if self.ceil_mode {
                let count = rest.div_ceil(stride) + 1;
                if (count - 1).saturating_mul(stride) >= size[axis] + before { count - 1 } else { count }
            } else {
                rest / stride + 1
            };
        }
        Ok(output)
    }
}

/// Checks that a tensor `[C, H, W]` has no zero dimension and can be indexed.
pub(super) fn check_shape(field: &str, shape: [usize; 3]) -> Result<usize> {
    for (name, size) in ["channels", "height", "width"].into_iter().zip(shape) {
        check_size(&format!("{field} {name}"), size, INDEX_LIMIT)?;
    }
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    elements.filter(|&elements| elements <= INDEX_LIMIT).ok_or_else(|| {
        let rule = format!("a tensor must have at most {INDEX_LIMIT} elements");
        Error::value(format!("{field} shape"), format!("{shape:?}"), rule)
    })
}

/// Shape of the sum of `shapes`, which must all be the same.
pub(super) fn sum(shapes: &[[usize; 3]]) -> Result<[usize; 3]> {
    match *shapes {
        [left, right] if left == right => Ok(left),
        [left, right] => {
            Err(Error::format("inputs", format!("their shapes are {left:?} and {right:?}: they must be equal")))
        }
        _ => Err(Error::format("inputs", format!("there are {}: it must be two", shapes.len()))),
    }
}

/// Shape of a concatenation along the channels.
pub(super) fn concat(shapes: &[[usize; 3]]) -> Result<[usize; 3]> {
    let Some((&[first, height, width], rest)) = shapes.split_first() else {
        return Err(Error::format("inputs", "there is none: it must be one or more"));
    };
    let mut channels = first;
    for &[more, other_height, other_width] in rest {
        if (other_height, other_width) != (height, width) {
            let sizes = format!("their sizes are {height}x{width} and {other_height}x{other_width}");
            return Err(Error::format("inputs", format!("{sizes}: they must be equal")));
        }
        // Every tensor has at most 2^31 elements, and their number is bounded by the file.
        channels = channels.saturating_add(more);
    }
    Ok([channels, height, width])
}

/// Shape of an option-A shortcut and its zero channels before.
pub(super) fn shortcut_a(
    [channels, height, width]: [usize; 3],
    out_channels: usize,
    stride: [usize; 2],
) -> Result<([usize; 3], usize)> {
    let Some(zeros) = out_channels.checked_sub(channels) else {
        let rule = format!("it must be at least the {channels} channels of the input");
        return Err(Error::value("out_channels", out_channels, rule));
    };
    check_size("stride[0]", stride[0], INDEX_LIMIT)?;
    check_size("stride[1]", stride[1], INDEX_LIMIT)?;
    let shape = [out_channels, (height - 1) / stride[0] + 1, (width - 1) / stride[1] + 1];
    Ok((shape, zeros / 2))
}
