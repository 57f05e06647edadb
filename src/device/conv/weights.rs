//! A layer's weights on a device: the summary, and the table of bases, slots, scales and biases.

use std::sync::{Arc, Mutex, Weak};

use crate::check::check_f16;
use crate::device::buffers::BufferRange;
use crate::device::check::check_range;
use crate::device::dispatch::Uniforms;
use crate::device::lock::lock;
use crate::device::scope::{sized, upload};
use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::method::params::ChannelParams;
use crate::method::quantization::{Precision, Quantization};
use crate::method::summary::FilterSummary;
use crate::plan::{Plan, Table};

/// The weights of a layer, and of the same layer by other plans.
#[derive(Debug)]
pub(super) struct Weights {
    summary: Summary,
    /// How many bytes of it there are.
    bytes: u64,
    pub(super) table: wgpu::Buffer,
    levels: Mutex<Levels>,
}

/// Where the summary is, or dense filters.
#[derive(Debug)]
enum Summary {
    Own(wgpu::Buffer),
    /// In a buffer of the caller's, from this byte on.
    Lent(wgpu::Buffer, u64),
    /// In another one every time.
    Elsewhere,
}

/// What 8-bit weights stand for, and whose uniforms say so.
#[derive(Debug, Default)]
struct Levels {
    quantization: Option<Quantization>,
    told: Vec<Weak<Uniforms>>,
}

impl Weights {
    pub(super) async fn upload(
        device: &wgpu::Device,
        plan: &Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        let packed = pack_summary(plan, summary)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let quantization = quantization(plan, summary);
        Ok(Self {
            summary: Summary::Own(upload(device, &plan.labelled("fs_summary"), &packed, usage).await?),
            bytes: plan.size_of(Role::Summary),
            table: upload_table(device, plan, params, of(summary)).await?,
            levels: Mutex::new(Levels { quantization, told: Vec::new() }),
        })
    }

    /// Those in a buffer of the caller's.
    pub(super) async fn lent(
        device: &wgpu::Device,
        plan: &Plan,
        weights: BufferRange<'_>,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        check_range("weights", &weights, plan.size_of(Role::Summary), device)?;
        Self::not_own(device, plan, Summary::Lent(weights.buffer.clone(), weights.offset), params).await
    }

    /// Those that every binding brings.
    pub(super) async fn elsewhere(device: &wgpu::Device, plan: &Plan, params: ChannelParams<'_>) -> Result<Self> {
        let lent = plan.lent();
        for (field, given, lent) in [
            ("scale", params.scale, lent.scale),
            ("bias", params.bias, lent.bias),
            ("lent_gains", params.lent_gains, lent.gains),
        ] {
            if given.is_some() && lent {
                return Err(Error::value(field, "given", "the plan reads it from a buffer of the caller's"));
            }
        }
        Self::not_own(device, plan, Summary::Elsewhere, params).await
    }

    async fn not_own(device: &wgpu::Device, plan: &Plan, summary: Summary, params: ChannelParams<'_>) -> Result<Self> {
        if plan.storage().weights() == Precision::U8 {
            let rule = "weights of the caller's are f32 or f16: plan with such storage";
            return Err(Error::value("storage", plan.storage().name(), rule));
        }
        let applies = !plan.lent().gains && plan.packing().tables.iter().any(|table| !table.gains.is_empty());
        match (applies, params.lent_gains) {
            (true, None) => return Err(Error::value("lent_gains", "absent", "the plan's kernels multiply by them")),
            (false, Some(_)) => {
                let rule = "the plan's kernels take none of these: dense filters are lent multiplied";
                return Err(Error::value("lent_gains", "given", rule));
            }
            _ => {}
        }
        let taps = plan.problem().placement().taps();
        let gain = |filter, tap| params.lent_gains.map_or(1.0, |gains| gains[filter * taps + tap]);
        Ok(Self {
            summary,
            bytes: plan.size_of(Role::Summary),
            table: upload_table(device, plan, params, gain).await?,
            levels: Mutex::default(),
        })
    }

