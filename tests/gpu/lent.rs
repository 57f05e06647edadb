//! Layers without weights of their own: summary, gains, scales and biases in buffers of the caller's.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use crate::common::cases::cases;
use crate::common::choices::{choices, few_tiles};
use crate::common::gpu::{assert_exact, device, run};
use crate::common::operands::Data;
use crate::common::selection::{Run, covering, single};
use filter_summary::{
    Algorithm, BufferRange, ChannelParams, Conv2d, ConvBuffers, FsConv2d, Lent, Placement, Plan, PlanOptions, Problem,
    Storage, WeightBuffers, wgpu,
};

/// All that can be.
fn everything() -> Lent {
    Lent::new().with_gains(true).with_scale(true).with_bias(true)
}

/// Every kernel that can read them so, over the table of cases; also where everything lies in read_write bindings.
#[test]
fn what_is_lent_is_read_where_it_is() {
    let Some(device) = device() else { return };
    let table = cases();
    for (software, bind_read_write) in [(true, false), (false, true)] {
        let target = few_tiles(&device.gpu.target()).with_software(software);
        let mut runs = Vec::new();
        for choice in choices(&target).into_iter().filter(|choice| choice.algorithm != Algorithm::Dense) {
            for (index, case) in table.iter().enumerate() {
                let options = choice.options().with_lent(everything()).with_bind_read_write(bind_read_write);
                // Long sums are cut into parts, and fused products do not always fit.
                let Ok(plan) = Plan::new(&case.problem(), &target, options) else { continue };
                runs.push(Run { case, index, choice, storage: Storage::F32, plan });
            }
        }
        let runs = covering(runs, |label| single(label).into_iter().filter(|word| word.contains("lent")).collect());
        assert!(runs.iter().any(|run| run.plan.lent().gains) && runs.iter().any(|run| !run.plan.lent().gains));
        for Run { case, index, plan, .. } in &runs {
            let data = Data::integers(&case.problem(), *index as u64);
            assert_exact(case.name, plan, &run(device, &device.trusted, plan, &data.operands()), &data);
        }
    }
}

/// A long sum adds its bias once, and gains are those of whole filters, or it is refused.
#[test]
fn parts_of_long_sums_share_what_is_lent() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    let placement = Placement::tap_major(4, 16_388, 1, 1, 16_388).expect("placement").with_gains();
    let problem = Problem::new(&placement, Conv2d::default(), [1, 3, 3]).expect("problem");
    let options = PlanOptions::new().with_algorithm(Algorithm::Gather).with_lent(everything());
    let plan = Plan::new(&problem, &target, options).expect("plan");
    assert!(plan.dispatches() > 1, "{:?}", plan.kernels());
    let data = Data::integers(&problem, 3);
    assert_exact("parts", &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);

    let placement = Placement::tap_major(4, 4, 130, 130, 4).expect("placement").with_gains();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 130, 130]).expect("problem");
    let error = Plan::new(&problem, &target, options).expect_err("parts of taps").to_string();
    assert!(error.contains("gains are lent of all taps together"), "{error}");
}

