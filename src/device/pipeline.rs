//! Pipelines: every kernel variant compiled once a device, shared by all layers.

mod slot;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::lock::lock;

use crate::device::parallel::each;
use crate::device::scope::{Loss, Scoped};
use crate::error::{Error, Result};
use crate::kernels::{Description, Variant};
use crate::plan::{Plan, Target};
use slot::{Claim, Found, Slot};

/// Whether compiled shaders carry the driver-independent bounds and loop checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ShaderChecks {
    /// Without: plans keep every index in bounds and every loop finite. Up to three times faster on software adapters.
    #[default]
    Trusted,
    /// With: for whoever would rather not take our word for it. Drivers then unroll few loops, as indices are clamped
    /// and loops have a second end, and what an invocation may loop is soon reached: sums of some thousand products
    /// are cut into shorter parts, in plans for [`Target::with_checked_shaders`].
    Checked,
}

/// A compiled variant.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// A variant that is not there yet, as far as it is without waiting.
enum Started {
    /// It is there by now.
    Made,
    /// It is compiled here; whether the device accepts it is not known yet.
    Mine(Claim<Compiled>, Scoped<Compiled>),
    /// Another thread or task is compiling it.
    Others(Variant),
}

/// How many variants are begun before their answers are waited for. In a browser one: in between the page is alive.
const BATCH: usize = if cfg!(target_family = "wasm") { 1 } else { usize::MAX };

/// Compiles kernel variants on one device and keeps them. Share one `Pipelines` among all layers and threads of a
/// device: who asks for a variant that another is compiling waits for it.
#[derive(Debug)]
pub struct Pipelines {
    device: wgpu::Device,
    checks: ShaderChecks,
    cache: Option<wgpu::PipelineCache>,
    /// How many threads compile, the caller's included.
    threads: usize,
    slots: Mutex<HashMap<Variant, Arc<Slot<Compiled>>>>,
    compiled: AtomicUsize,
    loss: Loss,
}

impl Pipelines {
    /// Nothing compiled yet, on `device`.
    pub fn new(device: &wgpu::Device, checks: ShaderChecks) -> Self {
        Self {
            device: device.clone(),
            checks,
            cache: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            slots: Mutex::default(),
            compiled: AtomicUsize::new(0),
            loss: Loss::watch(device),
        }
    }

    /// Gives every pipeline a driver's cache of the caller's (feature `PIPELINE_CACHE`),
    /// who also keeps its data on disk.
    #[must_use]
    pub fn with_cache(self, cache: wgpu::PipelineCache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// Compiles on so many threads at most, the caller's among them; with 1 none is started. By default they are as
    /// many as the machine has cores. They end before the call that started them; browsers have none.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// Whether shaders carry checks.
    pub fn checks(&self) -> ShaderChecks {
        self.checks
    }

    /// What plans must know of the device and of what is compiled for it.
    pub(crate) fn target(&self) -> Target {
        Target::of(&self.device).with_checked_shaders(self.are_checked())
    }

    pub(crate) fn are_checked(&self) -> bool {
        self.checks == ShaderChecks::Checked
    }

    /// How many variants have been compiled.
    pub fn len(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// Whether nothing has been compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets go of the variants that no layer has, also of those warmed up for layers to come, and returns how many
    /// those were. Who asks for one later compiles it again.
    pub fn evict(&self) -> usize {
        let mut slots = lock(&self.slots);
        let mut evicted = 0;
        slots.retain(|_, slot| {
            // Whoever is about to make or take a variant holds its slot.
            let stays = Arc::strong_count(slot) > 1 || slot.is_in_use();
            evicted += usize::from(!stays && slot.is_made());
            stays
        });
        evicted
    }

    /// Compiles what plans need ahead of the layers, several variants at a time, and waits for it. Returns how many
    /// were not there yet. Not in browsers, where nothing can wait: [`Pipelines::warm_up_async`].
    ///
    /// Drivers may still translate a pipeline when it first runs, and wgpu clears a buffer when it is first used:
    /// submit [`BoundConv::record_warm_up`](crate::BoundConv::record_warm_up) to have that behind you too.
    ///
    /// # Errors
    /// When the device refuses a kernel, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn warm_up<'a>(&self, plans: impl IntoIterator<Item = &'a Plan>) -> Result<usize> {
        crate::device::wait::wait(self.warm_up_async(plans))
    }

    /// As `warm_up`, which waits for it on native programs; in browsers one variant after another, so that the page
    /// stays alive.
    ///
    /// # Errors
    /// When the device refuses a kernel, is out of memory or lost.
    pub async fn warm_up_async<'a>(&self, plans: impl IntoIterator<Item = &'a Plan>) -> Result<usize> {
        let variants: Vec<Variant> = plans.into_iter().flat_map(Plan::steps).map(|step| step.variant).collect();
        self.compile_all(variants).await
    }

