//! A convolution on the caller's device: compiled pipelines, packed weights, and dispatches into the caller's encoder.

use std::num::NonZeroU64;
use std::sync::Arc;

use wgpu::util::{BufferInitDescriptor, DeviceExt};

use crate::error::{Error, Result};
use crate::pipeline::{Compiled, Pipelines, checked};
use crate::plan::{Plan, Storage};
use crate::reference::check_length;
use crate::spec::{Role, Spec};
use crate::summary::{FilterSummary, check_finite};

/// A tensor in a caller's buffer, NCHW, f32 or as the plan's [`Storage`](crate::Storage) says: `size` bytes from `offset` on.
///
/// The buffer needs usage `STORAGE`; `offset` must be a multiple of the device's `min_storage_buffer_offset_alignment`.
#[derive(Debug, Clone, Copy)]
pub struct BufferRange<'a> {
    /// The buffer.
    pub buffer: &'a wgpu::Buffer,
    /// First byte.
    pub offset: u64,
    /// Bytes; at least those of the tensor. All of them are bound, as far as the device's binding size allows.
    pub size: u64,
}

impl<'a> BufferRange<'a> {
    /// All of a buffer.
    pub fn whole(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.buffer == other.buffer
            && self.offset < other.offset.saturating_add(other.size)
            && other.offset < self.offset.saturating_add(self.size)
    }
}

/// The tensors of one convolution.
#[derive(Debug, Clone, Copy)]
pub struct ConvBuffers<'a> {
    /// `[N, C, H, W]`.
    pub input: BufferRange<'a>,
    /// `[N, channels_total, OH, OW]`; only the problem's own channels are written.
    pub output: BufferRange<'a>,
    /// `[N, O, OH, OW]`, exactly when the problem has a residual.
    pub residual: Option<BufferRange<'a>>,
    /// [`Plan::workspace_size`] bytes, when that is not 0. Its contents do not matter before or after.
    pub workspace: Option<BufferRange<'a>>,
}

/// Weights of a layer beside its summary.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChannelParams<'a> {
    /// `[O]`, multiplies the sum (batch norm, folded); 1 when absent.
    pub scale: Option<&'a [f32]>,
    /// `[O]`, added to it; 0 when absent.
    pub bias: Option<&'a [f32]>,
}

/// A planned convolution with its weights on a device.
#[derive(Debug)]
pub struct FsConv2d {
    plan: Plan,
    pipelines: Arc<Pipelines>,
    steps: Vec<CompiledStep>,
    summary: wgpu::Buffer,
    table: wgpu::Buffer,
    uniforms: Uniforms,
}

#[derive(Debug)]
struct CompiledStep {
    compiled: Arc<Compiled>,
    spec: Spec,
    grid: [u32; 3],
}

/// A convolution bound to buffers: recording it allocates nothing.
#[derive(Debug, Clone)]
pub struct BoundConv {
    pub(crate) dispatches: Vec<Dispatch>,
}

/// One dispatch, ready to record.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) bind_group: wgpu::BindGroup,
    pub(crate) grid: [u32; 3],
}