/// What is given must be what the plan reads, each by its name.
#[test]
fn weights_are_given_exactly_where_they_are_read() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement").with_gains();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 4, 4]).expect("problem");
    let target = few_tiles(&device.gpu.target());
    let options = PlanOptions::new().with_algorithm(Algorithm::Gather).with_lent(everything());
    let plan = Plan::new(&problem, &target, options).expect("plan");
    let data = Data::integers(&problem, 0);

    let error = FsConv2d::new(&device.trusted, plan.clone(), &data.summary, ChannelParams::default());
    let error = error.expect_err("a summary of its own").to_string();
    assert!(error.contains("such a layer is made without weights"), "{error}");
    let scale = vec![1.0; 8];
    let params = ChannelParams::new(Some(&scale), None);
    let error = FsConv2d::without_weights(&device.trusted, plan.clone(), params).expect_err("a scale").to_string();
    assert!(error.starts_with("scale is given"), "{error}");

    let layer = FsConv2d::without_weights(&device.trusted, plan.clone(), ChannelParams::default()).expect("layer");
    let buffer = |words: usize| device.gpu.allocate("buffer", 4 * words as u64).expect("buffer");
    let (input, output, summary, gains) = (buffer(128), buffer(128), buffer(136), buffer(72));
    let (scale, short) = (buffer(8), buffer(4));
    let whole = BufferRange::whole;
    let tensors = ConvBuffers::new(whole(&input), whole(&output));
    let with_params = |summary| {
        let weights = WeightBuffers::new(whole(summary)).with_gains(whole(&gains));
        weights.with_scale(whole(&scale)).with_bias(whole(&scale))
    };
    let all = with_params(&summary);
    for (weights, message) in [
        (None, "weights is absent"),
        (Some(all.with_gains(None)), "gains is absent"),
        (Some(all.with_bias(None)), "bias is absent"),
        (Some(all.with_scale(whole(&short))), "scale.size is 16"),
        (Some(all.with_gains(whole(&output))), "output is overlapping gains"),
        (Some(with_params(&short)), "summary.size is 16"),
    ] {
        let error = layer.bind(&tensors.with_weights(weights)).expect_err(message).to_string();
        assert!(error.contains(message), "{error} instead of {message}");
    }
    layer.bind(&tensors.with_weights(all)).expect("all of it");

    let plain = Plan::new(&problem, &target, options.with_lent(Lent::new())).expect("plan");
    let layer_of_its_own = FsConv2d::new(&device.trusted, plain.clone(), &data.summary, ChannelParams::default());
    let error = layer_of_its_own.expect("layer").bind(&tensors.with_weights(all)).expect_err("its own").to_string();
    assert!(error.contains("weights is given"), "{error}");
    let error = layer.with_plan(plain).expect_err("another table").to_string();
    assert!(error.starts_with("lent is"), "{error}");
}

/// Parameters that move between recordings, as those of an engine do: each recording reads its own.
#[test]
fn weights_may_move_from_one_recording_to_the_next() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(4, 4, 3, 3, 4).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 5, 5]).expect("problem");
    let options = PlanOptions::new().with_bind_read_write(true);
    let plan = Plan::new(&problem, &few_tiles(&device.gpu.target()), options).expect("plan");
    let layer =
        Arc::new(FsConv2d::without_weights(&device.trusted, plan.clone(), ChannelParams::default()).expect("layer"));
    // One buffer holds both summaries.
    let data = [0, 1].map(|seed| Data::integers(&problem, 4 * seed));
    let alignment = 64;
    let mut words = vec![0.0; 2 * alignment];
    for (at, data) in data.iter().enumerate() {
        let values = data.summary.values();
        words[at * alignment..at * alignment + values.len()].copy_from_slice(&values);
    }
    let gpu = &device.gpu;
    let summaries = gpu.upload("summaries", &words).expect("upload");
    let workspace = gpu.allocate("workspace", plan.workspace_size().max(4)).expect("workspace");
    for _ in 0..2 {
        for (at, data) in data.iter().enumerate() {
            let input = gpu.upload("input", &data.input).expect("upload");
            let output = gpu.upload("output", &vec![f32::NAN; 100]).expect("upload");
            let offset = 4 * (at * alignment) as u64;
            let range = BufferRange { buffer: &summaries, offset, size: plan.summary_bytes() };
            let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
                .with_workspace(BufferRange::whole(&workspace))
                .with_weights(WeightBuffers::new(range));
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            layer.record(&mut encoder, &buffers).expect("recorded");
            gpu.submit(encoder).expect("submitted");
            let plain = Data { scale: None, bias: None, ..data.clone() };
            assert_exact("moved", &plan, &gpu.download(&output).expect("download"), &plain);
        }
    }
}
