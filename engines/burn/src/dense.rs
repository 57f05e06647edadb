//! The layer by burn's own operations, on any backend: the dense filters are selected from the summary, and a dense
//! convolution runs them. It is what the kernels are tested against, too.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::ops::{ConvOptions, IndexingUpdateOp, PadMode};
use burn::tensor::{DType, Shape, Slice, TensorData};
use filter_summary::Conv2d;

use crate::backend::{FsGradients, FsOperands, FsWanted, Optional};
use crate::geometry::FsGeometry;

/// `[N, O, OH, OW]`.
pub(crate) fn forward<B: Backend>(operands: FsOperands<B>, geometry: &FsGeometry) -> FloatTensor<B> {
    let weights = Filters::<B>::new(&operands, geometry).weights(geometry);
    B::conv2d(operands.x, weights, operands.bias.into_option(), options(geometry.conv()))
}

/// The gradients that are wanted, given that of the output.
pub(crate) fn backward<B: Backend>(
    operands: FsOperands<B>,
    grad: FloatTensor<B>,
    wanted: FsWanted,
    geometry: &FsGeometry,
) -> FsGradients<B> {
    let filters = Filters::<B>::new(&operands, geometry);
    let (weights, options) = (filters.weights(geometry), options(geometry.conv()));
    let x = wanted.x.then(|| B::conv2d_x_backward(operands.x.clone(), weights.clone(), grad.clone(), options.clone()));
    let mut gradients =
        FsGradients { x: x.into(), summary: Optional::Absent, gains: Optional::Absent, positions: Optional::Absent };
    if !(wanted.summary || wanted.gains || wanted.positions) {
        return gradients;
    }
    let by_weights = B::conv2d_weight_backward(operands.x, weights, grad, options);
    let by_weights = B::float_reshape(by_weights, filters.shape());
    if wanted.gains {
        let products = B::float_mul(by_weights.clone(), filters.segments.clone());
        let [filters, _, taps] = filters.dims;
        gradients.gains =
            Optional::Given(B::float_reshape(B::float_sum_dim(products, 1), Shape::from([filters, taps])));
    }
    let by_segments = match &filters.gains {
        Some(gains) => B::float_mul(by_weights, gains.clone()),
        None => by_weights,
    };
    if let Some(blend) = filters.blend.as_ref().filter(|_| wanted.positions) {
        let products = B::float_mul(by_segments.clone(), blend.slope.clone());
        let sums = B::float_sum_dims(products, &[1, 2]);
        gradients.positions = Optional::Given(B::float_reshape(sums, Shape::from([filters.dims[0]])));
    }
    if wanted.summary {
        gradients.summary = Optional::Given(filters.scatter(by_segments, operands.summary, geometry));
    }
    gradients
}

/// The filters of a layer, in parts.
struct Filters<B: Backend> {
    /// O, C/groups and T.
    dims: [usize; 3],
    /// `[O, C/groups, T]`, what lies in the summary, blended where positions are learned.
    segments: FloatTensor<B>,
    /// `[O, 1, T]`.
    gains: Option<FloatTensor<B>>,
    blend: Option<Blend<B>>,
}

/// What learned positions have besides.
struct Blend<B: Backend> {
    /// `[O, 1, 1]`: how much comes from the segment at the position, and from the next.
    shares: [FloatTensor<B>; 2],
    /// `[O, C/groups, T]`: the next segment less the one at the position.
    slope: FloatTensor<B>,
}

