//! Single layers, as safetensors.
#![no_main]
#![allow(clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]

use conformance::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    Reader::Layer.read(bytes.to_vec()).unwrap();
});
