//! What an engine keeps in place: weights that are written over by `update_summary`, or lent by the caller, and
//! residuals that become outputs.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::gpu::{Device, assert_exact, device};
use crate::common::operands::{Data, Random};
use filter_summary::{
    Algorithm, BoundConv, BufferRange, ChannelParams, Conv2d, ConvBuffers, Family, FilterSummary, FsConv2d, Placement,
    Plan, PlanOptions, Precision, Problem, Quantization, Storage, wgpu,
};

/// Without tap gains, and with them.
fn placements() -> [Placement; 2] {
    let placement = Placement::tap_major(12, 8, 3, 3, 4).expect("placement");
    [placement.clone(), placement.with_gains()]
}

fn plan(device: &Device, placement: &Placement, batch: usize, algorithm: Algorithm, storage: Storage) -> Plan {
    let problem = Problem::new(placement, Conv2d::padded(1), [batch, 6, 7]).expect("problem");
    let options = PlanOptions::new().with_algorithm(algorithm).with_storage(storage);
    Plan::new(&problem, &device.gpu.target(), options).expect("a plan")
}

/// Small integers, of 8 bits with a quantization of the seed's own.
fn summary(placement: &Placement, precision: Precision, seed: u64) -> FilterSummary {
    let mut random = Random::new(seed);
    let gains: Vec<f32> = (0..placement.gains()).map(|_| random.integer()).collect();
    let summary = if precision == Precision::U8 {
        let levels = (0..placement.length()).map(|_| random.below(5) as u8).collect();
        let quantization = Quantization::new(1.0 + seed as f32, -2.0 * seed as f32).expect("quantization");
        FilterSummary::from_levels(levels, quantization, placement.clone()).expect("summary")
    } else {
        let values = (0..placement.length()).map(|_| random.integer()).collect();
        FilterSummary::new(values, placement.clone()).expect("summary")
    };
    if placement.has_gains() { summary.with_gains(gains).expect("gains") } else { summary }
}

/// A layer on buffers of its own.
struct Bound {
    layer: FsConv2d,
    bound: BoundConv,
    output: wgpu::Buffer,
    data: Data,
}

impl Bound {
    fn new(device: &Device, layer: FsConv2d) -> Self {
        let (gpu, plan) = (&device.gpu, layer.plan());
        let data = Data { scale: None, bias: None, ..Data::integers(plan.problem(), 7) };
        let input = gpu.upload("input", &data.input).expect("input");
        let outputs = plan.problem().output_shape().iter().product();
        let output = gpu.fill("output", f32::NAN, outputs).expect("output");
        let workspace = gpu.allocate("workspace", plan.workspace_size().max(4)).expect("workspace");
        let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output));
        let bound = layer.bind(&buffers.with_workspace(BufferRange::whole(&workspace))).expect("bindings");
        Self { layer, bound, output, data }
    }

    /// Runs on the bindings of before, and compares with what `summary` computes.
    fn check(&self, device: &Device, summary: &FilterSummary) {
        let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
        self.bound.record(&mut encoder.begin_compute_pass(&Default::default()));
        device.gpu.submit(encoder).expect("it runs");
        let got = device.gpu.download(&self.output).expect("output");
        let data = Data { summary: summary.clone(), ..self.data.clone() };
        assert_exact("changed weights", self.layer.plan(), &got, &data);
    }
}

#[test]
fn a_summary_is_written_over_another() {
    let Some(device) = device() else { return };
    let [plain, with_gains] = placements();
    let storages = [Storage::F32, Storage::F16_WEIGHTS, Storage::U8_WEIGHTS];
    // Gains are f32 whatever the summary is: one storage stands for all.
    let layers = storages.map(|storage| (&plain, storage)).into_iter().chain([(&with_gains, Storage::U8_WEIGHTS)]);
    for (placement, storage) in layers {
        for &algorithm in Algorithm::ALL {
            let [first, second, third] = [1, 2, 3].map(|seed| summary(placement, storage.weights(), seed));
            let plan_of = |batch| plan(device, placement, batch, algorithm, storage);
            let layer = FsConv2d::new(&device.trusted, plan_of(1), &first, ChannelParams::default()).expect("a layer");
            let sibling = layer.with_plan(plan_of(2)).expect("the same weights");
            let both = [Bound::new(device, layer), Bound::new(device, sibling)];
            both.iter().for_each(|bound| bound.check(device, &first));
            both[0].layer.update_summary(&device.gpu.queue, &second).expect("an update");
            both.iter().for_each(|bound| bound.check(device, &second));
            both[1].layer.update_summary(&device.gpu.queue, &third).expect("an update");
            both.iter().for_each(|bound| bound.check(device, &third));
            // What is bound later, or made later on the same weights, has the last too.
            let late = both[0].layer.with_plan(plan_of(3)).expect("the same weights");
            Bound::new(device, late).check(device, &third);
            // Levels, where weights are wider, are written as what they stand for.
            let levels = summary(placement, Precision::U8, 3);
            both[0].layer.update_summary(&device.gpu.queue, &levels).expect("an update");
            both.iter().for_each(|bound| bound.check(device, &levels));
        }
    }
    let f32 = summary(&plain, Precision::F32, 1);
    let plan = plan(device, &plain, 1, Algorithm::Gather, Storage::U8_WEIGHTS);
    let layer = FsConv2d::new(&device.trusted, plan, &summary(&plain, Precision::U8, 1), ChannelParams::default());
    let layer = layer.expect("a layer");
    let message =
        |summary: &FilterSummary| layer.update_summary(&device.gpu.queue, summary).expect_err("an error").to_string();
    assert_eq!(message(&f32), "summary is f32: the plan has 8-bit weights: quantize it");
    let elsewhere = Placement::tap_major(12, 8, 3, 3, 8).expect("placement");
    let elsewhere = FilterSummary::new(vec![0.0; elsewhere.length()], elsewhere).expect("summary");
    assert_eq!(message(&elsewhere), "summary is placed otherwise: its placement must be the plan's");
}

