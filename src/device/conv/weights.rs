//! A layer's weights on a device: the summary, and the table of bases, slots, scales and biases.

use crate::check::check_f16;
use crate::device::scope::upload;
use crate::error::{Error, Result};
use crate::method::params::ChannelParams;
use crate::method::quantization::{Precision, Quantization};
use crate::method::summary::FilterSummary;
use crate::plan::Plan;

/// The buffers of a layer's weights.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) summary: wgpu::Buffer,
    pub(super) table: wgpu::Buffer,
    /// What 8-bit weights stand for.
    pub(super) quantization: Option<Quantization>,
}

impl Weights {
    pub(super) async fn upload(
        device: &wgpu::Device,
        plan: &Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        let (packed, table) = (pack_summary(plan, summary)?, pack_table(plan, params));
        let usage = wgpu::BufferUsages::STORAGE;
        Ok(Self {
            summary: upload(device, "fs_summary", &packed, usage).await?,
            table: upload(device, "fs_table", bytemuck::cast_slice(&table), usage).await?,
            quantization: summary.levels().map(|(_, quantization)| quantization),
        })
    }
}

/// The summary's values, or dense filters `[O, T, channels rounded up to 4]`, padded to whole quads, as the plan
/// stores them.
fn pack_summary(plan: &Plan, summary: &FilterSummary) -> Result<Vec<u8>> {
    if plan.storage().has_f16_tensors() && plan.storage().weights() == Precision::U8 {
        // Kernels on matrices make f16 of what levels stand for.
        check_f16(summary.values())?;
    }
    let weight = |filter, channel, tap| summary.weight(filter, channel, tap);
    match plan.storage().weights() {
        Precision::F32 => Ok(arrange(plan, summary.values(), weight).into_iter().flat_map(f32::to_le_bytes).collect()),
        Precision::F16 => {
            check_f16(summary.values())?;
            let halves = arrange(plan, summary.values(), weight).into_iter().map(half::f16::from_f32);
            Ok(halves.flat_map(half::f16::to_le_bytes).collect())
        }
        Precision::U8 => {
            let Some((levels, _)) = summary.levels() else {
                let rule = "the plan has 8-bit weights: quantize it";
                return Err(Error::value("summary", summary.precision().name(), rule));
            };
            // Blends are no levels: plans expand them in another precision.
            let level =
                |filter, channel, tap| summary.placement().index(filter, channel, tap).map_or(0, |at| levels[at]);
            Ok(arrange(plan, levels, level))
        }
    }
}

/// A summary's values in the order in which kernels read them: as they are, or for dense filters weight by weight.
/// What lies outside, and channels past the last, is `T::default()`: a weight of zero, or a level of which nothing is
/// made.
fn arrange<T: Copy + Default>(plan: &Plan, values: &[T], weight: impl Fn(usize, usize, usize) -> T) -> Vec<T> {
    let mut arranged = if plan.packing().dense {
        let (placement, padded) = (plan.problem().placement(), plan.problem().padded_channels());
        let taps = (0..placement.filters()).flat_map(|filter| (0..placement.taps()).map(move |tap| (filter, tap)));
        let channels = |(filter, tap)| (0..padded).map(move |channel| (filter, channel, tap));
        taps.flat_map(channels).map(|(filter, channel, tap)| weight(filter, channel, tap)).collect()
    } else {
        values.to_vec()
    };
    arranged.resize(arranged.len().next_multiple_of(4), T::default());
    arranged
}

/// The plan's tables, each with O scales and O biases behind, as the bits of f32. Sums of several parts are scaled
/// part by part; the bias is added once.
fn pack_table(plan: &Plan, params: ChannelParams<'_>) -> Vec<u32> {
    let filters = plan.problem().out_channels();
    let column = |values: Option<&[f32]>, default: f32| match values {
        Some(values) => values.iter().map(|value| value.to_bits()).collect(),
        None => vec![default.to_bits(); filters],
    };
    let mut packed = Vec::new();
    for (index, table) in plan.packing().tables.iter().enumerate() {
        packed.resize(table.at.start as usize / 4, 0);
        packed.extend(&table.words);
        packed.extend(column(params.scale, 1.0));
        packed.extend(column(params.bias.filter(|_| index == 0), 0.0));
    }
    packed
}
