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
    let values = Tensor::cat(vec![weights.summary.clone().narrow(0, 0, placement.length()), zero], 0);
    let select = |placement: &Placement| {
        let indices = indices(placement, &device);
        values.clone().select(0, indices).reshape([filters, channels, taps])
    };
    let mut segments = select(placement);
    if let Starts::Learned { length, positions, unit } = placement.starts() {
        // Of a last whole position there is no next segment: there the derivative is that on the left.
        let last = length - 1 - placement.window().reach().1 as usize;
        let is_last =
            |at: f32| placement.boundary() == Boundary::None && at * *unit as f32 + *unit as f32 > last as f32;
        let first: Vec<f32> =
            positions.iter().map(|&at| if is_last(at) && at.fract() == 0.0 { at - 1.0 } else { at.floor() }).collect();
        let at = |shift: f32| {
            let positions = first.iter().map(|at| at + shift).collect();
            let starts = Starts::Learned { length: *length, positions, unit: *unit };
            select(&Placement::new(placement.window().clone(), starts, placement.boundary()).unwrap())
        };
        let from = Tensor::from_data(TensorData::new(first.clone(), [filters]), &device);
        let positions = match &weights.positions {
            Some(positions) => positions.clone(),
            None => Tensor::from_data(TensorData::new(positions.clone(), [filters]), &device),
        };
        let share = (positions - from).reshape([filters, 1, 1]);
        segments = at(0.0) * (1.0 - share.clone()) + at(1.0) * share;
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
