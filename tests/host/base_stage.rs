//! The base stage without an adapter: the reference against the definition, the CPU against the reference, files, and
//! what is refused.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::operands::{Data, random_error_fraction};
use crate::common::staged::staged;
use filter_summary::cpu::CpuConv;
use filter_summary::reference::{Operands, conv2d};
use filter_summary::{
    Activation, Algorithm, BaseStage, Boundary, ChannelParams, Conv2d, Error, FilterSummary, Placement, Plan,
    PlanOptions, Problem, Starts, Target, Window,
};

/// The distinct bases of a group's filters, by sorting what the definition says.
fn bases(problem: &Problem, group: usize) -> Vec<i64> {
    let (placement, groups) = (problem.placement(), problem.conv().groups);
    let Starts::Line { starts, .. } = placement.starts() else { panic!("starts are fixed") };
    let of_group = starts.chunks(starts.len() / groups).nth(group).unwrap();
    let offsets = placement.window().tap_offsets();
    let mut all: Vec<i64> =
        of_group.iter().flat_map(|start| offsets.iter().map(move |offset| start + offset)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A base stage is a 1x1 convolution to all bases, with scale, bias and activation, and a convolution of what came out,
/// in which every filter and tap reads one channel.
#[test]
fn the_reference_is_a_pointwise_convolution_then_a_sparse_one() {
    for (seed, (name, problem)) in (0..).zip(staged()) {
        let data = Data::integers(&problem, 4 * seed);
        let (placement, conv) = (problem.placement(), problem.conv());
        let [batch, channels, height, width] = problem.input_shape();
        let (own_channels, own_filters) = (channels / conv.groups, placement.filters() / conv.groups);
        let Starts::Line { starts, .. } = placement.starts() else { panic!("starts are fixed") };
        let (mut scale, mut bias) = (data.base_scale.iter().flatten(), data.base_bias.iter().flatten());
        let mut whole = vec![0.0; problem.output_shape().iter().product()];
        for group in 0..conv.groups {
            let bases = bases(&problem, group);
            let values = data.summary.values();
            let at = |base: i64, channel: usize| (base + channel as i64 * placement.window().channel_stride()) as usize;
            let weights = bases.iter().flat_map(|&base| (0..own_channels).map(move |channel| (base, channel)));
            let weights = weights.map(|(base, channel)| values[at(base, channel)]).collect();
            let pointwise = FilterSummary::from_dense(weights, [bases.len(), own_channels, 1, 1]).unwrap();
            let of_pointwise = Problem::new(pointwise.placement(), Conv2d::default(), [batch, height, width]).unwrap();
            let of_pointwise = of_pointwise.with_activation(problem.base_stage().unwrap());
            let images = data.input.chunks(channels * height * width);
            let own = images
                .flat_map(|image| &image[group * own_channels * height * width..][..own_channels * height * width]);
            let (own, of_bases): (Vec<f32>, _) = (own.copied().collect(), bases.len());
            let own_scale: Vec<f32> = scale.by_ref().take(of_bases).copied().collect();
            let own_bias: Vec<f32> = bias.by_ref().take(of_bases).copied().collect();
            let operands = Operands {
                scale: (!own_scale.is_empty()).then_some(&own_scale),
                bias: (!own_bias.is_empty()).then_some(&own_bias),
                ..Operands::new(&own, &pointwise)
            };
            let products = conv2d(&of_pointwise, &operands).unwrap().output;
            let products: Vec<f32> = products.iter().map(|&value| value as f32).collect();
            // Filter i reads base(i, t) by tap t, with its gain.
            let (taps, window) = (placement.taps(), placement.window());
            let mut sparse = vec![0.0; own_filters * of_bases * taps];
            for (filter, tap) in (0..own_filters).flat_map(|filter| (0..taps).map(move |tap| (filter, tap))) {
                let own = group * own_filters + filter;
                let base = bases.binary_search(&(starts[own] + window.tap_offsets()[tap])).unwrap();
                let gain = data.summary.gains().map_or(1.0, |gains| gains[own * taps + tap]);
                sparse[(filter * of_bases + base) * taps + tap] = gain;
            }
            let shape = [own_filters, of_bases, window.height(), window.width()];
            let sparse = FilterSummary::from_dense(sparse, shape).unwrap();
            let of_sparse =
                Problem::new(sparse.placement(), Conv2d { groups: 1, ..*conv }, [batch, height, width]).unwrap();
            let sums = conv2d(&of_sparse, &Operands::new(&products, &sparse)).unwrap().output;
            let plane = of_sparse.output_shape()[2] * of_sparse.output_shape()[3];
            for (image, sums) in sums.chunks(own_filters * plane).enumerate() {
                let to = (image * placement.filters() + group * own_filters) * plane;
                whole[to..to + sums.len()].copy_from_slice(sums);
            }
        }
        let plane = problem.output_shape()[2] * problem.output_shape()[3];
        let got = conv2d(&problem, &data.operands()).unwrap();
        for (at, (&got, &sum)) in got.output.iter().zip(&whole).enumerate() {
            let filter = at / plane % placement.filters();
            let of =
                |values: &Option<Vec<f32>>, at: usize, default| values.as_ref().map_or(default, |v| f64::from(v[at]));
            let value = sum * of(&data.scale, filter, 1.0) + of(&data.bias, filter, 0.0) + of(&data.residual, at, 0.0);
            let want = match problem.activation() {
                Activation::Relu => value.max(0.0),
                Activation::Relu6 => value.clamp(0.0, 6.0),
                _ => value,
            };
            assert_eq!(got, want, "{name}: output {at}");
        }
    }
}

#[test]
fn the_cpu_is_exact_on_integers_and_within_tolerance_on_floats() {
    for (seed, (name, problem)) in (0..).zip(staged()) {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let run = |data: &Data| {
                let params = data.operands().params();
                let conv = CpuConv::new(&problem, &data.summary, params, None).unwrap();
                assert_eq!(conv.algorithm(), Algorithm::Shared, "{name}");
                let mut output = vec![f32::NAN; problem.output_shape().iter().product()];
                pool.install(|| conv.run(&data.input, data.residual.as_deref(), &mut output)).unwrap();
                output
            };
            let data = Data::integers(&problem, 5 * seed);
            let want = conv2d(&problem, &data.operands()).unwrap();
            let exact = run(&data).iter().zip(&want.output).all(|(&got, &want)| f64::from(got) == want);
            assert!(exact, "{name} on {threads} threads");
            let data = Data::floats(&problem, 5 * seed);
            let want = conv2d(&problem, &data.operands()).unwrap();
            let error = random_error_fraction(&run(&data), &want, problem.placement().window().weights());
            assert!(error <= 1.0, "{name}: {error} of the tolerance");
        }
    }
}

/// Bands, of which the next reads products of the one before: those have been through the stage already.
#[test]
fn products_that_two_bands_read_go_through_the_stage_once() {
    let placement = Placement::one_base(40, 2, 3, 3, 2).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 133, 64]).unwrap();
    let problem = problem.with_base_stage(Activation::Relu6).unwrap();
    let data = Data::integers(&problem, 0);
    let want = conv2d(&problem, &data.operands()).unwrap();
    let conv = CpuConv::new(&problem, &data.summary, data.operands().params(), None).unwrap();
    let mut output = vec![f32::NAN; want.output.len()];
    conv.run(&data.input, None, &mut output).unwrap();
    assert!(output.iter().zip(&want.output).all(|(&got, &want)| f64::from(got) == want));
}

