//! A device that is destroyed at any step of a layer's or a network's life ends in a typed error, on a real adapter
//! and on wgpu's device without hardware, which has the same front end; so does what no device has memory for.
#![cfg(all(feature = "cpu", feature = "gradients", feature = "network", feature = "standalone", feature = "tune"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use crate::common::gpu::open;
use crate::common::networks::{network, ternary};
use crate::common::operands::Data;
use crate::common::parts::{floats, integers};
use filter_summary::network::{GpuNetwork, Network};
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::tune::Tuner;
use filter_summary::{
    BufferRange, ChannelParams, Conv2d, ConvBuffers, Error, FsConv2d, FsConv2dGradient, GradientBuffers, GradientPlan,
    Pipelines, Placement, Plan, PlanOptions, Problem, Result, ShaderChecks, Wanted, wgpu,
};
use serde_json::json;

/// A kind of device, and how to open one that may be lost.
type Kind = (&'static str, fn() -> Gpu);

fn kinds() -> Vec<Kind> {
    let mut devices: Vec<Kind> = vec![("noop", noop)];
    if std::env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some() {
        eprintln!("SKIPPED: FILTER_SUMMARY_SKIP_GPU_TESTS is set, no adapter was lost");
    } else {
        devices.push(("adapter", || open().expect("GPU tests need an adapter")));
    }
    devices
}

fn noop() -> Gpu {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    Gpu::of(&device, &queue)
}

/// Goes through a life step by step, and destroys the device before one of them: `None` when there is no such step.
struct Life<'a> {
    gpu: &'a Gpu,
    lost_at: usize,
    step: usize,
    /// The step before which the device was destroyed, and what each step from there on said.
    lost: Option<&'static str>,
    said: Vec<(&'static str, Option<Error>)>,
}

impl<'a> Life<'a> {
    fn new(gpu: &'a Gpu, lost_at: usize) -> Self {
        Self { gpu, lost_at, step: 0, lost: None, said: Vec::new() }
    }

    /// Runs a step; what it made, if anything.
    fn step<T>(&mut self, name: &'static str, run: impl FnOnce() -> Result<T>) -> Option<T> {
        if self.step == self.lost_at {
            self.gpu.device.destroy();
            self.lost = Some(name);
        }
        self.step += 1;
        let made = run();
        match &made {
            Err(error) if self.lost.is_none() => panic!("{name}: {error}"),
            _ if self.lost.is_some() => self.said.push((name, made.as_ref().err().cloned())),
            _ => {}
        }
        made.ok()
    }

    /// What is made on a lost device and not known to be wrong may go on; but the first step that tells must say what
    /// happened, and one of them must.
    fn check(self) -> Option<String> {
        let lost = self.lost?;
        let told: Vec<&(&str, Option<Error>)> = self.said.iter().filter(|(_, error)| error.is_some()).collect();
        assert!(!told.is_empty(), "lost before {lost}: nothing says so: {:?}", self.said);
        for (step, error) in &told {
            assert!(matches!(error, Some(Error::DeviceLost { .. })), "lost before {lost}: {step} says {error:?}");
        }
        let (step, error) = told[0];
        Some(format!("| {lost} | {step} | {} |", error.as_ref().expect("an error")))
    }
}

/// Runs a life once for each of its steps.
fn lose_at_every_step(what: &str, live: impl Fn(&Gpu, &mut Life<'_>)) {
    for (device, open) in kinds() {
        for lost_at in 0.. {
            let gpu = open();
            let mut life = Life::new(&gpu, lost_at);
            live(&gpu, &mut life);
            let Some(row) = life.check() else {
                assert!(lost_at > 4, "{lost_at} steps are no life");
                break;
            };
            eprintln!("| {device} | {what} {row}");
        }
    }
}

fn layer() -> (Problem, Data) {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    let data = Data::integers(&problem, 0);
    (problem, data)
}

/// A layer from its plan to its output.
fn live_as_layer(gpu: &Gpu, life: &mut Life<'_>) {
    let (problem, data) = layer();
    let plan = Plan::new(&problem, &gpu.target(), PlanOptions::default()).expect("plan");
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    if life.step("compile", || pipelines.warm_up([&plan])).is_none() {
        return;
    }
    let workspace = plan.workspace_size().max(16);
    let create = || FsConv2d::new(&pipelines, plan, &data.summary, ChannelParams::default());
    let Some(conv) = life.step("create", create) else { return };
    let Some(input) = life.step("upload", || gpu.upload("input", &data.input)) else { return };
    let bytes = 4 * problem.output_shape().iter().product::<usize>() as u64;
    let allocate = || Ok((gpu.allocate("output", bytes)?, gpu.allocate("workspace", workspace)?));
    let Some((output, workspace)) = life.step("allocate", allocate) else { return };
    let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
        .with_workspace(BufferRange::whole(&workspace));
    if life.step("bind", || conv.bind(&buffers)).is_none() {
        return;
    }
    // A second time with what the layer remembers, which makes nothing new.
    for (record, submit) in [("record", "submit"), ("record again", "submit again")] {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        life.step(record, || conv.record(&mut encoder, &buffers));
        life.step(submit, || gpu.submit(encoder));
    }
    life.step("write", || gpu.write(&input, &data.input));
    life.step("map", || gpu.download(&output));
}

#[test]
fn a_layer_that_loses_its_device_says_so() {
    lose_at_every_step("layer", live_as_layer);
}

/// Gradients from their plan to that of the summary.
fn live_as_gradients(gpu: &Gpu, life: &mut Life<'_>) {
    let (problem, data) = layer();
    let wanted = Wanted::new().with_summary(true);
    let plan = GradientPlan::new(&problem, wanted, &gpu.target(), PlanOptions::default()).expect("plan");
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let workspace = plan.workspace_size();
    let Some(gradient) = life.step("create", || FsConv2dGradient::new(&pipelines, plan)) else { return };
    let Some(input) = life.step("upload", || gpu.upload("input", &data.input)) else { return };
    let bytes = |count: usize| 4 * count as u64;
    let outputs = bytes(problem.output_shape().iter().product());
    let values = bytes(problem.placement().length());
    let allocate = || {
        let grad_output = gpu.allocate("grad_output", outputs)?;
        Ok((grad_output, gpu.allocate("grad_summary", values)?, gpu.allocate("workspace", workspace)?))
    };
    let Some((grad_output, grad_summary, workspace)) = life.step("allocate", allocate) else { return };
    let buffers = GradientBuffers::new(BufferRange::whole(&grad_output))
        .with_input(BufferRange::whole(&input))
        .with_workspace(BufferRange::whole(&workspace))
        .with_grad_summary(BufferRange::whole(&grad_summary));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    if life.step("record", || gradient.record(&mut encoder, &buffers)).is_none() {
        return;
    }
    life.step("submit", || gpu.submit(encoder));
    life.step("map", || gpu.download(&grad_summary));
}

#[test]
fn gradients_that_lose_their_device_say_so() {
    lose_at_every_step("gradients", live_as_gradients);
}

/// A convolution, pooling and a linear layer.
fn small_network() -> Network {
    let nodes = [
        json!({"name": "conv", "op": "fs_conv2d", "input": "input", "out_channels": 4, "activation": "relu",
               "window": {"channels": 3, "height": 1, "width": 1, "strides": [1, 1, 1]}}),
        json!({"name": "pool", "op": "global_avg_pool2d", "input": "conv"}),
        json!({"name": "linear", "op": "linear", "input": "pool"}),
    ];
    let tensors = [
        ("conv.summary", ternary(&[6])),
        ("conv.starts", integers(&[4], 0..4)),
        ("linear.weight", ternary(&[2, 4])),
        ("linear.bias", floats(&[2])),
    ];
    network([3, 8, 8], &nodes, &tensors)
}

/// A network from its plan to its output.
fn live_as_network(gpu: &Gpu, life: &mut Life<'_>) {
    let network = small_network();
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let create = || GpuNetwork::new(&pipelines, &gpu.target(), &network, 2, PlanOptions::default());
    let Some(forward) = life.step("create", create) else { return };
    life.step("upload", || gpu.write(forward.input(), &[1.0; 2 * 3 * 8 * 8]));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    life.step("record", || {
        forward.record_warm_up(&mut encoder);
        forward.record(&mut encoder);
        Ok(())
    });
    life.step("submit", || gpu.submit(encoder));
    life.step("map", || gpu.download(forward.output()));
    // Another of the same kernels.
    let again = || GpuNetwork::new(&pipelines, &gpu.target(), &network, 1, PlanOptions::default());
    life.step("create again", again);
}

#[test]
fn a_network_that_loses_its_device_says_so() {
    lose_at_every_step("network", live_as_network);
}

#[test]
fn a_device_that_goes_while_a_network_is_made_or_runs_is_lost() {
    for delay in 0..40 {
        let gpu = noop();
        let device = gpu.device.clone();
        let destroy = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(200 * delay));
            device.destroy();
        });
        let outcome = forward(&gpu);
        destroy.join().expect("no panic");
        assert!(matches!(outcome, Ok(_) | Err(Error::DeviceLost { .. })), "after {delay}: {outcome:?}");
        assert!(matches!(forward(&gpu), Err(Error::DeviceLost { .. })));
    }
}

