//! The operation as an extension of burn's backends: what it reads and gives, and who computes it.

#[cfg(feature = "fusion")]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, TensorMetadata, backend_extension};
use burn::tensor::{TensorData, read_sync};
use filter_summary::Result;

use crate::dense;
use crate::error::stop;
use crate::geometry::FsGeometry;
use crate::network::FsNetwork;

/// A tensor that may be absent. An enum of our own, as burn's extensions take neither `Option<FloatTensor<B>>` nor
/// structs with such fields.
#[derive(ExtensionType, Debug)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum Optional<B: Backend> {
    /// There is none.
    Absent,
    /// There is one.
    Given(FloatTensor<B>),
}

impl<B: Backend> From<Option<FloatTensor<B>>> for Optional<B> {
    fn from(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Given)
    }
}

impl<B: Backend> Optional<B> {
    /// The tensor, if there is one.
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Given(tensor) => Some(tensor),
        }
    }

    pub(crate) fn as_ref(&self) -> Option<&FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Given(tensor) => Some(tensor),
        }
    }
}

/// What a layer reads.
#[derive(ExtensionType, Debug)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub struct FsOperands<B: Backend> {
    /// The input, `[N, C, H, W]`.
    pub x: FloatTensor<B>,
    /// The summary, `[L]`, or with zeros behind, L rounded up to a multiple of four.
    pub summary: FloatTensor<B>,
    /// `[O, T]`, exactly where the placement has gains.
    #[extension_type]
    pub gains: Optional<B>,
    /// `[O]`, where positions are learned: what `Autodiff` gives their gradient to. Their values are the geometry's,
    /// and no other backend looks at it.
    #[extension_type]
    pub positions: Optional<B>,
    /// `[O]`.
    #[extension_type]
    pub bias: Optional<B>,
}

/// Which gradients are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FsWanted {
    /// Of the input.
    pub x: bool,
    /// Of the summary.
    pub summary: bool,
    /// Of the gains.
    pub gains: bool,
    /// Of the positions.
    pub positions: bool,
}

/// The gradients that were wanted.
#[derive(ExtensionType, Debug)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub struct FsGradients<B: Backend> {
    /// `[N, C, H, W]`.
    #[extension_type]
    pub x: Optional<B>,
    /// Of the summary's shape; 0 for what lies behind L.
    #[extension_type]
    pub summary: Optional<B>,
    /// `[O, T]`.
    #[extension_type]
    pub gains: Optional<B>,
    /// `[O]`, per unit.
    #[extension_type]
    pub positions: Optional<B>,
}

/// Backends that convolve by Filter Summary: each that this crate has a feature for. By default they do it with burn's
/// own operations; on wgpu devices ([`register`](crate::register)) `Cube` runs this crate's kernels.
///
/// Shapes are checked by [`fs_conv2d`](crate::fs_conv2d()); what is called here directly must be right.
#[backend_extension(
    Cube: cfg(feature = "wgpu"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
    Fusion: cfg(feature = "fusion"),
)]
pub trait FsBackend: Backend {
    /// The convolution and the bias, `[N, O, OH, OW]`.
    #[fusion(meta = output_spec)]
    fn fs_conv2d(#[extension_type] operands: FsOperands<Self>, geometry: FsGeometry) -> FloatTensor<Self> {
        dense::forward::<Self>(operands, &geometry)
    }

    /// The gradients of it, given that of its output. That of the bias is the sum of `grad` over N, OH and OW.
    #[fusion(meta = gradient_specs)]
    fn fs_conv2d_backward(
        #[extension_type] operands: FsOperands<Self>,
        grad: FloatTensor<Self>,
        wanted: FsWanted,
        geometry: FsGeometry,
    ) -> FsGradients<Self> {
        dense::backward::<Self>(operands, grad, wanted, &geometry)
    }

    /// The forward pass of a network, `[N, classes]`.
    #[fusion(meta = network_spec)]
    fn fs_network(x: FloatTensor<Self>, network: FsNetwork) -> FloatTensor<Self> {
        on_cpu::<Self>(x, &network).unwrap_or_else(|error| stop(&error))
    }
}

#[cfg(feature = "flex")]
impl FsBackend for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl FsBackend for burn::backend::NdArray {}

/// A network on the CPU, by way of the host.
pub(crate) fn on_cpu<B: Backend>(x: FloatTensor<B>, network: &FsNetwork) -> Result<FloatTensor<B>> {
    let (batch, dtype, device) = (x.shape()[0], x.dtype(), x.device());
    let data = read_sync(B::float_into_data(x)).map_err(crate::error::device)?;
    let input =
        data.convert::<f32>().try_into_vec::<f32>().map_err(|error| crate::error::device(format!("{error:?}")))?;
    let output = TensorData::new(network.run_on_cpu(batch, &input)?, [batch, network.classes()]);
    Ok(B::float_from_data(output.convert_dtype(dtype), &device))
}

#[cfg(feature = "fusion")]
fn network_spec(x: &TensorSpec, network: &FsNetwork) -> TensorSpec {
    TensorSpec::new([x.shape[0], network.classes()].into(), x.dtype)
}

/// Shape and type of the output, before there is one.
#[cfg(feature = "fusion")]
fn output_spec(operands: &FsOperandsMetadata, geometry: &FsGeometry) -> TensorSpec {
    let dims = std::array::from_fn(|axis| operands.x.shape[axis]);
    let shape = geometry.output_shape(dims).unwrap_or_else(|error| stop(&error));
    TensorSpec::new(shape.into(), operands.x.dtype)
}

/// Shapes and types of the gradients, before there are any.
#[cfg(feature = "fusion")]
fn gradient_specs(
    operands: &FsOperandsMetadata,
    _grad: &TensorSpec,
    wanted: &FsWanted,
    geometry: &FsGeometry,
) -> FsGradientsMetadata {
    let when = |wanted: bool, spec: &TensorSpec| match wanted {
        true => OptionalMetadata::Given(spec.clone()),
        false => OptionalMetadata::Absent,
    };
    let of = |wanted: bool, operand: &OptionalMetadata| match operand {
        OptionalMetadata::Given(spec) => when(wanted, spec),
        OptionalMetadata::Absent => OptionalMetadata::Absent,
    };
    FsGradientsMetadata {
        x: when(wanted.x, &operands.x),
        summary: when(wanted.summary, &operands.summary),
        gains: of(wanted.gains, &operands.gains),
        positions: when(wanted.positions, &TensorSpec::new([geometry.placement().filters()].into(), operands.x.dtype)),
    }
}