    /// Compiles those variants that are not there yet, several at a time; returns how many it compiled.
    ///
    /// How much that gains is the driver's affair: naga takes 0.6 ms a variant and scales, Mesa 22.3.6's lavapipe then
    /// makes its pipelines one at a time, some 15 ms of CPU each, and translates them at the first dispatch, up to a
    /// second each.
    pub(crate) async fn compile_all(&self, variants: impl IntoIterator<Item = Variant>) -> Result<usize> {
        self.compile_in_batches(variants, BATCH).await
    }

    /// [`Self::compile_all`], so many at a time.
    pub(crate) async fn compile_in_batches(
        &self,
        variants: impl IntoIterator<Item = Variant>,
        batch: usize,
    ) -> Result<usize> {
        let mut missing: Vec<Variant> = Vec::new();
        for variant in variants {
            if !missing.contains(&variant) && !self.slot(&variant).is_made() {
                missing.push(variant);
            }
        }
        let (mut made, mut others) = (0, Vec::new());
        for batch in missing.chunks(batch) {
            for started in each(batch, self.threads, |variant| self.start(variant)) {
                match started {
                    Started::Made => {}
                    Started::Mine(claim, scoped) => {
                        self.finish(claim, scoped).await?;
                        made += 1;
                    }
                    Started::Others(variant) => others.push(variant),
                }
            }
        }
        // Only now that nothing is left which others wait for: two who compile each other's variants both get on.
        for variant in others {
            made += usize::from(self.get_or_compile(&variant).await?.1);
        }
        self.check_lost("the kernels")?;
        Ok(made)
    }

    /// The compiled variant, made now if it is not there yet.
    pub(crate) async fn get(&self, variant: &Variant) -> Result<Arc<Compiled>> {
        self.get_or_compile(variant).await.map(|(compiled, _)| compiled)
    }

    /// The variant, and whether it was compiled now. A variant that failed is tried again by the next to ask.
    async fn get_or_compile(&self, variant: &Variant) -> Result<(Arc<Compiled>, bool)> {
        match self.slot(variant).value_or_claim().await {
            Ok(found) => Ok((found, false)),
            Err(claim) => Ok((self.finish(claim, self.compile(variant)).await?, true)),
        }
    }

    fn start(&self, variant: &Variant) -> Started {
        match self.slot(variant).ask(None) {
            Found::Made(_) => Started::Made,
            Found::Mine(claim) => Started::Mine(claim, self.compile(variant)),
            Found::Others => Started::Others(*variant),
        }
    }

    async fn finish(&self, claim: Claim<Compiled>, scoped: Scoped<Compiled>) -> Result<Arc<Compiled>> {
        let compiled = scoped.valid().await?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(claim.fill(compiled))
    }

    fn slot(&self, variant: &Variant) -> Arc<Slot<Compiled>> {
        Arc::clone(lock(&self.slots).entry(*variant).or_default())
    }

    /// An error when a browser has lost the device, as far as is known since the last await; native devices are asked
    /// whenever something is made on them.
    pub(crate) fn check_lost(&self, what: &str) -> Result<()> {
        if self.loss.is_known() { Err(Error::DeviceLost { what: what.to_owned() }) } else { Ok(()) }
    }

    fn compile(&self, variant: &Variant) -> Scoped<Compiled> {
        let description = variant.describe();
        let label = description.label();
        Scoped::make(&self.device, &format!("kernel {label}"), None, || {
            let module = self.module(&label, &description);
            let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &layout_entries(&description),
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
                cache: self.cache.as_ref(),
            });
            Compiled { pipeline, layout }
        })
    }

    #[allow(unsafe_code, reason = "wgpu offers unchecked shaders only through an unsafe function")]
    fn module(&self, label: &str, description: &Description) -> wgpu::ShaderModule {
        let source = wgpu::ShaderSource::Wgsl(description.source().into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
        match self.checks {
            ShaderChecks::Checked => self.device.create_shader_module(descriptor),
            // SAFETY: the text is ours alone (`shaders/` and integer constants). Its loops are bounded by uniforms
            // that plans fill in, it divides only by sizes that `Problem` has checked to be at least 1,
            // and every index it forms lies inside the buffers bound to it: inputs are masked against the image's size,
            // weights and slots come from tables that plans build, indices of workgroup memory are clamped to it
            // or bounded by the tile's constants (`kernels::tests` checks every tile), `FsConv2d::new` checks
            // the plan against this device's limits, and `FsConv2d::bind` every buffer's size against the plan.
            // Plans for other subgroups are refused; they would make wrong results, but no index: shuffles yield values
            // that are compared with their bounds before they are used. `tests/gpu/conv.rs` runs the case table
            // in the checked form too and demands equal results.
            ShaderChecks::Trusted => unsafe {
                self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        }
    }
}

fn layout_entries(description: &Description) -> Vec<wgpu::BindGroupLayoutEntry> {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let storage = description.roles().iter().map(|role| {
        let read_only = !role.is_written() && !description.is_read_write();
        entry(role.binding(), wgpu::BufferBindingType::Storage { read_only })
    });
    std::iter::once(entry(0, wgpu::BufferBindingType::Uniform)).chain(storage).collect()
}