impl<B: Backend> Filters<B> {
    fn new(operands: &FsOperands<B>, geometry: &FsGeometry) -> Self {
        let [filters, channels, height, width] = geometry.dense_shape();
        let dims = [filters, channels, height * width];
        let (table, device) = (geometry.table(), operands.summary.device());
        let indices = geometry.on_devices().get::<B>(table, &device);
        let values = match table.has_outside {
            true => with_zero::<B>(operands.summary.clone(), geometry),
            false => operands.summary.clone(),
        };
        let select = |indices| B::float_reshape(B::float_select(values.clone(), 0, indices), Shape::from(dims));
        let first = select(indices.first.clone());
        let (segments, blend) = match (&table.blend, &indices.next) {
            (Some(blend), Some(next)) => {
                let next = select(next.clone());
                let dtype = operands.summary.dtype();
                let shares = [
                    column::<B>(blend.fractions.iter().map(|fraction| 1.0 - fraction).collect(), dtype, &device),
                    column::<B>(blend.fractions.clone(), dtype, &device),
                ];
                let part =
                    |segments: &FloatTensor<B>, share: &FloatTensor<B>| B::float_mul(segments.clone(), share.clone());
                let segments = B::float_add(part(&first, &shares[0]), part(&next, &shares[1]));
                (segments, Some(Blend { shares, slope: B::float_sub(next, first) }))
            }
            _ => (first, None),
        };
        let gains = operands.gains.as_ref();
        let gains = gains.map(|gains| B::float_reshape(gains.clone(), Shape::from([filters, 1, dims[2]])));
        Self { dims, segments, gains, blend }
    }

    fn shape(&self) -> Shape {
        Shape::from(self.dims)
    }

    /// `[O, C/groups, KH, KW]`.
    fn weights(&self, geometry: &FsGeometry) -> FloatTensor<B> {
        let weights = match &self.gains {
            Some(gains) => B::float_mul(self.segments.clone(), gains.clone()),
            None => self.segments.clone(),
        };
        B::float_reshape(weights, Shape::from(geometry.dense_shape()))
    }

    /// Adds a gradient `[O, C/groups, T]` of the segments up at the places of the summary that they come from.
    fn scatter(&self, by_segments: FloatTensor<B>, summary: FloatTensor<B>, geometry: &FsGeometry) -> FloatTensor<B> {
        let (table, device) = (geometry.table(), summary.device());
        let indices = geometry.on_devices().get::<B>(table, &device);
        let length = summary.shape()[0];
        // What lies outside adds up behind the last value, and is dropped.
        let sums = B::float_zeros(
            Shape::from([length.max(geometry.placement().length() + 1)]),
            &device,
            summary.dtype().into(),
        );
        let add = |sums, indices, values: FloatTensor<B>| {
            let values = B::float_reshape(values, Shape::from([self.dims.iter().product::<usize>()]));
            B::float_select_assign(sums, 0, indices, values, IndexingUpdateOp::Add)
        };
        let sums = match (&self.blend, &indices.next) {
            (Some(blend), Some(next)) => {
                let [first_share, next_share] = &blend.shares;
                let sums = add(sums, indices.first.clone(), B::float_mul(by_segments.clone(), first_share.clone()));
                add(sums, next.clone(), B::float_mul(by_segments, next_share.clone()))
            }
            _ => add(sums, indices.first.clone(), by_segments),
        };
        cut::<B>(sums, geometry.placement().length(), length)
    }
}

/// The values of a summary and a zero behind the last.
fn with_zero<B: Backend>(summary: FloatTensor<B>, geometry: &FsGeometry) -> FloatTensor<B> {
    let length = geometry.placement().length();
    let values = B::float_slice(summary, &[Slice::from(0..length)]);
    with_zeros::<B>(values, 1)
}

/// A tensor `[L]` with so many zeros behind.
pub(crate) fn with_zeros<B: Backend>(values: FloatTensor<B>, count: usize) -> FloatTensor<B> {
    B::float_pad(values, &[(0, count)], PadMode::Constant(0.0))
}

/// The first `length` values, and zeros up to `padded`.
fn cut<B: Backend>(values: FloatTensor<B>, length: usize, padded: usize) -> FloatTensor<B> {
    let values = B::float_slice(values, &[Slice::from(0..length)]);
    if padded == length {
        return values;
    }
    with_zeros::<B>(values, padded - length)
}

/// `[O, 1, 1]`.
fn column<B: Backend>(values: Vec<f32>, dtype: DType, device: &burn::backend::tensor::Device<B>) -> FloatTensor<B> {
    let shape = [values.len(), 1, 1];
    B::float_from_data(TensorData::new(values, shape).convert_dtype(dtype), device)
}

fn options(conv: Conv2d) -> ConvOptions<2> {
    let [top, left, bottom, right] = conv.padding;
    ConvOptions::new_with_padding(conv.stride, [(top, bottom), (left, right)], conv.dilation, conv.groups)
}