#[test]
fn plans_keep_products_to_themselves() {
    for (name, problem) in staged() {
        let target = Target::portable();
        let plan = Plan::new(&problem, &target, PlanOptions::new()).unwrap();
        assert!(matches!(plan.algorithm(), Algorithm::Shared | Algorithm::Fused), "{name}");
        for algorithm in [Algorithm::Dense, Algorithm::Gather] {
            let error = Plan::new(&problem, &target, PlanOptions::new().with_algorithm(algorithm)).unwrap_err();
            assert!(error.to_string().contains("a base stage is done to shared products"), "{name}: {error}");
        }
        assert_eq!((problem.sharing().row_step(), plan.hankel_levels()), (None, 0));
    }
    let long = Placement::one_base(4, 9000, 3, 3, 9000).unwrap();
    let problem = Problem::new(&long, Conv2d::padded(1), [1, 3, 3]).unwrap();
    let staged = problem.clone().with_base_stage(Activation::Relu).unwrap();
    assert!(Plan::new(&problem, &Target::portable(), PlanOptions::new()).is_ok());
    let error = Plan::new(&staged, &Target::portable(), PlanOptions::new()).unwrap_err().to_string();
    assert!(error.contains("this sum is cut into parts"), "{error}");
}

#[test]
fn what_has_no_order_of_bases_is_refused() {
    let window = || Window::tap_major(2, 3, 3).unwrap();
    let line = |boundary| Placement::new(window(), Starts::Line { length: 20, starts: vec![0, 2] }, boundary).unwrap();
    let learned = Starts::Learned { length: 40, positions: vec![0.5, 1.5], unit: 2 };
    let volume = Starts::Volume { dims: [4, 4, 4], starts: vec![[0, 0, 0], [1, 0, 1]] };
    for (placement, what) in [
        (line(Boundary::Wrap), "boundary wrap"),
        (line(Boundary::Zero), "boundary zero"),
        (Placement::new(window(), learned, Boundary::None).unwrap(), "learned positions"),
        (Placement::new(Window::channel_major(2, 3, 3).unwrap(), volume, Boundary::None).unwrap(), "rank 3"),
    ] {
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 5, 5]).unwrap();
        let error = problem.with_base_stage(Activation::None).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("boundary none"), "{error}");
    }
}

#[test]
fn numbers_of_bases_are_checked() {
    let placement = Placement::one_base(3, 2, 3, 3, 2).unwrap();
    let summary = FilterSummary::new(vec![1.0; placement.length()], placement.clone()).unwrap();
    let plain = Problem::new(&placement, Conv2d::padded(1), [1, 5, 5]).unwrap();
    let staged = plain.clone().with_base_stage(Activation::Relu6).unwrap();
    let refused = |problem: &Problem, stage: &BaseStage| -> Error {
        CpuConv::new(problem, &summary, ChannelParams::default().with_base_stage(stage), None).unwrap_err()
    };
    let stage = BaseStage::new(Activation::Relu6);
    for (problem, stage, wanted) in [
        (&plain, stage.clone().with_scale(vec![1.0; 3]), "base_scale is given: the problem has no base stage"),
        (&staged, stage.clone().with_bias(vec![1.0; 2]), "base_bias is 2 values: it must have 3"),
        (&staged, stage.clone().with_scale(vec![1.0, f32::NAN, 1.0]), "base_scale[1] is NaN: it must be finite"),
        (&staged, stage.with_bias(vec![f32::INFINITY; 3]), "base_bias[0] is inf: it must be finite"),
    ] {
        let error = refused(problem, &stage).to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
}
