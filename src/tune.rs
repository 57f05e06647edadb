//! Measured selection: the kernels of a layer are timed on the device, and the fastest that computes right numbers wins.
//!
//! Plans choose by a cost model, for free. A [`Tuner`] runs every candidate on random operands instead, compares its outputs
//! with [`mod@crate::reference`], and times those that are right in turns. It submits and waits, so it belongs to programs that
//! may; what it finds can be kept in a file.
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
//! let mut tuner = Tuner::new(&gpu, &pipelines).with_cache("tuning.json".as_ref());
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
mod sample;
mod select;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::device::pipeline::Pipelines;
use crate::device::scope::is_lost;
use crate::device::wait::wait;
use crate::error::{Error, Result};
use crate::method::algorithm::Algorithm;
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::plan::{Family, Plan, PlanOptions, Target};
use crate::standalone::{Gpu, Timestamps};
use cache::{Cache, Choice};
use candidate::DeviceCandidate;
use sample::Sample;
use select::{Expected, select};

/// Every way to compute `problem` on `target` that `options` leave open, without those that compute it in the same way. The
/// first is what a plan chooses by itself.
///
/// Dense kernels are among them only where nothing is compressed, or where nothing else runs: weights stay as small on the
/// device as they are in the file.
pub fn candidates(problem: &Problem, target: &Target, options: PlanOptions) -> Vec<PlanOptions> {
    variants(problem, target, options).into_iter().map(|(options, _)| options).collect()
}

fn variants(problem: &Problem, target: &Target, options: PlanOptions) -> Vec<(PlanOptions, Plan)> {
    let mut found: Vec<(PlanOptions, Plan)> = Vec::new();
    let mut add = |options: PlanOptions| {
        // What the device cannot run is no candidate.
        let Ok(plan) = Plan::new(problem, target, options) else { return };
        if !found.iter().any(|(_, other)| name(other) == name(&plan)) {
            found.push((
                PlanOptions { algorithm: Some(plan.algorithm()), family: Some(plan.family()), ..options },
                plan,
            ));
        }
    };
    add(options);
    let may_be_dense = problem.placement().ratio() <= 1.0;
    let algorithms = Algorithm::ALL.iter().filter(|&&algorithm| algorithm != Algorithm::Dense || may_be_dense);
    let algorithms: Vec<_> =
        options.algorithm.map_or_else(|| algorithms.copied().collect(), |algorithm| vec![algorithm]);
    let families = options.family.map_or_else(|| Family::ALL.to_vec(), |family| vec![family]);
    for family in families.into_iter().map(Some) {
        for algorithm in algorithms.iter().copied().map(Some) {
            add(PlanOptions { algorithm, family, ..options });
            if options.hankel_levels.is_none() {
                // None, and as many as there may be.
                for levels in [0, u32::MAX] {
                    add(PlanOptions { algorithm, family, hankel_levels: Some(levels), ..options });
                }
            }
        }
    }
    found
}

/// What tells candidates of one problem apart.
fn name(plan: &Plan) -> (&'static str, Vec<String>) {
    (plan.algorithm().name(), plan.kernels())
}

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
    /// A tuner for `gpu`, which compiles its candidates with `pipelines` of the same device.
    pub fn new(gpu: &Gpu, pipelines: &Arc<Pipelines>) -> Self {
        Self {
            gpu: gpu.clone(),
            target: gpu.target(),
            pipelines: Arc::clone(pipelines),
            timestamps: Timestamps::new(gpu),
            choices: BTreeMap::new(),
            measured: 0,
            cache: None,
            warnings: Vec::new(),
        }
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

    /// The fastest of [`candidates`] that computes right numbers; measured now, unless that was done before.
    ///
    /// Where there is only one candidate, it is returned without being run.
    ///
    /// # Errors
    /// When nothing can run the problem, or nothing that does computes right numbers; or the device is lost.
    pub fn choose(&mut self, problem: &Problem, options: PlanOptions) -> Result<PlanOptions> {
        let variants = variants(problem, &self.target, options);
        match variants.as_slice() {
            [] => return Plan::new(problem, &self.target, options).map(|_| options),
            [(only, _)] => return Ok(*only),
            _ => {}
        }
        let key = key(problem, options, &self.target, &self.pipelines);
        if let Some(choice) = self.choices.get(&key) {
            if let Some((found, _)) = variants.iter().find(|(_, plan)| choice.is(name(plan))) {
                return Ok(*found);
            }
            let warning =
                self.cache.as_mut().and_then(|cache| cache.complain_of_choice("it names kernels that do not exist"));
            self.warnings.extend(warning);
        }
        let (winner, seconds) = self.measure(problem, options.storage, &variants)?;
        let (options, plan) = &variants[winner];
        self.choices.insert(key, Choice::new(name(plan), seconds));
        self.measured += 1;
        Ok(*options)
    }

    fn measure(
        &mut self,
        problem: &Problem,
        storage: Storage,
        variants: &[(PlanOptions, Plan)],
    ) -> Result<(usize, f64)> {
        let sample = Sample::new(problem, storage)?;
        let expected = Expected::new(problem, &sample, storage)?;
        let operands = sample.upload(&self.gpu, storage)?;
        let timestamps = self.timestamps.as_ref();
        let plans = variants.iter().map(|(_, plan)| plan);
        let mut candidates: Vec<_> = plans
            .map(|plan| DeviceCandidate::new(&self.gpu, &self.pipelines, timestamps, plan, &sample, &operands))
            .collect();
        let selection = select(&mut candidates, &expected);
        let mut reasons = Vec::new();
        for (index, reason) in selection.rejected {
            let (algorithm, kernels) = name(&variants[index].1);
            reasons.push(format!("{algorithm} ({}) {reason}", kernels.join(", ")));
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

/// Names a problem with all that the time of its kernels depends on. Readable in front, complete in the number behind.
fn key(problem: &Problem, options: PlanOptions, target: &Target, pipelines: &Pipelines) -> String {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    // Writing to a digest cannot fail.
    let _ = write!(digest, "{problem:?} {options:?} {target:?} {:?}", pipelines.checks());
    let [batch, channels, height, width] = problem.input_shape();
    let [_, filters, out_height, out_width] = problem.output_shape();
    let window = problem.placement().window();
    format!(
        "{batch}x{channels}x{height}x{width} to {filters}x{out_height}x{out_width}, {}x{}, summary {}, {:016x}",
        window.height(),
        window.width(),
        problem.placement().length(),
        digest.0
    )
}

/// FNV-1a: the same on every platform and in every version of Rust.
struct Digest(u64);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
