//! The layer as burn's own graph: filters are selected from the summary, and burn finds the gradients by itself.

use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor, TensorData};
use filter_summary::{Boundary, Placement, Starts};
use filter_summary_burn::{FsGeometry, FsWeights};

pub fn conv2d_of(x: Tensor<4>, filters: Tensor<4>, bias: Option<Tensor<1>>, geometry: &FsGeometry) -> Tensor<4> {
    let conv = geometry.conv();
    let [top, left, bottom, right] = conv.padding;
    let padding = [(top, bottom), (left, right)];
    module::conv2d(x, filters, bias, ConvOptions::new_with_padding(conv.stride, padding, conv.dilation, conv.groups))
}

pub fn conv2d(x: Tensor<4>, weights: FsWeights, geometry: &FsGeometry) -> Tensor<4> {
    let filters = filters(&weights, geometry);
    conv2d_of(x, filters, weights.bias, geometry)
}

/// `[O, C/groups, KH, KW]`.
pub fn filters(weights: &FsWeights, geometry: &FsGeometry) -> Tensor<4> {
    let placement = geometry.placement();
    let [filters, channels, height, width] = geometry.dense_shape();
    let taps = height * width;
    let device = weights.summary.device();
    let zero = Tensor::<1>::zeros([1], &device);
    let values = Tensor::cat(vec![weights.summary.clone().slice([0..placement.length()]), zero], 0);
    let select = |placement: &Placement| {
        let indices = indices(placement, &device);
        values.clone().select(0, indices).reshape([filters, channels, taps])
    };
    let mut segments = select(placement);
    if let Starts::Learned { length, positions, unit } = placement.starts() {
        let next = Starts::Learned {
            length: *length,
            positions: positions.iter().map(|at| at.floor() + 1.0).collect(),
            unit: *unit,
        };
        let boundary = if placement.boundary() == Boundary::None { Boundary::Zero } else { placement.boundary() };
        let next = select(&Placement::new(placement.window().clone(), next, boundary).unwrap());
        let share = match &weights.positions {
            Some(positions) => positions.clone() - positions.clone().detach().floor(),
            None => {
                let shares: Vec<f32> = positions.iter().map(|at| at - at.floor()).collect();
                Tensor::from_data(TensorData::new(shares, [filters]), &device)
            }
        };
        let share = share.reshape([filters, 1, 1]);
        segments = segments.clone() + (next - segments) * share;
    }
    if let Some(gains) = &weights.gains {
        segments = segments * gains.clone().reshape([filters, 1, taps]);
    }
    segments.reshape([filters, channels, height, width])
}

/// Of every weight, its index in the summary, or that of the zero behind it.
fn indices(placement: &Placement, device: &Device) -> Tensor<1, Int> {
    let mut indices = Vec::new();
    for filter in 0..placement.filters() {
        for channel in 0..placement.window().channels() {
            for tap in 0..placement.taps() {
                indices.push(placement.index(filter, channel, tap).unwrap_or(placement.length()) as i32);
            }
        }
    }
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}