impl FsConv2d {
    /// Compiles the plan's kernels (once a device) and uploads the weights. Submits nothing.
    ///
    /// # Errors
    /// When the summary is not the plan's, scale or bias have another length, or the device refuses.
    pub fn new(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        // The target a plan was made for may have been another device's; shaders rely on what was checked.
        plan.check(&pipelines.device().limits(), pipelines.device().features())?;
        let problem = plan.problem();
        if summary.placement() != problem.placement() {
            return Err(Error::value("summary", "placed otherwise", "its placement must be the plan's"));
        }
        for (field, values) in [("scale", params.scale), ("bias", params.bias)] {
            check_length(field, values, problem.out_channels())?;
            check_finite(field, values.unwrap_or(&[]))?;
        }
        let mut steps = Vec::with_capacity(plan.steps().len());
        for step in plan.steps() {
            let compiled = pipelines.get(&step.spec)?;
            steps.push(CompiledStep { compiled, spec: step.spec, grid: step.grid });
        }
        let device = pipelines.device();
        let (summary, table) = (pack_summary(&plan, summary)?, pack_table(&plan, params));
        let upload = |label: &str, contents: &[u8]| {
            let usage = wgpu::BufferUsages::STORAGE;
            device.create_buffer_init(&BufferInitDescriptor { label: Some(label), contents, usage })
        };
        let (summary, table) =
            checked(device, || (upload("fs_summary", &summary), upload("fs_table", bytemuck::cast_slice(&table))))?;
        let params: Vec<_> = plan.steps().iter().map(|step| step.params.as_slice()).collect();
        let uniforms = Uniforms::new(device, &params)?;
        Ok(Self { plan, pipelines: Arc::clone(pipelines), steps, summary, table, uniforms })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bytes of device memory the weights and their tables take.
    pub fn weight_bytes(&self) -> u64 {
        self.summary.size() + self.table.size()
    }

    /// Binds the convolution to buffers, to be recorded any number of times.
    ///
    /// # Errors
    /// When a range is too small, misaligned, missing or overlaps one that is written, naming it; or a buffer lacks
    /// usage `STORAGE`.
    pub fn bind(&self, buffers: &ConvBuffers<'_>) -> Result<BoundConv> {
        self.check(buffers)?;
        let device = self.pipelines.device();
        let dispatches = checked(device, || {
            let bind = |(index, step): (usize, &CompiledStep)| {
                let range = |role: Role| match role {
                    Role::Input => Some(buffers.input),
                    Role::Output => Some(buffers.output),
                    Role::Residual => buffers.residual,
                    Role::ProductsIn | Role::ProductsOut => buffers.workspace,
                    Role::Summary => Some(BufferRange::whole(&self.summary)),
                    Role::Table => Some(BufferRange::whole(&self.table)),
                };
                let roles = step.spec.roles();
                // `check` has seen to it that every range a step needs is there.
                let ranges: Vec<_> =
                    roles.into_iter().filter_map(|role| Some((role.binding(), range(role)?))).collect();
                Dispatch {
                    compiled: Arc::clone(&step.compiled),
                    bind_group: bind_group(device, &step.compiled, self.uniforms.binding(index), &ranges),
                    grid: step.grid,
                }
            };
            self.steps.iter().enumerate().map(bind).collect()
        })?;
        Ok(BoundConv { dispatches })
    }

    /// Binds and records in one go, as one compute pass. Neither submits nor waits.
    ///
    /// # Errors
    /// As [`FsConv2d::bind`].
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, buffers: &ConvBuffers<'_>) -> Result<()> {
        let bound = self.bind(buffers)?;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(self.plan.algorithm().name()),
            timestamp_writes: None,
        });
        bound.record(&mut pass);
        Ok(())
    }

    fn check(&self, buffers: &ConvBuffers<'_>) -> Result<()> {
        let problem = self.plan.problem();
        problem.check_residual(buffers.residual.is_some())?;
        let workspace = if self.plan.workspace_size() > 0 { buffers.workspace } else { None };
        if self.plan.workspace_size() > 0 && workspace.is_none() {
            let rule = format!("the plan needs {} bytes", self.plan.workspace_size());
            return Err(Error::value("workspace", "absent", rule));
        }
        let ranges = [
            ("input", Some(buffers.input), Role::Input),
            ("output", Some(buffers.output), Role::Output),
            ("residual", buffers.residual, Role::Residual),
            ("workspace", workspace, Role::ProductsOut),
        ];
        let ranges: Vec<_> = ranges.into_iter().filter_map(|(name, range, role)| Some((name, range?, role))).collect();
        let alignment = u64::from(self.pipelines.device().limits().min_storage_buffer_offset_alignment);
        for &(name, range, role) in &ranges {
            check_range(name, &range, self.plan.size_of(role), alignment)?;
        }
        for &(name, range, role) in &ranges {
            let others = ranges.iter().filter(|other| role.is_written() && other.0 != name);
            if let Some((other, ..)) = others.into_iter().find(|(_, other, _)| range.overlaps(other)) {
                return Err(Error::value(
                    name,
                    format!("overlapping {other}"),
                    "it is written: it needs memory of its own",
                ));
            }
        }
        self.check_usage(&ranges)
    }

    /// WebGPU refuses a buffer that one binding of a dispatch reads and another writes, wherever in it.
    fn check_usage(&self, ranges: &[(&'static str, BufferRange<'_>, Role)]) -> Result<()> {
        for step in self.steps.iter().filter(|step| !step.spec.read_write) {
            let bound = step.spec.roles();
            // Products are one range, written in one step and read in the next.
            let touches = |role: Role| bound.iter().any(|bound| bound.operand() == role.operand());
            let writes = |role: Role| bound.iter().any(|bound| bound.operand() == role.operand() && bound.is_written());
            for (name, range, _) in ranges.iter().filter(|(.., role)| writes(*role)) {
                let other = ranges
                    .iter()
                    .find(|(other, with, role)| other != name && touches(*role) && with.buffer == range.buffer);
                if let Some((other, ..)) = other {
                    let rule = "plan with bind_read_write to keep several tensors in one buffer";
                    return Err(Error::value(format!("{name}.buffer"), format!("that of {other}"), rule));
                }
            }
        }
        Ok(())
    }
}

impl BoundConv {
    /// Records the dispatches into a compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for dispatch in &self.dispatches {
            dispatch.record(pass);
        }
    }
}

