//! Memory that runs out at any step of a network's life ends in a typed error. Each step runs in a process of its
//! own, whose address space is closed before that step: software Vulkan takes its memory from there.
#![cfg(all(target_os = "linux", feature = "cpu", feature = "network", feature = "standalone"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::process::Command;
use std::sync::Arc;

use crate::common::gpu::open;
use crate::common::networks::{network, ternary};
use crate::common::parts::integers;
use filter_summary::network::{GpuNetwork, Network};
use filter_summary::standalone::Gpu;
use filter_summary::{Error, Pipelines, PlanOptions, Result, ShaderChecks, wgpu};
use serde_json::json;

/// The step that a process runs out of memory at, in its environment.
const VARIABLE: &str = "FILTER_SUMMARY_EXHAUSTED_STEP";

/// What is left of the address space: enough for what is not a tensor.
const SLACK: u64 = 12 << 20;

/// Of the input and of the output, 120 MiB each: more than drivers and wgpu keep in reserve.
const SHAPE: [usize; 3] = [8, 1024, 3840];
const VALUES: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];

/// Steps, whose memory runs out there, and for what.
const STEPS: [(&str, &str, &str); 8] = [
    ("create", "the device", "fs_input, 120 MiB"),
    ("upload", "the device", "input, 120 MiB"),
    ("fill", "the device", "input, 120 MiB"),
    ("write", "the device", "written values, 120 MiB"),
    // These take little memory, but what is read back after them is large.
    ("record", "", "the readback, 120 MiB"),
    ("submit", "", "the readback, 120 MiB"),
    ("map", "the device", "the readback, 120 MiB"),
    ("read", "this program", "the readback, 120 MiB"),
];

#[test]
fn memory_that_runs_out_is_a_typed_error_at_every_step() {
    if std::env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some() {
        eprintln!("SKIPPED: FILTER_SUMMARY_SKIP_GPU_TESTS is set, no memory ran out");
        return;
    }
    let adapter = open().expect("GPU tests need an adapter");
    if !adapter.target().is_software() || Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("SKIPPED: memory of {} cannot be limited", adapter.describe());
        return;
    }
    let tests = std::env::current_exe().expect("this program");
    for (step, place, what) in STEPS {
        let mut command = Command::new(&tests);
        // One thread of the driver's takes as much address space as a tensor.
        command
            .args(["--exact", "exhausted::a_process_that_runs_out", "--nocapture"])
            .env(VARIABLE, step)
            .env("LP_NUM_THREADS", "1")
            // The image is large: here optimised kernels pay.
            .env_remove("GALLIVM_PERF");
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let said = text.lines().find_map(|line| line.split_once("OUTCOME ")).map(|(_, said)| said.to_owned());
        let want = format!("{place} is out of memory for {what}");
        assert!(said.as_ref().is_some_and(|said| said.ends_with(&want)), "{step}: {:?} {text}", output.status);
        assert!(output.status.success(), "{step}: {text}");
        eprintln!("| {step} | {} |", said.unwrap_or_default());
    }
}

/// Does nothing but when the test above asks.
#[test]
fn a_process_that_runs_out() {
    let Some(step) = std::env::var_os(VARIABLE) else { return };
    let outcome = live(step.to_str().expect("a step"));
    assert!(matches!(outcome, Ok(()) | Err(Error::OutOfMemory { .. })), "{outcome:?}");
    println!("\nOUTCOME {}", outcome.err().map_or_else(|| "none".to_owned(), |error| error.to_string()));
}

/// A network of one layer of 1x1 taps on a large image.
fn wide_network() -> Network {
    let nodes = [json!({"name": "conv", "op": "fs_conv2d", "input": "input", "out_channels": 8,
                        "window": {"channels": 8, "height": 1, "width": 1, "strides": [1, 1, 1]}})];
    let tensors = [("conv.summary", ternary(&[15])), ("conv.starts", integers(&[8], 0..8))];
    network(SHAPE, &nodes, &tensors)
}

fn live(exhausted: &str) -> Result<()> {
    let gpu = open()?;
    let network = wide_network();
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let values = vec![1.0; VALUES];
    let create = || GpuNetwork::new(&pipelines, &gpu.target(), &network, 1, PlanOptions::default());
    // Compiles, and has all threads that there will be.
    let forward = create()?;
    run(&gpu, &forward, &values)?;
    let close = |step: &str| {
        if step == exhausted {
            close(if step == "read" { 4 * VALUES as u64 } else { 0 });
        }
    };
    close("create");
    if exhausted == "create" {
        // wgpu may have room for one more.
        let mut networks = Vec::new();
        while networks.len() < 4 {
            networks.push(create()?);
        }
    }
    close("upload");
    if exhausted == "upload" {
        return gpu.upload("input", &values).map(|_| ());
    }
    close("fill");
    if exhausted == "fill" {
        return gpu.fill("input", f32::NAN, VALUES).map(|_| ());
    }
    close("write");
    gpu.write(forward.input(), &values)?;
    close("record");
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    forward.record(&mut encoder);
    close("submit");
    gpu.submit(encoder)?;
    close("map");
    close("read");
    gpu.download(forward.output()).map(|_| ())
}

fn run(gpu: &Gpu, forward: &GpuNetwork, values: &[f32]) -> Result<()> {
    gpu.write(forward.input(), values)?;
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    forward.record(&mut encoder);
    gpu.submit(encoder)
}

/// Lets the address space of this process grow by so many bytes and [`SLACK`] more.
fn close(bytes: u64) {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: u64 = pages.split_whitespace().next().expect("a size").parse().expect("pages");
    let limit = pages * 4096 + SLACK + bytes;
    let own = std::process::id().to_string();
    let status = Command::new("prlimit").args(["--pid", &own, &format!("--as={limit}")]).status();
    assert!(status.expect("prlimit").success());
}