fn forward(gpu: &Gpu) -> Result<Vec<f32>> {
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let forward = GpuNetwork::new(&pipelines, &gpu.target(), &small_network(), 2, PlanOptions::default())?;
    gpu.write(forward.input(), &[1.0; 2 * 3 * 8 * 8])?;
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    forward.record(&mut encoder);
    gpu.submit(encoder)?;
    gpu.download(forward.output())
}

#[test]
fn a_lost_device_is_not_tuned() {
    let gpu = noop();
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let mut tuner = Tuner::new(&gpu.device, &gpu.queue, &pipelines);
    gpu.device.destroy();
    let (problem, _) = layer();
    let error = tuner.choose(&problem, PlanOptions::default()).expect_err("an error");
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    assert!(Timestamps::new(&gpu).is_none());
}

#[test]
fn what_a_device_has_no_buffers_for_is_beyond_its_limits() {
    let gpu = noop();
    let limit = gpu.device.limits().max_buffer_size;
    match gpu.allocate("output", limit + 4) {
        Err(Error::Limit { field, value, limit_name: "max_buffer_size", limit: found }) => {
            assert_eq!((field.as_str(), value, found), ("bytes of output", limit + 4, limit));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(gpu.write(&gpu.allocate("input", 4).unwrap(), &[0.0; 2]), Err(Error::Validation { .. })));
}
