//! The operation on burn's tensors.

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use filter_summary::Result;

use crate::backend::{FsBackend, FsOperands, Optional};
use crate::error::value;
use crate::geometry::FsGeometry;

/// What a convolution by Filter Summary reads beside its input.
#[derive(Debug, Clone)]
pub struct FsWeights {
    /// `[L]`, or with zeros behind, L rounded up to a multiple of four ([`FsGeometry::padded_length`]), which saves a
    /// copy wherever this crate's kernels run.
    pub summary: Tensor<1>,
    /// `[O, T]`, exactly where the placement has gains.
    pub gains: Option<Tensor<2>>,
    /// `[O]`, in units, where the placement's positions are learned; without them the geometry's are meant.
    pub positions: Option<Tensor<1>>,
    /// `[O]`.
    pub bias: Option<Tensor<1>>,
}

impl FsWeights {
    /// A summary alone.
    pub fn new(summary: Tensor<1>) -> Self {
        Self { summary, gains: None, positions: None, bias: None }
    }

    /// The same with these gains, or none.
    #[must_use]
    pub fn with_gains(self, gains: impl Into<Option<Tensor<2>>>) -> Self {
        Self { gains: gains.into(), ..self }
    }

    /// The same with these positions, or the geometry's.
    #[must_use]
    pub fn with_positions(self, positions: impl Into<Option<Tensor<1>>>) -> Self {
        Self { positions: positions.into(), ..self }
    }

    /// The same with this bias, or none.
    #[must_use]
    pub fn with_bias(self, bias: impl Into<Option<Tensor<1>>>) -> Self {
        Self { bias: bias.into(), ..self }
    }

    fn check(&self, geometry: &FsGeometry) -> Result<()> {
        let placement = geometry.placement();
        let (length, padded) = (placement.length(), geometry.padded_length());
        let [given] = self.summary.dims();
        if given != length && given != padded {
            let rule = if length == padded {
                format!("it must be {length}")
            } else {
                format!("it must be {length} or {padded}")
            };
            return Err(value("summary length", given, rule));
        }
        let (filters, taps) = (placement.filters(), placement.taps());
        match &self.gains {
            None if placement.has_gains() => return Err(value("gains", "absent", "the placement has them")),
            Some(_) if !placement.has_gains() => return Err(value("gains", "given", "the placement has none")),
            Some(gains) if gains.dims() != [filters, taps] => {
                return Err(value("gains", format!("{:?}", gains.dims()), format!("it must be [{filters}, {taps}]")));
            }
            _ => {}
        }
        match &self.bias {
            Some(bias) if bias.dims() != [filters] => {
                Err(value("bias", format!("{:?}", bias.dims()), format!("it must be [{filters}]")))
            }
            _ => Ok(()),
        }
    }
}

/// Convolves `[N, C, H, W]` by Filter Summary, and adds the bias: `[N, O, OH, OW]`.
///
/// On a registered wgpu device ([`register`](crate::register)) this crate's kernels do it, in f32, on burn's own
/// buffers; elsewhere burn's operations do. Everything it reads has a gradient.
///
/// Positions are read on the host at every call, which waits for the device, as kernels are planned by them; where they
/// have moved, kernels' tables are made anew. Their gradient is that towards the next whole position.
///
/// # Errors
/// When shapes do not fit the geometry, gains are not given exactly where it has some, positions are given where it
/// has fixed starts or lead outside a summary without boundary, or they cannot be read.
///
/// # Panics
/// As burn's operations: when tensors are on different devices, or the device is lost or out of memory.
pub fn fs_conv2d(x: Tensor<4>, weights: FsWeights, geometry: &FsGeometry) -> Result<Tensor<4>> {
    geometry.output_shape(x.dims())?;
    weights.check(geometry)?;
    let geometry = match &weights.positions {
        Some(positions) => geometry.with_positions(&to_host(positions.clone(), "positions")?)?,
        None => geometry.clone(),
    };
    let FsWeights { summary, gains, positions, bias } = weights;
    let operands = FsOperands::<Dispatch> {
        x: x.into_dispatch(),
        summary: summary.into_dispatch(),
        gains: gains.map_or(Optional::Absent, |gains| Optional::Given(gains.into_dispatch())),
        positions: positions.map_or(Optional::Absent, |positions| Optional::Given(positions.into_dispatch())),
        bias: bias.map_or(Optional::Absent, |bias| Optional::Given(bias.into_dispatch())),
    };
    Ok(Tensor::from_dispatch(Dispatch::fs_conv2d(operands, geometry)))
}

/// The values of a tensor, as f32.
pub(crate) fn to_host<const D: usize>(tensor: Tensor<D>, field: &str) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(crate::error::device)?;
    data.convert::<f32>()
        .try_into_vec::<f32>()
        .map_err(|error| value(field, format!("{error:?}"), "it must be numbers"))
}
