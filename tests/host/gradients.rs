//! The CPU executor's gradients against the reference.
#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::cases::cases;
use crate::common::gradients::{Backward, plain, wanted_of};
use crate::common::operands::{ones, random_error_fraction};
use crate::common::problems::problems;
use filter_summary::cpu::{CpuGradient, GradientsMut};
use filter_summary::reference::{GradientTerms, Reference, error_fraction};
use filter_summary::{Boundary, Conv2d, FilterSummary, Placement, Problem, Starts, Wanted, Window};
use proptest::prelude::*;

/// Values on either side of a gradient, which nobody may write.
const GUARDS: usize = 7;
const GUARD: f32 = 1234.5;

/// What was computed, in the order of [`GradientsMut`].
type Got = [Option<Vec<f32>>; 4];

fn lengths(problem: &Problem) -> [usize; 4] {
    let placement = problem.placement();
    let input = problem.input_shape().iter().product();
    [input, placement.length(), placement.gains(), placement.filters()]
}

/// One run into poisoned memory between guards.
fn run_once(gradient: &CpuGradient, backward: &Backward) -> Got {
    let wanted = gradient.wanted();
    let are_wanted = [wanted.input, wanted.summary, wanted.gains, wanted.positions];
    let lengths = lengths(gradient.problem());
    let mut memory = lengths.map(|length| {
        let mut values = vec![GUARD; length + 2 * GUARDS];
        values[GUARDS..GUARDS + length].fill(f32::NAN);
        values
    });
    let mut outputs = memory.iter_mut().zip(lengths).zip(are_wanted);
    let mut next = || {
        let ((values, length), wanted) = outputs.next().unwrap();
        wanted.then(|| &mut values[GUARDS..GUARDS + length])
    };
    let mut to = GradientsMut { input: next(), summary: next(), gains: next(), positions: next() };
    gradient.run(&backward.data.input, &backward.grad_output, &mut to).unwrap();
    let mut are_wanted = are_wanted.into_iter();
    memory.map(|values| {
        let (before, rest) = values.split_at(GUARDS);
        let (values, after) = rest.split_at(rest.len() - GUARDS);
        assert!(before.iter().chain(after).all(|&value| value == GUARD), "guards are overwritten");
        are_wanted.next().unwrap().then(|| values.to_vec())
    })
}

fn bits(got: &Got) -> Vec<Option<Vec<u32>>> {
    got.iter()
        .map(|values| values.as_ref().map(|values| values.iter().map(|value| value.to_bits()).collect()))
        .collect()
}

/// Runs a prepared layer, and one that had another summary before: what the first run left behind must not matter.
fn run(problem: &Problem, backward: &Backward, wanted: Wanted) -> Got {
    let summary = &backward.data.summary;
    let first = run_once(&CpuGradient::new(problem, summary, wanted).unwrap(), backward);
    let mut gradient = CpuGradient::new(problem, &ones(problem.placement()), wanted).unwrap();
    run_once(&gradient, backward);
    gradient.set_summary(summary).unwrap();
    assert_eq!(bits(&first), bits(&run_once(&gradient, backward)), "two runs differ");
    first
}

/// What was computed beside what it should be, and the terms of its sums.
fn pairs(problem: &Problem, backward: &Backward, wanted: Wanted) -> Vec<(&'static str, Vec<f32>, Reference, usize)> {
    let want = backward.reference(problem);
    let terms = GradientTerms::new(problem);
    let wants = [
        ("input", Some(want.input), terms.input),
        ("summary", Some(want.summary), terms.summary),
        ("gains", want.gains, terms.gains),
        ("positions", want.positions, terms.positions),
    ];
    let got = run(problem, backward, wanted);
    let pairs = got.into_iter().zip(wants);
    pairs.filter_map(|(got, (name, want, terms))| Some((name, got?, want?, terms))).collect()
}

fn check_exactly(name: &str, problem: &Problem, seed: u64, wanted: Wanted) {
    for (of, got, want, _) in pairs(problem, &Backward::integers(problem, seed), wanted) {
        assert_eq!(got.len(), want.output.len());
        let wrong = got.iter().zip(&want.output).position(|(&got, &want)| got != want as f32);
        let shown = wrong.map(|at| format!("value {at} is {}, not {}", got[at], want.output[at]));
        assert_eq!(shown, None, "{name}, {wanted:?}: gradient of {of}");
    }
}

#[test]
fn small_integers_are_exact() {
    for (seed, case) in (0..).zip(cases()) {
        let problem = plain(&case.problem());
        for wanted in wanted_of(&problem) {
            check_exactly(case.name, &problem, seed, wanted);
        }
    }
}

