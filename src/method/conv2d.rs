//! How a convolution walks over its input: stride, padding, dilation, groups.

use crate::check::check_size;
use crate::error::{Error, Result};
use crate::method::window::INDEX_LIMIT;

/// How a convolution walks over its input. Pairs are `[y, x]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Input pixels from one output pixel to the next.
    pub stride: [usize; 2],
    /// Zeros around the input: `[top, left, bottom, right]`.
    pub padding: [usize; 4],
    /// Input pixels from one tap to the next.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved apart; divides input and output channels.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: [1, 1], padding: [0; 4], dilation: [1, 1], groups: 1 }
    }
}

impl Conv2d {
    /// Stride 1 and the same padding on all four sides.
    pub fn padded(padding: usize) -> Self {
        Self { padding: [padding; 4], ..Self::default() }
    }

    /// Output height and width for an input of `size` and a kernel of `kernel` (all `[y, x]`):
    /// `(size + padding - dilation * (kernel - 1) - 1) / stride + 1`, rounded down.
    ///
    /// # Errors
    /// When a size, stride or dilation is zero or too large, or the kernel is larger than the padded input.
    pub fn output_size(&self, size: [usize; 2], kernel: [usize; 2]) -> Result<[usize; 2]> {
        let mut output = [0; 2];
        for (axis, name) in ["height", "width"].into_iter().enumerate() {
            check_size(&format!("input {name}"), size[axis], INDEX_LIMIT)?;
            check_size(&format!("kernel {name}"), kernel[axis], INDEX_LIMIT)?;
            check_size(&format!("stride[{axis}]"), self.stride[axis], INDEX_LIMIT)?;
            check_size(&format!("dilation[{axis}]"), self.dilation[axis], INDEX_LIMIT)?;
            let padding = self.padding[axis].saturating_add(self.padding[axis + 2]);
            if padding > INDEX_LIMIT {
                return Err(Error::value(
                    format!("padding {name}"),
                    padding,
                    format!("it must be at most {INDEX_LIMIT}"),
                ));
            }
            let padded = size[axis] + padding;
            let extent = (kernel[axis] - 1).saturating_mul(self.dilation[axis]).saturating_add(1);
            if extent > padded {
                let rule = format!("it must fit in the padded input of {padded}");
                return Err(Error::value(format!("dilated kernel {name}"), extent, rule));
            }
            output[axis] = (padded - extent) / self.stride[axis] + 1;
        }
        Ok(output)
    }
}
