//! Filter Summary networks for JavaScript, as the npm package `filter-summary` calls them; `web/package` has the
//! classes that pages see.
//!
//! ```text
//! Model              a parsed network file: pictures to values, outputs to classes
//!   GpuDevice          an adapter with a device (feature `gpu`)
//!     -> GpuForward    a network on it
//!   CpuForward         a network on the CPU (feature `cpu`)
//! ```
//!
//! Every error is a JavaScript `Error` with the one line that native programs print.

#[cfg(feature = "cpu")]
mod cpu;
mod error;
#[cfg(feature = "gpu")]
mod gpu;
mod kernel;
mod layer;
mod model;

#[cfg(feature = "cpu")]
pub use cpu::{CpuForward, run_layer_on_cpu};
#[cfg(feature = "gpu")]
pub use gpu::{GpuDevice, GpuForward, run_layer};
pub use layer::LayerOutput;
pub use model::Model;

/// A panic would be a fault of ours, and the module is lost after it: whoever looks at the console shall see which.
#[cfg(target_family = "wasm")]
#[wasm_bindgen::prelude::wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&error::one_line(&panic.to_string()))));
}
