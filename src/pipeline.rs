//! Pipelines: every kernel variant compiled once a device, shared by all layers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::shader;
use crate::spec::Spec;

/// Whether compiled shaders carry the driver-independent bounds and loop checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShaderChecks {
    /// Without: plans keep every index in bounds and every loop finite. Up to three times faster on software adapters.
    #[default]
    Trusted,
    /// With: for whoever would rather not take our word for it.
    Checked,
}

/// A compiled variant.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// Compiles kernel variants on one device and keeps them. Share one `Pipelines` among all layers of a device.
#[derive(Debug)]
pub struct Pipelines {
    device: wgpu::Device,
    checks: ShaderChecks,
    compiled: Mutex<HashMap<Spec, Arc<Compiled>>>,
}

impl Pipelines {
    /// An empty cache for `device`.
    pub fn new(device: &wgpu::Device, checks: ShaderChecks) -> Self {
        Self { device: device.clone(), checks, compiled: Mutex::default() }
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// How many variants have been compiled.
    pub fn len(&self) -> usize {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing has been compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The compiled variant, made now if it is not there yet.
    pub(crate) fn get(&self, spec: &Spec) -> Result<Arc<Compiled>> {
        // A panic elsewhere cannot leave the map half-written: entries are inserted whole.
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = compiled.get(spec) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(self.compile(spec)?);
        compiled.insert(*spec, Arc::clone(&made));
        Ok(made)
    }

    fn compile(&self, spec: &Spec) -> Result<Compiled> {
        let label = spec.to_string();
        checked(&self.device, || {
            let module = self.module(&label, spec);
            let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &layout_entries(spec),
            });
            let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            });
            Compiled { pipeline, layout }
        })
    }

    #[allow(unsafe_code, reason = "wgpu offers unchecked shaders only through an unsafe function")]
    fn module(&self, label: &str, spec: &Spec) -> wgpu::ShaderModule {
        let source = wgpu::ShaderSource::Wgsl(shader::assemble(spec).into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
        match self.checks {
            ShaderChecks::Checked => self.device.create_shader_module(descriptor),
            // SAFETY: the text is ours alone (`shaders/` and integer constants). Its loops are bounded by uniforms that
            // plans fill in, it divides only by sizes that `Problem` has checked to be at least 1, and every index it
            // forms lies inside the buffers bound to it: inputs are masked against the image's size, weights and slots
            // come from tables that plans build, indices of workgroup memory are clamped to it, `FsConv2d::new` checks the
            // plan against this device's limits, and `FsConv2d::bind` every buffer's size against the plan.
            // `tests/gpu_conv.rs` runs the whole case table in the checked form too and demands equal results.
            ShaderChecks::Trusted => unsafe {
                self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        }
    }
}

fn layout_entries(spec: &Spec) -> Vec<wgpu::BindGroupLayoutEntry> {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let storage = spec.roles().into_iter().map(|role| {
        let read_only = !role.is_written() && !spec.read_write;
        entry(role.binding(), wgpu::BufferBindingType::Storage { read_only })
    });
    std::iter::once(entry(0, wgpu::BufferBindingType::Uniform)).chain(storage).collect()
}

/// Runs `make` under wgpu error scopes and turns what they catch into an error.
///
/// In browsers the scopes resolve later than we can wait here; errors then go to the device's own handler.
pub(crate) fn checked<T>(device: &wgpu::Device, make: impl FnOnce() -> T) -> Result<T> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    let errors = [now(validation.pop()), now(memory.pop())];
    match errors.into_iter().flatten().flatten().next() {
        Some(error) => Err(Error::Gpu(one_line(&error.to_string()))),
        None => Ok(made),
    }
}

/// The value of a future that is ready already.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
