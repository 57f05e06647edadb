//! `--tune`: each layer's kernels are chosen by measuring them, once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use filter_summary::Pipelines;
use filter_summary::standalone::Gpu;
use filter_summary::tune::{Tuner, check_cache};

use crate::output;

/// Whether kernels are chosen by measuring them.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct TuneArgs {
    /// Choose every layer's kernels by measuring them on the GPU, and keep the choices for the next time
    #[arg(long)]
    tune: bool,

    /// The file that choices are kept in, for any number of adapters [default: filter-summary/tuning.json in the
    /// user's cache directory]
    #[arg(long, value_name = "FILE", requires = "tune")]
    tuning_cache: Option<PathBuf>,
}

impl TuneArgs {
    /// Whether it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.tune
    }

    /// Why an adapter is needed, if it was asked for.
    pub(crate) fn need_adapter(&self) -> Option<&'static str> {
        self.tune.then_some("--tune measures adapters")
    }

    /// Refuses to keep choices in a file that is something else, before anything is measured.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(path) = &self.tuning_cache else { return Ok(()) };
        output::refuse_standard_output("--tuning-cache", path)?;
        check_cache(path).context("--tuning-cache")
    }

    /// A tuner for the GPU, if one was asked for.
    pub(crate) fn tuner(&self, gpu: &Gpu, pipelines: &Arc<Pipelines>) -> Option<Tuner> {
        if !self.tune {
            return None;
        }
        let mut tuner = Tuner::new(&gpu.device, &gpu.queue, pipelines).with_target(gpu.target());
        let default = || Some(dirs::cache_dir()?.join("filter-summary").join("tuning.json"));
        match self.tuning_cache.clone().or_else(default) {
            Some(path) => tuner = tuner.with_cache(&path),
            None => output::notice("there is no cache directory: choices are not kept (see --tuning-cache)"),
        }
        // Before minutes of measuring.
        tell(&mut tuner);
        Some(tuner)
    }

    /// Says that the CPU executor cannot be tuned, if it was asked for.
    pub(crate) fn refuse_on_cpu(&self) {
        if self.tune {
            output::notice("--tune: the CPU executor has nothing to tune");
        }
    }
}

/// Keeps the choices, and passes the warnings on.
pub(crate) fn finish(tuner: &mut Tuner) {
    tuner.save();
    tell(tuner);
}

fn tell(tuner: &mut Tuner) {
    tuner.take_warnings().iter().for_each(|warning| output::notice(&format!("fsnet: warning: {warning}")));
}
