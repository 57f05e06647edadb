//! The GPUs: how a driver is told to be one, what plans are told, and what the real one can do at its peak.

use serde::Deserialize;

use crate::code::Compiler;
use crate::fault::Result;

/// An entry of `gpus.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Gpu {
    pub(crate) name: String,
    /// The board whose numbers these are.
    pub(crate) board: String,
    #[serde(rename = "code")]
    pub(crate) compiler: Compiler,
    /// Only where more is asked for.
    pub(crate) more: bool,
    /// Of `libvulkan_LIBRARY.so`.
    pub(crate) library: String,
    /// Of `libSHIM_noop_drm_shim.so`.
    pub(crate) shim: String,
    /// What it is set by.
    pub(crate) variable: Option<String>,
    pub(crate) processors: u32,
    pub(crate) workgroup_memory: u32,
    pub(crate) threads: u32,
    pub(crate) subgroups: [u32; 2],
    /// A second.
    pub(crate) clock: f64,
    /// Vector instructions a clock of a processor, in lanes: at its peak, multiply-adds of f32.
    pub(crate) lanes: u32,
    /// Bytes of workgroup memory a clock of a processor; `None` where nobody has said.
    pub(crate) workgroup_bytes: Option<u32>,
    /// Bytes of memory a second.
    pub(crate) memory: f64,
    /// Multiply-adds of matrices of f16 into f32 a clock of a processor.
    pub(crate) matrix: Option<u32>,
    /// Threads of a processor for each of the waves that the driver tells of.
    pub(crate) threads_a_wave: Option<u32>,
    pub(crate) source: String,
}

/// All of them.
pub(crate) fn all() -> Result<Vec<Gpu>> {
    serde_json::from_str(include_str!("../gpus.json")).map_err(|error| format!("isa/gpus.json: {error}"))
}

impl Gpu {
    /// Vector instructions of lanes a second, of all processors.
    pub(crate) fn issue(&self) -> f64 {
        f64::from(self.processors) * f64::from(self.lanes) * self.clock
    }

    /// Bytes of workgroup memory a second, of all processors.
    pub(crate) fn workgroup_rate(&self) -> Option<f64> {
        self.workgroup_bytes.map(|bytes| f64::from(self.processors) * f64::from(bytes) * self.clock)
    }

    /// What a program needs to run on it: name, library, shim, variable, `more` or nothing.
    pub(crate) fn line(&self) -> String {
        let variable = self.variable.as_deref().unwrap_or_default();
        [self.name.as_str(), &self.library, &self.shim, variable, if self.more { "more" } else { "" }].join("\t")
    }
}
