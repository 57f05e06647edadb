//! Device memory of weights: they stay as small on the device as they are in a file.
#![cfg(feature = "files")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::common::cases::cases;
use crate::common::operands::Data;
use filter_summary::network::{GpuNetwork, Network, Op};
use filter_summary::{
    Algorithm, ChannelParams, Conv2d, FilterSummary, FsConv2d, Pipelines, Placement, Plan, PlanOptions, Precision,
    Problem, ShaderChecks, Sharing, Starts, Storage, Target, wgpu,
};

/// The bound: this much more than the values themselves.
const MOST: f64 = 1.2;

/// Bytes of a summary, and of the tables its kernels need: scales and biases; a base for every tap of every filter
/// (gather); or for every distinct base its place and its slot, and for every tap of every filter a slot (shared).
fn bytes(problem: &Problem, algorithm: Algorithm) -> [u64; 2] {
    let (placement, groups) = (problem.placement(), problem.conv().groups);
    let (filters, window) = (placement.filters(), placement.window());
    // Two bases or slots a tap, and a fraction a filter, where filters are blends.
    let neighbours = placement.neighbours();
    let (taps, fractions) = (filters * neighbours * window.taps(), filters * (neighbours - 1));
    let table = match algorithm {
        // Groups are padded to the one with most bases.
        Algorithm::Shared => 2 * groups * most_bases(placement, groups) + taps,
        // Two cuts into tiles: the filters of each, the bases of its tiles, and which filters end where.
        Algorithm::Fused => 2 * filters + taps + 4 * groups * most_bases(placement, groups).next_multiple_of(72),
        _ => taps,
    };
    [placement.length(), table + fractions + 2 * filters + placement.gains()].map(|words| 4 * words as u64)
}

fn most_bases(placement: &Placement, groups: usize) -> usize {
    let size = placement.filters() / groups;
    let bases = |group: usize| {
        let filters = group * size..(group + 1) * size;
        let starts = match placement.starts() {
            Starts::Line { length, starts } => Starts::Line { length: *length, starts: starts[filters].to_vec() },
            Starts::Volume { dims, starts } => Starts::Volume { dims: *dims, starts: starts[filters].to_vec() },
            Starts::Learned { length, positions, unit } => {
                Starts::Learned { length: *length, positions: positions[filters].to_vec(), unit: *unit }
            }
            other => panic!("{other:?}"),
        };
        let alone = Placement::new(placement.window().clone(), starts, placement.boundary()).expect("a placement");
        Sharing::new(&alone, 1).bases()
    };
    (0..groups).map(bases).max().expect("a group")
}

#[test]
fn weights_of_a_layer_are_hardly_more_than_its_summary() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    for case in cases() {
        let problem = case.problem();
        let data = Data::integers(&problem, 0);
        for algorithm in [Algorithm::Gather, Algorithm::Shared] {
            let options = PlanOptions::new().with_algorithm(algorithm);
            let plan = Plan::new(&problem, &Target::portable(), options).expect(case.name);
            let layer = FsConv2d::new(&pipelines, plan, &data.summary, ChannelParams::default()).expect(case.name);
            let [summary, table] = bytes(&problem, algorithm);
            // A summary is padded to whole vectors of 16 bytes.
            assert!((summary..summary + 16).contains(&layer.summary_bytes()), "{} {algorithm:?}", case.name);
            let most = MOST * (summary.next_multiple_of(16) + table) as f64;
            let got = layer.weight_bytes();
            assert_eq!(got, layer.summary_bytes() + layer.table_bytes());
            assert!(got as f64 <= most, "{} {algorithm:?}: {got} bytes, at most {most}", case.name);
        }
    }
}

/// The bundled networks whose weights are f32.
fn models() -> Vec<PathBuf> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let files = std::fs::read_dir(directory).expect("models").map(|entry| entry.expect("an entry").path());
    let networks: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().contains("resnet20-")).collect();
    assert!(networks.len() >= 4, "{networks:?}");
    networks
}

