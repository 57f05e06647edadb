//! `--tune`: each layer's kernels are chosen by measuring them, once.

use std::path::PathBuf;
use std::sync::Arc;

use filter_summary::Pipelines;
use filter_summary::standalone::Gpu;
use filter_summary::tune::Tuner;

use crate::output;

/// Whether kernels are chosen by measuring them.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct TuneArgs {
    /// Choose every layer's kernels by measuring them on the GPU, and keep the choices for the next time
    #[arg(long)]
    tune: bool,

    /// The file that choices are kept in [default: one per adapter, in the user's cache directory]
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

    /// A tuner for the GPU, if one was asked for.
    pub(crate) fn tuner(&self, gpu: &Gpu, pipelines: &Arc<Pipelines>) -> Option<Tuner> {
        if !self.tune {
            return None;
        }
        let tuner = Tuner::new(gpu, pipelines);
        let path = self.tuning_cache.clone().or_else(|| {
            let name = format!("{}-{}", gpu.info.backend, gpu.info.name);
            Some(dirs::cache_dir()?.join("filter-summary").join(file_name(&name)))
        });
        Some(match path {
            Some(path) => tuner.with_cache(&path),
            None => {
                output::notice("there is no cache directory: choices are not kept (see --tuning-cache)");
                tuner
            }
        })
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
    tuner.warnings().iter().for_each(|warning| output::notice(&format!("fsnet: warning: {warning}")));
}

/// `Vulkan-llvmpipe (LLVM 15)` becomes `vulkan-llvmpipe-llvm-15.json`.
fn file_name(adapter: &str) -> String {
    let words = adapter.split(|symbol: char| !symbol.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-").to_lowercase();
    name.truncate(100);
    name + ".json"
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn adapters_name_files() {
        assert_eq!(file_name("vulkan-llvmpipe (LLVM 15.0.6, 256 bits)"), "vulkan-llvmpipe-llvm-15-0-6-256-bits.json");
        assert_eq!(file_name("gl-../../etc/passwd\0é\n"), "gl-etc-passwd.json");
        assert_eq!(file_name(&"x".repeat(500)).len(), 105);
    }
}
