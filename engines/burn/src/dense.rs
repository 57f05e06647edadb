//! The layer by burn's own operations, on any backend: the dense filters are selected from the summary, and a dense
//! convolution runs them. It is what the kernels are tested against, too.

use burn::backend::tensor::{Device, FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::ops::{ConvOptions, IndexingUpdateOp, PadMode};
use burn::tensor::{DType, Shape, Slice, TensorData};
use filter_summary::Conv2d;

use crate::backend::{FsGradients, FsOperands, FsWanted, Optional};
use crate::geometry::FsGeometry;
use crate::table::DeviceUse;

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
        let indices = geometry.on_devices().table::<B>(table, &device);
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
        let indices = geometry.on_devices().table::<B>(table, &device);
        let uses = geometry.on_devices().uses::<B>(table, &device);
        let (length, given) = (geometry.placement().length(), summary.shape()[0]);
        let sums = |values: FloatTensor<B>, indices: &IntTensor<B>, uses: &Option<DeviceUse<B>>| {
            let values = B::float_reshape(values, Shape::from([self.dims.iter().product::<usize>()]));
            match uses {
                Some(uses) => gathered::<B>(values, uses, length),
                None => added::<B>(values, indices, length),
            }
        };
        let sums = match (&self.blend, &indices.next) {
            (Some(blend), Some(next)) => {
                let part = |share: &FloatTensor<B>| B::float_mul(by_segments.clone(), share.clone());
                let first = sums(part(&blend.shares[0]), &indices.first, &uses.first);
                B::float_add(first, sums(part(&blend.shares[1]), next, &uses.next))
            }
            _ => sums(by_segments, &indices.first, &uses.first),
        };
        if given == length { sums } else { with_zeros::<B>(sums, given - length) }
    }
}

/// The sums `[L]` of the weights that every value is.
fn gathered<B: Backend>(values: FloatTensor<B>, uses: &DeviceUse<B>, length: usize) -> FloatTensor<B> {
    let used = B::float_select(with_zeros::<B>(values, 1), 0, uses.weights.clone());
    let used = B::float_reshape(used, Shape::from([length, uses.most]));
    B::float_reshape(B::float_sum_dim(used, 1), Shape::from([length]))
}

/// The same, weight after weight. burn's kernel goes through all of them in one invocation, which software Vulkan stops
/// after 65,536; so they come in parts.
fn added<B: Backend>(values: FloatTensor<B>, indices: &IntTensor<B>, length: usize) -> FloatTensor<B> {
    const PART: usize = 1 << 15;
    let (count, device, dtype) = (values.shape()[0], values.device(), values.dtype());
    // What lies outside adds up behind the last value, and is dropped.
    let mut sums = B::float_zeros(Shape::from([length + 1]), &device, dtype.into());
    for first in (0..count).step_by(PART) {
        let part = [Slice::from(first..count.min(first + PART))];
        let (indices, values) = (B::int_slice(indices.clone(), &part), B::float_slice(values.clone(), &part));
        sums = B::float_select_assign(sums, 0, indices, values, IndexingUpdateOp::Add);
    }
    B::float_slice(sums, &[Slice::from(0..length)])
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

/// `[O, 1, 1]`.
fn column<B: Backend>(values: Vec<f32>, dtype: DType, device: &Device<B>) -> FloatTensor<B> {
    let shape = [values.len(), 1, 1];
    B::float_from_data(TensorData::new(values, shape).convert_dtype(dtype), device)
}

fn options(conv: Conv2d) -> ConvOptions<2> {
    let [top, left, bottom, right] = conv.padding;
    ConvOptions::new_with_padding(conv.stride, [(top, bottom), (left, right)], conv.dilation, conv.groups)
}