#[test]
fn weights_of_a_network_are_hardly_more_than_its_summaries() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    for path in models() {
        let (network, name) = (Network::load(&path).expect("a network"), path.display());
        for algorithm in [None, Some(Algorithm::Gather), Some(Algorithm::Shared)] {
            let options = PlanOptions::new().with_algorithm(algorithm);
            let forward = GpuNetwork::new(&pipelines, &Target::portable(), &network, 4, options).expect("it builds");
            let (mut summaries, mut tables, mut dense) = (0, 0, 0);
            for (node, plan) in forward.layers() {
                let Op::Conv(conv) = &network.nodes()[node].op else { panic!("{node} is no convolution") };
                let [summary, table] = bytes(plan.problem(), plan.algorithm());
                // Plans may unfold what is not compressed, in vectors of four channels.
                let unfolded = conv.summary.placement().ratio() <= 1.0 && plan.algorithm() == Algorithm::Dense;
                let channels = plan.problem().placement().window().channels();
                assert!(unfolded || plan.algorithm() != Algorithm::Dense);
                summaries +=
                    if unfolded { summary / channels as u64 * channels.next_multiple_of(4) as u64 } else { summary };
                tables += table;
                dense +=
                    4 * (conv.summary.placement().filters() * plan.problem().placement().window().weights()) as u64;
            }
            let got = forward.weight_bytes();
            assert_eq!(got, forward.summary_bytes() + forward.table_bytes());
            eprintln!(
                "{name} {algorithm:?}: summaries {}, tables {} bytes; as dense filters {dense}",
                forward.summary_bytes(),
                forward.table_bytes()
            );
            let most = MOST * (summaries + tables) as f64;
            assert!(got as f64 <= most, "{name} {algorithm:?}: {got} bytes, at most {most}");
            // In whole networks even the tables nearly fit in that: the layers that hold most values have short ones.
            // Fused products have two lists of tiles, which only weigh beside summaries as small as those of ResNet-20.
            let most = 1.35 * summaries as f64;
            assert!(algorithm.is_some() || got as f64 <= most, "{name}: {got} bytes, at most {most}");
        }
    }
}

/// Of the bundled models: summaries in 8 bits take at most 0.26 of what they take in f32,
/// and the file 0.40 of the one in f32.
#[test]
fn quantized_files_are_small() {
    for path in models() {
        let (network, name) = (Network::load(&path).expect("a network"), path.display());
        let small = network.quantized(Precision::U8, false).expect("f32");
        let summaries = |network: &Network| -> u64 {
            let convs = network.nodes().iter().filter_map(|node| match &node.op {
                Op::Conv(conv) if conv.summary.placement().ratio() > 1.0 => Some(&conv.summary),
                _ => None,
            });
            // Eight bytes are scale and zero.
            convs
                .map(|summary| {
                    let extra = if summary.precision() == Precision::U8 { 8 } else { 0 };
                    summary.precision().bytes() * summary.placement().length() as u64 + extra
                })
                .sum()
        };
        let file = |network: &Network| network.to_bytes(&BTreeMap::new()).expect("it is written").len();
        let fraction = summaries(&small) as f64 / summaries(&network) as f64;
        assert!(fraction <= 0.26, "{name}: summaries in 8 bits are {fraction} of those in f32");
        let fraction = file(&small) as f64 / file(&network) as f64;
        assert!(fraction <= 0.40, "{name}: the file in 8 bits is {fraction} of the one in f32");
    }
}

