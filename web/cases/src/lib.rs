//! The table of cases of `tests/common` on a browser's WebGPU, for `web/tests/cases.test.mjs`: the browser's compiler
//! and its device against the reference. Runs and their selection are those of native tests with tiles for GPUs.
#![cfg(target_family = "wasm")]

mod convolution;
mod device;
mod runs;

#[path = "../../../tests/common"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what native tests share, of which this uses a part"
)]
mod common {
    pub(crate) mod cases;
    pub(crate) mod choices;
    pub(crate) mod operands;
    pub(crate) mod selection;
    pub(crate) mod variants;
}

pub use runs::Runs;

/// What is wrong, in one line.
type Result<T> = std::result::Result<T, String>;

/// Tests stop at what they do not expect: with its text.
#[wasm_bindgen::prelude::wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}
