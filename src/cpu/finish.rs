//! The end of a convolution: scale, bias, residual, activation, and out of the walk's pitch into the output.

use std::ops::Range;

use crate::problem::Activation;

/// What follows the sums of one image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    /// `[O]`.
    pub(super) scale: &'a [f32],
    /// `[O]`.
    pub(super) bias: &'a [f32],
    /// `[O, OH, OW]` of this image.
    pub(super) residual: Option<&'a [f32]>,
    pub(super) activation: Activation,
    /// OH, OW.
    pub(super) output: [usize; 2],
}

impl Finish<'_> {
    /// Writes `rows` of a filter's plane to `to`, from sums whose rows begin `pitch` values apart.
    pub(super) fn write(&self, filter: usize, rows: Range<usize>, sums: &[f32], pitch: usize, to: &mut [f32]) {
        let [height, width] = self.output;
        let (scale, bias) = (self.scale[filter], self.bias[filter]);
        for ((row, sums), to) in rows.zip(sums.chunks(pitch)).zip(to.chunks_exact_mut(width)) {
            let sums = &sums[..width];
            match self.residual {
                None => to.iter_mut().zip(sums).for_each(|(to, sum)| *to = scale * sum + bias),
                Some(residual) => {
                    let residual = &residual[(filter * height + row) * width..][..width];
                    for ((to, sum), residual) in to.iter_mut().zip(sums).zip(residual) {
                        *to = scale * sum + bias + residual;
                    }
                }
            }
            if self.activation == Activation::Relu {
                to.iter_mut().for_each(|to| *to = to.max(0.0));
            }
        }
    }
}