/// A layer as the README makes it: a summary in 8 bits takes a quarter of the memory, one in f16 half of it,
/// and is not expanded unasked.
#[test]
fn layers_keep_a_summary_as_it_is() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    let placement = Placement::tap_major(256, 256, 3, 3, 256).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 14, 14]).expect("problem");
    let values = (0..placement.length()).map(|at| (at % 11) as f32).collect();
    let whole = FilterSummary::new(values, placement).expect("summary");
    let layer = |summary: &FilterSummary, options: PlanOptions| {
        let plan = Plan::new(&problem, &Target::portable(), options).expect("plan");
        FsConv2d::new(&pipelines, plan, summary, ChannelParams::default()).map(|layer| layer.summary_bytes())
    };
    let (small, half) = (whole.quantize().expect("f32"), whole.round_to_f16().expect("f32"));
    for (summary, bytes) in [(&whole, 4), (&half, 2), (&small, 1)] {
        for options in [PlanOptions::default(), PlanOptions::default().for_summary(summary)] {
            assert_eq!(layer(summary, options).expect("a layer"), bytes * whole.placement().length() as u64);
        }
    }
    let f16 = PlanOptions::new().with_storage(Storage::F16_WEIGHTS);
    assert_eq!(layer(&small, f16).expect("a layer"), small.placement().length() as u64);
    assert_eq!(layer(&whole, f16).expect("a layer"), 2 * whole.placement().length() as u64);
    // Whoever wants the values in f32 says so with a summary in f32.
    let expanded = FilterSummary::new(small.values().to_vec(), small.placement().clone()).expect("summary");
    assert_eq!(layer(&expanded, PlanOptions::default()).expect("a layer"), 4 * whole.placement().length() as u64);
}

/// What acceptance asks of 8-bit summaries: these fractions of the bytes in f32.
#[test]
fn quantized_weights_stay_small_on_the_device() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    // Exactly the summary's bytes, in whole words, whatever reads them.
    for case in cases() {
        let problem = case.problem();
        let data = Data::levels(&problem, 0);
        for algorithm in [Algorithm::Gather, Algorithm::Shared] {
            let options = PlanOptions::new().with_algorithm(algorithm).for_summary(&data.summary);
            let plan = Plan::new(&problem, &Target::portable(), options).expect(case.name);
            let layer = FsConv2d::new(&pipelines, plan, &data.summary, ChannelParams::default()).expect(case.name);
            let length = problem.placement().length() as u64;
            assert_eq!(layer.summary_bytes(), length.next_multiple_of(4), "{} {algorithm:?}", case.name);
        }
    }
    for path in models() {
        let (network, name) = (Network::load(&path).expect("a network"), path.display());
        let [summaries, everything] = [false, true].map(|dense| network.quantized(Precision::U8, dense).expect("f32"));
        for algorithm in [None, Some(Algorithm::Gather), Some(Algorithm::Shared)] {
            let options = PlanOptions::new().with_algorithm(algorithm);
            let build = |network: &Network| {
                let forward = GpuNetwork::new(&pipelines, &Target::portable(), network, 4, options).expect("it builds");
                // Nothing else is allocated for weights, in f32 or otherwise.
                let layers = forward.layers().map(|(_, plan)| [plan.summary_bytes(), plan.table_bytes()]);
                let [summaries, tables] = layers.fold([0; 2], |sum, layer| [sum[0] + layer[0], sum[1] + layer[1]]);
                assert_eq!([summaries, tables], [forward.summary_bytes(), forward.table_bytes()]);
                let algorithms: Vec<_> = forward.layers().map(|(_, plan)| plan.algorithm()).collect();
                ([summaries, tables], algorithms)
            };
            let ([whole, table], algorithms) = build(&network);
            for (what, network, most) in [("summaries", &summaries, 0.30), ("all", &everything, 0.26)] {
                let ([small, tables], chosen) = build(network);
                let fraction = small as f64 / whole as f64;
                let with_tables = (small + tables) as f64 / (whole + table) as f64;
                eprintln!(
                    "{name} {algorithm:?}, {what} in 8 bits: {small} of {whole} bytes, {fraction:.3}; \
                     with tables of {tables} bytes {with_tables:.3}"
                );
                // They depend on the algorithms alone, not on the precision.
                assert!(tables == table || chosen != algorithms, "{name}: tables of {tables} bytes, not {table}");
                assert!(fraction <= most, "{name} {algorithm:?}, {what}: {fraction}");
            }
        }
    }
}