    /// Where the summary is, or dense filters; `None` where every binding brings it.
    pub(super) fn summary(&self) -> Option<BufferRange<'_>> {
        let (buffer, offset) = match &self.summary {
            Summary::Own(buffer) => (buffer, 0),
            Summary::Lent(buffer, offset) => (buffer, *offset),
            Summary::Elsewhere => return None,
        };
        Some(BufferRange { buffer, offset, size: self.bytes })
    }

    /// Bytes that the summary takes.
    pub(super) fn summary_bytes(&self) -> u64 {
        self.bytes
    }

    /// The caller's buffer, if they are in one that does not change.
    pub(super) fn lender(&self) -> Option<BufferRange<'_>> {
        self.summary().filter(|_| matches!(self.summary, Summary::Lent(..)))
    }

    /// Whether every binding brings them.
    pub(super) fn are_elsewhere(&self) -> bool {
        matches!(self.summary, Summary::Elsewhere)
    }

    /// What 8-bit weights stand for now.
    pub(super) fn quantization(&self) -> Option<Quantization> {
        lock(&self.levels).quantization
    }

    /// Takes note of uniforms made for a quantization. False where it is another by now.
    pub(super) fn tell(&self, uniforms: &Arc<Uniforms>, quantization: Option<Quantization>) -> bool {
        let mut levels = lock(&self.levels);
        if levels.quantization != quantization {
            return false;
        }
        levels.told.retain(|told| told.strong_count() > 0);
        levels.told.push(Arc::downgrade(uniforms));
        true
    }

    /// Writes other weights, before whatever is submitted next.
    pub(super) async fn update(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        plan: &Plan,
        summary: &FilterSummary,
    ) -> Result<()> {
        let Summary::Own(buffer) = &self.summary else {
            return Err(Error::value("weights", "lent", "they are in a buffer of the caller's: write there"));
        };
        let packed = pack_summary(plan, summary)?;
        let filters = plan.problem().out_channels();
        let gains = plan.packing().tables.iter().filter(|table| !table.gains.is_empty());
        let gains: Vec<_> =
            gains.map(|table| (table.gains_at(filters), pack_gains(filters, table, &of(summary)))).collect();
        let write = || {
            // Of two who write at a time, one comes second in all that is written.
            let mut levels = lock(&self.levels);
            queue.write_buffer(buffer, 0, &packed);
            gains.iter().for_each(|(at, gains)| queue.write_buffer(&self.table, *at, bytemuck::cast_slice(gains)));
            let quantization = quantization(plan, summary);
            if let Some(changed) = quantization.filter(|_| quantization != levels.quantization) {
                levels.quantization = quantization;
                levels.told.iter().filter_map(Weak::upgrade).for_each(|uniforms| uniforms.quantize(queue, changed));
            }
        };
        sized(device, &plan.labelled("fs_summary"), Some(packed.len() as u64), write).await
    }
}

/// What the weights in memory stand for, where they are levels: wider ones are what the levels stand for already.
fn quantization(plan: &Plan, summary: &FilterSummary) -> Option<Quantization> {
    let levels = summary.levels().filter(|_| plan.storage().weights() == Precision::U8);
    levels.map(|(_, quantization)| quantization)
}

async fn upload_table(
    device: &wgpu::Device,
    plan: &Plan,
    params: ChannelParams<'_>,
    gain: impl Fn(usize, usize) -> f32,
) -> Result<wgpu::Buffer> {
    let (table, usage) = (pack_table(plan, params, gain), wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST);
    upload(device, &plan.labelled("fs_table"), bytemuck::cast_slice(&table), usage).await
}

/// The summary's values, or dense filters `[O, T, channels rounded up to 4]`, padded to whole quads, as the plan
/// stores them.
fn pack_summary(plan: &Plan, summary: &FilterSummary) -> Result<Vec<u8>> {
    if plan.storage().has_f16_tensors() {
        // Kernels on matrices make f16 of what levels stand for, and of what gains multiply.
        if plan.storage().weights() == Precision::U8 {
            check_f16("summary", &summary.values())?;
        }
        if plan.packing().tables.iter().any(|table| !table.gains.is_empty()) {
            check_f16("weights", &summary.expand())?;
        }
    }
    let weight = |filter, channel, tap| summary.weight(filter, channel, tap);
    match plan.storage().weights() {
        Precision::F32 => Ok(arrange(plan, &summary.values(), weight).into_iter().flat_map(f32::to_le_bytes).collect()),
        Precision::F16 => {
            check_f16("summary", &summary.values())?;
            let weights = arrange(plan, &summary.values(), weight);
            check_f16("weights", &weights)?;
            Ok(weights.into_iter().map(half::f16::from_f32).flat_map(half::f16::to_le_bytes).collect())
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

/// The plan's tables, each with O scales, O biases, its gains and a base stage behind, as the bits of f32. Sums of
/// several parts are scaled part by part; the bias is added once.
fn pack_table(plan: &Plan, params: ChannelParams<'_>, gain: impl Fn(usize, usize) -> f32) -> Vec<u32> {
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
        packed.extend(pack_gains(filters, table, &gain));
        packed.extend(table.stage.iter().flat_map(|&base| params.of_base(base).map(f32::to_bits)));
    }
    packed
}

/// The gains of a table, as the bits of f32.
fn pack_gains(filters: usize, table: &Table, gain: &impl Fn(usize, usize) -> f32) -> Vec<u32> {
    let of_filter = |filter| table.gains.iter().map(move |&tap| (filter, tap));
    (0..filters).flat_map(of_filter).map(|(filter, tap)| gain(filter, tap).to_bits()).collect()
}

/// The gains of a summary: of a filter, of a tap.
fn of(summary: &FilterSummary) -> impl Fn(usize, usize) -> f32 {
    |filter, tap| summary.gain(filter, tap)
}
