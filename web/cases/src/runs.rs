//! The runs of the table, for JavaScript.

use std::sync::LazyLock;

use filter_summary::Target;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Result;
use crate::common::cases::{Case, cases};
use crate::common::selection::{Run, table};
use crate::convolution::check;
use crate::device::Device;

static CASES: LazyLock<Vec<Case>> = LazyLock::new(cases);

/// A device, and the runs that ordinary native tests make on it: as on a software adapter, then as on a GPU.
#[wasm_bindgen]
pub struct Runs {
    device: Device,
    runs: Vec<Run<'static>>,
}

#[wasm_bindgen]
impl Runs {
    /// Opens the device, and plans.
    ///
    /// # Errors
    /// When there is no adapter, or it refuses a device.
    pub async fn open() -> Result<Self> {
        let device = Device::open().await?;
        let target = Target::of(&device.device);
        let runs = [true, false].into_iter().flat_map(|software| table(&CASES, &target, software)).collect();
        Ok(Self { device, runs })
    }

    /// How many there are.
    #[wasm_bindgen(getter)]
    pub fn count(&self) -> usize {
        self.runs.len()
    }

    /// The name of one: its case and its kernels.
    pub fn name(&self, index: usize) -> String {
        let Run { case, plan, .. } = &self.runs[index];
        format!("{} on {}", case.name, plan.kernels().join(" and "))
    }

    /// Runs one.
    ///
    /// # Errors
    /// The first output that is not what the reference has, or what the device refuses.
    pub async fn check(&self, index: usize) -> Result<()> {
        let Run { index, plan, .. } = &self.runs[index];
        check(&self.device, plan, *index as u64).await
    }
}