#[test]
fn random_floats_stay_within_tolerance() {
    for (seed, case) in (1000..).zip(cases()) {
        let problem = plain(&case.problem());
        for (of, got, want, terms) in pairs(&problem, &Backward::floats(&problem, seed), Wanted::all(&problem)) {
            let error = random_error_fraction(&got, &want, terms);
            assert!(error <= 1.0, "{}: gradient of {of}: {error} of the tolerance", case.name);
        }
    }
}

/// Images of more rows than a band and more pixels than a sum in f32 has, and batches of several pieces.
#[test]
fn bands_and_pieces_join_exactly() {
    let taps3 = |filters, channels, step| Placement::tap_major(filters, channels, 3, 3, step).unwrap();
    let strided = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
    let dilated = Conv2d { dilation: [3, 1], padding: [3, 1, 3, 1], ..Conv2d::default() };
    let shapes = [
        (taps3(8, 2, 6), Conv2d::padded(1), [1, 70, 64]),
        (taps3(8, 2, 6).with_gains(), dilated, [2, 133, 64]),
        (taps3(4, 3, 27), strided, [1, 112, 130]),
        (taps3(6, 2, 18), Conv2d::padded(1), [1, 4, 4000]),
        (taps3(6, 4, 4), Conv2d::padded(1), [37, 5, 6]),
        (taps3(6, 4, 4).with_gains(), Conv2d { groups: 3, ..strided }, [17, 9, 7]),
        (taps3(5, 2, 2).with_gains(), Conv2d::padded(2), [9, 31, 17]),
    ];
    for (placement, conv, shape) in shapes {
        let problem = Problem::new(&placement, conv, shape).unwrap();
        check_exactly(&format!("{shape:?}"), &problem, shape[1] as u64, Wanted::all(&problem));
    }
}

/// Enough work for several threads: the same bits from 1, 2, 3 and 32.
#[test]
fn threads_do_not_matter() {
    let taps3 = |filters, channels: usize| Placement::tap_major(filters, channels, 3, 3, channels).unwrap();
    let positions: Vec<f32> = (0..24).map(|filter| filter as f32 * 1.37).collect();
    let starts = Starts::Learned { length: 41 * 12, positions, unit: 12 };
    let learned = Placement::new(Window::tap_major(12, 3, 3).unwrap(), starts, Boundary::None).unwrap();
    let strided = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
    let shapes = [
        (taps3(66, 40), Conv2d::padded(1), [11, 14, 13]),
        (learned.with_gains(), Conv2d::padded(1), [7, 30, 31]),
        (taps3(24, 16), strided, [3, 77, 90]),
    ];
    for (placement, conv, shape) in shapes {
        let problem = Problem::new(&placement, conv, shape).unwrap();
        let backward = Backward::floats(&problem, shape[1] as u64);
        let of_threads = [1, 2, 3, 32].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            bits(&pool.install(|| run(&problem, &backward, Wanted::all(&problem))))
        });
        assert!(of_threads.iter().all(|got| *got == of_threads[0]), "{shape:?}");
    }
}

/// Sums over many pixels of numbers that all round the same way.
#[test]
fn long_sums_stay_within_tolerance() {
    let placement = Placement::one_base(3, 2, 3, 3, 2).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [3, 300, 301]).unwrap();
    let mut backward = Backward::floats(&problem, 1);
    backward.data.input.fill(0.1);
    backward.grad_output.fill(0.3);
    for (of, got, want, terms) in pairs(&problem, &backward, Wanted::all(&problem)) {
        let error = error_fraction(&got, &want, terms);
        assert!(error <= 0.1, "gradient of {of}: {error} of the tolerance");
    }
    // All taps of all filters are one value: sums of many terms a base.
    let starts = Starts::Line { length: 1, starts: vec![0; 500] };
    let placement = Placement::new(Window::tap_major(1, 3, 3).unwrap(), starts, Boundary::Wrap).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 4, 5]).unwrap();
    let mut backward = Backward::floats(&problem, 1);
    backward.grad_output.fill(0.1);
    for (of, got, want, terms) in pairs(&problem, &backward, Wanted::all(&problem)) {
        assert!(error_fraction(&got, &want, terms) <= 1.0, "gradient of {of}");
    }
}