impl Dispatch {
    pub(crate) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y, z] = self.grid;
        pass.set_pipeline(&self.compiled.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// The uniforms of several dispatches in one buffer, each at an aligned offset.
#[derive(Debug)]
pub(crate) struct Uniforms {
    buffer: wgpu::Buffer,
    ranges: Vec<(u64, NonZeroU64)>,
}

impl Uniforms {
    pub(crate) fn new(device: &wgpu::Device, params: &[&[(&'static str, u32)]]) -> Result<Self> {
        let alignment = device.limits().min_uniform_buffer_offset_alignment.max(16) as usize;
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        for fields in params {
            let offset = bytes.len() as u64;
            fields.iter().for_each(|(_, value)| bytes.extend_from_slice(&value.to_le_bytes()));
            // Uniform structs are padded to 16 bytes in some back ends.
            bytes.resize(bytes.len().next_multiple_of(16), 0);
            let size = NonZeroU64::new(bytes.len() as u64 - offset).unwrap_or(NonZeroU64::MIN);
            ranges.push((offset, size));
            bytes.resize(bytes.len().next_multiple_of(alignment), 0);
        }
        let descriptor =
            BufferInitDescriptor { label: Some("fs_params"), contents: &bytes, usage: wgpu::BufferUsages::UNIFORM };
        let buffer = checked(device, || device.create_buffer_init(&descriptor))?;
        Ok(Self { buffer, ranges })
    }

    /// The binding of dispatch `index`.
    pub(crate) fn binding(&self, index: usize) -> wgpu::BufferBinding<'_> {
        let (offset, size) = self.ranges[index];
        wgpu::BufferBinding { buffer: &self.buffer, offset, size: Some(size) }
    }
}

/// Binds a dispatch's uniform and its storage ranges `(binding, range)`.
pub(crate) fn bind_group(
    device: &wgpu::Device,
    compiled: &Compiled,
    uniform: wgpu::BufferBinding<'_>,
    ranges: &[(u32, BufferRange<'_>)],
) -> wgpu::BindGroup {
    // Plans have checked that what a kernel touches is within the limit; storage bindings are whole words.
    let limit = device.limits().max_storage_buffer_binding_size;
    let storage = ranges.iter().map(|&(binding, range)| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: range.buffer,
            offset: range.offset,
            size: NonZeroU64::new(range.size.min(limit) & !3),
        }),
    });
    let uniform = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) };
    let entries: Vec<_> = std::iter::once(uniform).chain(storage).collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("filter_summary"),
        layout: &compiled.layout,
        entries: &entries,
    })
}

/// Checks that a range holds `needed` bytes, lies in its buffer and is aligned.
pub(crate) fn check_range(name: &str, range: &BufferRange<'_>, needed: u64, alignment: u64) -> Result<()> {
    if range.size < needed {
        return Err(Error::value(format!("{name}.size"), range.size, format!("the tensor has {needed} bytes")));
    }
    if range.offset.checked_add(range.size).is_none_or(|end| end > range.buffer.size()) {
        let rule = format!("{} bytes from there must lie in a buffer of {}", range.size, range.buffer.size());
        return Err(Error::value(format!("{name}.offset"), range.offset, rule));
    }
    if !range.offset.is_multiple_of(alignment) {
        let rule = format!("it must be a multiple of min_storage_buffer_offset_alignment, {alignment}");
        return Err(Error::value(format!("{name}.offset"), range.offset, rule));
    }
    if !range.buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return Err(Error::value(
            format!("{name}.buffer"),
            format!("{:?}", range.buffer.usage()),
            "it needs usage STORAGE",
        ));
    }
    Ok(())
}

/// The summary's values, or dense filters `[O, T, channels rounded up to 4]`, padded to whole vec4s, as the plan stores them.
fn pack_summary(plan: &Plan, summary: &FilterSummary) -> Result<Vec<u8>> {
    let mut values = if plan.packing().dense {
        let (placement, padded) = (summary.placement(), plan.problem().padded_channels());
        let taps = (0..placement.filters()).flat_map(|filter| (0..placement.taps()).map(move |tap| (filter, tap)));
        // Channels past the last are no weights, and read as zero.
        taps.flat_map(|(filter, tap)| (0..padded).map(move |channel| summary.weight(filter, channel, tap))).collect()
    } else {
        summary.values().to_vec()
    };
    values.resize(values.len().next_multiple_of(4), 0.0);
    if plan.storage() == Storage::F32 {
        return Ok(bytemuck::cast_slice(&values).to_vec());
    }
    if let Some(at) = summary.values().iter().position(|&value| half::f16::from_f32(value).is_infinite()) {
        let rule = format!("f16 storage holds at most {}", half::f16::MAX);
        return Err(Error::value(format!("summary[{at}]"), summary.values()[at], rule));
    }
    Ok(values.into_iter().flat_map(|value| half::f16::from_f32(value).to_le_bytes()).collect())
}

/// The plan's table, then O scales and O biases as the bits of f32.
fn pack_table(plan: &Plan, params: ChannelParams<'_>) -> Vec<u32> {
    let filters = plan.problem().out_channels();
    let column = |values: Option<&[f32]>, default: f32| match values {
        Some(values) => values.iter().map(|value| value.to_bits()).collect(),
        None => vec![default.to_bits(); filters],
    };
    let mut table = plan.packing().table.clone();
    table.extend(column(params.scale, 1.0));
    table.extend(column(params.bias, 0.0));
    table
}
