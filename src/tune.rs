//! Measured selection: the kernels of a layer are timed on the device, and the fastest
//! that computes right numbers wins.
//!
//! Plans choose by a cost model, for free. A [`Tuner`] runs every candidate on random operands instead,
//! compares its outputs with [`mod@crate::reference`], and times those that are right in turns. It submits and waits,
//! so it belongs to programs that may; what it finds can be kept in a file.
//!
//! ```no_run
//! use std::sync::Arc;
//! use filter_summary::network::{GpuNetwork, Network};
//! use filter_summary::standalone::Gpu;
//! use filter_summary::tune::Tuner;
//! use filter_summary::{PlanOptions, Pipelines, ShaderChecks};
//!
//! let network = Network::load("models/net.safetensors".as_ref())?;
//! let gpu = Gpu::open_best()?;
//! let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
//! let mut tuner = Tuner::new(&gpu.device, &gpu.queue, &pipelines).with_cache("tuning.json".as_ref());
//! let mut choose = |problem: &_, options| tuner.choose(problem, options);
//! let target = gpu.target();
//! let forward = GpuNetwork::with_choices(&pipelines, &target, &network, 8, PlanOptions::default(), &mut choose)?;
//! tuner.save();
//! for warning in tuner.warnings() {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), filter_summary::Error>(())
//! ```

mod cache;
mod candidate;
mod key;
mod sample;
mod select;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::device::pipeline::Pipelines;
use crate::device::scope::is_lost;
use crate::device::wait::wait;
use crate::error::{Error, Result};
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::plan::{Candidates, Plan, PlanOptions, Target};
use crate::standalone::{Gpu, Timestamps};
use cache::{Cache, Choice};
use candidate::DeviceCandidate;
use key::key;
use sample::Sample;
use select::{Expected, select};

/// Chooses kernels by running them on a device, and remembers what it chose.
#[derive(Debug)]
pub struct Tuner {
    gpu: Gpu,
    target: Target,
    pipelines: Arc<Pipelines>,
    timestamps: Option<Timestamps>,
    choices: BTreeMap<String, Choice>,
    measured: usize,
    cache: Option<Cache>,
    warnings: Vec<String>,
}

impl Tuner {
    /// A tuner for a device, which it runs candidates on by `queue`, compiled with `pipelines` of the same device. They
    /// are those for [`Target::of`] the device.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue, pipelines: &Arc<Pipelines>) -> Self {
        let gpu = Gpu::of(device, queue);
        Self {
            target: gpu.target().with_checked_shaders(pipelines.are_checked()),
            pipelines: Arc::clone(pipelines),
            timestamps: Timestamps::new(&gpu),
            gpu,
            choices: BTreeMap::new(),
            measured: 0,
            cache: None,
            warnings: Vec::new(),
        }
    }

    /// Plans for another target of the same device: one that knows its matrices or processors.
    #[must_use]
    pub fn with_target(self, target: Target) -> Self {
        let checked = target.checked || self.pipelines.are_checked();
        Self { target: target.with_checked_shaders(checked), ..self }
    }

    /// Starts from the choices in a file, which [`Tuner::save`] writes.
    ///
    /// One file holds the choices for several adapters, drivers and versions of this crate side by side. One that is
    /// damaged is replaced, with a warning; one that this crate has not written, or a newer version of it has, stays as
    /// it is, with a warning, as is one where nothing can be written ([`check_cache`]). A missing one is none.
    #[must_use]
    pub fn with_cache(mut self, path: &Path) -> Self {
        let (cache, choices, warning) = Cache::open(path, &self.gpu.info);
        self.choices.extend(choices);
        self.warnings.extend(warning);
        self.cache = Some(cache);
        self
    }

    /// The fastest of the [`Candidates`] that computes right numbers; measured now, unless that was done before.
    ///
    /// Where there is only one candidate, it is returned without being run.
    ///
    /// # Errors
    /// When nothing can run the problem, or nothing that does computes right numbers; or the device is lost.
    pub fn choose(&mut self, problem: &Problem, options: PlanOptions) -> Result<Plan> {
        let mut plans = Candidates::new(problem, &self.target, options)?.plans;
        if plans.len() <= 1 {
            // Where there is none, the error says why.
            return plans.pop().map_or_else(|| Plan::new(problem, &self.target, options), Ok);
        }
        let key = key(problem, options, &self.target, &self.pipelines);
        if let Some(choice) = self.choices.get(&key) {
            if let Some(at) = plans.iter().position(|plan| choice.is(plan.kernel_id())) {
                return Ok(plans.swap_remove(at));
            }
            let warning =
                self.cache.as_mut().and_then(|cache| cache.complain_of_choice("it names kernels that do not exist"));
            self.warnings.extend(warning);
        }
        let (winner, seconds) = self.measure(problem, options.storage, &plans)?;
        let plan = plans.swap_remove(winner);
        self.choices.insert(key, Choice::new(plan.kernel_id(), seconds));
        self.measured += 1;
        Ok(plan)
    }

    fn measure(&mut self, problem: &Problem, storage: Storage, plans: &[Plan]) -> Result<(usize, f64)> {
        let sample = Sample::new(problem, storage)?;
        let expected = Expected::new(problem, &sample, storage)?;
        let operands = sample.upload(&self.gpu, storage)?;
        let timestamps = self.timestamps.as_ref();
        let mut candidates: Vec<_> = plans
            .iter()
            .map(|plan| DeviceCandidate::new(&self.gpu, &self.pipelines, timestamps, plan, &sample, &operands))
            .collect();
        let selection = select(&mut candidates, &expected);
        let mut reasons = Vec::new();
        for (index, reason) in selection.rejected {
            let plan = &plans[index];
            reasons.push(format!("{} ({}) {reason}", plan.algorithm().name(), plan.kernels().join(", ")));
        }
        match selection.winner {
            Some(winner) => {
                let warning = |reason| format!("left out on {}: {reason}", self.gpu.info.name);
                self.warnings.extend(reasons.into_iter().map(warning));
                Ok(winner)
            }
            None if wait(is_lost(&self.gpu.device)) => Err(Error::DeviceLost { what: "the measurement".to_owned() }),
            None => Err(Error::Gpu(format!("no kernel computes this layer right: {}", reasons.join("; ")))),
        }
    }

    /// Writes the choices to the file given to [`Tuner::with_cache`], if there is one and something was measured.
    ///
    /// The file is written beside and renamed, after what others have written there meanwhile was read; of two that do
    /// so at the same moment, one loses its choices. What cannot be written is a warning.
    pub fn save(&mut self) {
        if self.measured > 0
            && let Some(cache) = &mut self.cache
        {
            self.warnings.extend(cache.save(&self.choices));
        }
    }

    /// How many problems were measured, and not found among earlier choices.
    pub fn measured(&self) -> usize {
        self.measured
    }

    /// What was replaced, not kept or left out, one line each: at most one about the cache.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// [`Tuner::warnings`], which are then forgotten: for whoever tells them early.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

/// Checks that [`Tuner::save`] can write, and would not replace a file that this version of this crate cannot read.
///
/// # Errors
/// When something lies at `path` that is no tuning cache, or a newer version's, or cannot be read or written.
pub fn check_cache(path: &Path) -> Result<()> {
    cache::check(path)
}

#[cfg(test)]
mod tests;