#[test]
fn weights_are_read_from_a_callers_buffer() {
    let Some(device) = device() else { return };
    let gpu = &device.gpu;
    let both = placements();
    for (placement, algorithm) in both.iter().flat_map(|of| [(of, Algorithm::Gather), (of, Algorithm::Shared)]) {
        let plan = plan(device, placement, 1, algorithm, Storage::F32);
        // The gains stay.
        let first = summary(placement, Precision::F32, 1);
        let gains = first.gains().map(<[f32]>::to_vec);
        let second = summary(placement, Precision::F32, 2);
        let second = match &gains {
            Some(gains) => second.with_gains(gains.clone()).expect("gains"),
            None => second,
        };
        let params =
            gains.as_deref().map_or(ChannelParams::default(), |gains| ChannelParams::default().with_lent_gains(gains));
        let mut words = vec![f32::NAN; 64];
        words.extend_from_slice(&first.values());
        words.resize(words.len().next_multiple_of(4) + 64, 0.0);
        let arena = gpu.upload("arena", &words).expect("a buffer");
        let lent = BufferRange { buffer: &arena, offset: 256, size: plan.summary_bytes() };
        let build = |lent| FsConv2d::with_weights(&device.trusted, plan.clone(), lent, params);
        let bound = Bound::new(device, build(lent).expect("a layer"));
        assert_eq!(bound.layer.summary_bytes(), plan.summary_bytes());
        bound.check(device, &first);
        gpu.queue.write_buffer(&arena, 256, bytes(&second.values()).as_slice());
        bound.check(device, &second);

        let error = bound.layer.update_summary(&gpu.queue, &first).expect_err("an error").to_string();
        assert_eq!(error, "weights is lent: they are in a buffer of the caller's: write there");
        let message = |lent| build(lent).expect_err("an error").to_string();
        assert!(message(BufferRange { size: 4, ..lent }).starts_with("weights.size is 4: "));
        assert!(message(BufferRange { offset: 4, ..lent }).starts_with("weights.offset is 4: "));
        let usage = wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: 1 << 16, usage, mapped_at_creation: false };
        let unusable = gpu.device.create_buffer(&descriptor);
        assert!(message(BufferRange::whole(&unusable)).starts_with("weights.buffer is "));
        // The output may not lie on top of the weights.
        let input = gpu.upload("input", &bound.data.input).expect("input");
        let workspace = gpu.allocate("workspace", plan.workspace_size().max(4)).expect("workspace");
        let buffers =
            ConvBuffers::new(BufferRange::whole(&input), BufferRange { size: arena.size(), offset: 0, ..lent });
        let error = bound.layer.bind(&buffers.with_workspace(BufferRange::whole(&workspace)));
        let error = error.expect_err("an error").to_string();
        assert!(error.starts_with("output is overlapping weights: ") || error.starts_with("output.size"), "{error}");
    }
    let levels = plan(device, &both[0], 1, Algorithm::Gather, Storage::U8_WEIGHTS);
    let arena = gpu.allocate("arena", 1 << 12).expect("a buffer");
    let refused = FsConv2d::with_weights(&device.trusted, levels, BufferRange::whole(&arena), ChannelParams::default());
    assert!(refused.expect_err("an error").to_string().starts_with("storage is u8-weights: "));
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Every element of the residual is read by the invocation that writes it in the output.
#[test]
fn a_residual_may_be_the_output() {
    let Some(device) = device() else { return };
    let target = device.gpu.target();
    for family in Family::ALL.iter().copied().filter(|family| family.runs_on(&target) && family.computes(Storage::F32))
    {
        for &algorithm in Algorithm::ALL {
            let options = PlanOptions::new().with_family(family).with_algorithm(algorithm).with_bind_read_write(true);
            let problem = Problem::new(&placements()[0], Conv2d::padded(1), [2, 6, 7]).expect("problem");
            let problem = problem.with_residual();
            let plan = match Plan::new(&problem, &target, options) {
                // Not every family has it.
                Err(_) if algorithm == Algorithm::Fused => continue,
                plan => plan.expect("a plan"),
            };
            let data = Data { scale: None, bias: None, ..Data::integers(&problem, 11) };
            let build = |plan: Plan| {
                FsConv2d::new(&device.trusted, plan, &data.summary, ChannelParams::default()).expect("a layer")
            };
            let layer = build(plan.clone());
            let input = device.gpu.upload("input", &data.input).expect("input");
            let both = device.gpu.upload("both", data.residual.as_ref().expect("a residual")).expect("residual");
            let workspace = device.gpu.allocate("workspace", plan.workspace_size().max(4)).expect("workspace");
            let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&both))
                .with_residual(BufferRange::whole(&both))
                .with_workspace(BufferRange::whole(&workspace));
            let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
            layer.record(&mut encoder, &buffers).expect("it binds");
            device.gpu.submit(encoder).expect("it runs");
            assert_exact("in place", &plan, &device.gpu.download(&both).expect("output"), &data);
            let apart = build(Plan::new(&problem, &target, options.with_bind_read_write(false)).expect("a plan"));
            assert!(apart.bind(&buffers).is_err(), "bound read-only and read_write at once");
        }
    }
}