#[test]
fn wrong_operands_are_named() {
    let placement = Placement::tap_major(4, 3, 3, 3, 6).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 6, 5]).unwrap();
    let summary = FilterSummary::new(vec![1.0; placement.length()], placement.clone()).unwrap();
    let new = |problem: &Problem, wanted| CpuGradient::new(problem, &summary, wanted).unwrap_err().to_string();
    let all = Wanted::all(&problem);
    let gains = new(&problem, all.with_gains(true));
    assert_eq!(gains, "wanted.gains is true: the placement has no gains: Placement::with_gains");
    assert!(new(&problem.clone().with_residual(), all).starts_with("residual is given: "));
    let other = Problem::new(&Placement::tap_major(4, 3, 3, 3, 3).unwrap(), Conv2d::padded(1), [1, 6, 5]).unwrap();
    assert!(new(&other, all).starts_with("summary is placed otherwise: "));
    let mut gradient = CpuGradient::new(&problem, &summary, all).unwrap();
    let misplaced = gradient.set_summary(&ones(other.placement())).unwrap_err().to_string();
    assert!(misplaced.starts_with("summary is placed otherwise: "));
    let message = |input: usize, grad: usize, to: [Option<usize>; 3]| {
        let mut to = to.map(|length| length.map(|length| vec![0.0; length]));
        let [input_to, summary_to, gains_to] = to.each_mut().map(|values| values.as_deref_mut());
        let mut to = GradientsMut { input: input_to, summary: summary_to, gains: gains_to, ..GradientsMut::default() };
        gradient.run(&vec![0.0; input], &vec![0.0; grad], &mut to).unwrap_err().to_string()
    };
    let (input, length) = (Some(90), Some(placement.length()));
    assert_eq!(message(89, 120, [input, length, None]), "input is 89 values: it must have 90");
    assert_eq!(message(90, 121, [input, length, None]), "grad_output is 121 values: it must have 120");
    assert_eq!(message(90, 120, [Some(91), length, None]), "grad_input is 91 values: it must have 90");
    let rule = "it must be given exactly when it is wanted";
    assert_eq!(message(90, 120, [input, None, None]), format!("grad_summary is absent: {rule}"));
    assert_eq!(message(90, 120, [input, length, Some(36)]), format!("grad_gains is given: {rule}"));
}

/// Paddings, dilations and strides of a billion, images of which nothing is read, layers of gigabytes.
#[test]
fn hostile_sizes() {
    let far = 1_000_000_000;
    let placement = Placement::tap_major(3, 2, 3, 3, 4).unwrap().with_gains();
    let dilated = Conv2d { dilation: [far, far], padding: [far; 4], ..Conv2d::default() };
    let strided = Conv2d { stride: [far, far], padding: [far; 4], ..Conv2d::default() };
    let point = Placement::tap_major(3, 2, 1, 1, 2).unwrap();
    let unread = Conv2d { padding: [0, 5, 0, 0], ..Conv2d::default() };
    for (placement, conv, shape) in [
        (&placement, dilated, [1, 4, 5]),
        (&placement, strided, [1, 4, 5]),
        (&point, Conv2d { stride: [1, 10], ..unread }, [2, 1, 1]),
        (&point, Conv2d { padding: [5, 5, 0, 0], stride: [10, 10], ..unread }, [2, 1, 1]),
        (&point, Conv2d { stride: [1, 6], ..unread }, [1, 3, 1]),
    ] {
        let problem = Problem::new(placement, conv, shape).unwrap();
        check_exactly(&format!("{conv:?}"), &problem, 5, Wanted::all(&problem));
    }
    let starts = Starts::Line { length: 1 << 30, starts: (0..1 << 10).map(|filter| filter << 20).collect() };
    let huge = Placement::new(Window::tap_major(1 << 20, 1, 1).unwrap(), starts, Boundary::Zero).unwrap();
    let small = FilterSummary::new(vec![1.0], Placement::tap_major(1, 1, 1, 1, 1).unwrap()).unwrap();
    let problem = Problem::new(&huge, Conv2d::default(), [1, 1, 1]).unwrap();
    assert!(CpuGradient::new(&problem, &small, Wanted::all(&problem)).is_err());
    // Two outputs a million columns apart, with a tap that reaches over all of them.
    let starts = Starts::Line { length: 1 << 13, starts: (0..1 << 12).collect() };
    let many = Placement::new(Window::with_strides(1, 1, 2, [1, 1, 1]).unwrap(), starts, Boundary::Wrap).unwrap();
    let conv = Conv2d { dilation: [1, 1 << 17], ..Conv2d::default() };
    let problem = Problem::new(&many, conv, [1, 1, (1 << 17) + 1]).unwrap();
    let summary = FilterSummary::new(vec![1.0; 1 << 13], many).unwrap();
    let error = CpuGradient::new(&problem, &summary, Wanted::all(&problem)).unwrap_err().to_string();
    assert!(error.starts_with("scratch memory is "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_problems_are_exact((problem, seed) in problems()) {
        let problem = plain(&problem);
        check_exactly("random", &problem, seed, Wanted::all(&problem));
    }
}
