//! The reference's gradients against differences of its convolutions, which are exact: the sum is linear in the input,
//! in the summary and in the gains, and in a position between two whole ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::cases::cases;
use crate::common::gradients::{Backward, plain};
use crate::common::operands::{Data, Random};
use filter_summary::reference::{GradientTerms, Operands, Reference, conv2d, gradients};
use filter_summary::{Boundary, Conv2d, FilterSummary, Placement, Problem, Starts, Window};

/// `sum grad_output * conv2d(..)`.
fn loss(problem: &Problem, data: &Data, grad_output: &[f32]) -> f64 {
    let output = conv2d(problem, &data.operands()).unwrap().output;
    output.iter().zip(grad_output).map(|(&y, &grad)| y * f64::from(grad)).sum()
}

/// The same with the summary placed otherwise.
fn loss_at(problem: &Problem, backward: &Backward, positions: &[f32]) -> Option<f64> {
    let placement = problem.placement();
    let Starts::Learned { length, unit, .. } = *placement.starts() else { panic!("no positions") };
    let starts = Starts::Learned { length, positions: positions.to_vec(), unit };
    let moved = Placement::new(placement.window().clone(), starts, placement.boundary()).ok()?;
    let mut summary = FilterSummary::new(backward.data.summary.values().to_vec(), moved).unwrap();
    if let Some(gains) = backward.data.summary.gains() {
        summary = summary.with_gains(gains.to_vec()).unwrap();
    }
    let [batch, _, height, width] = problem.input_shape();
    let moved = Problem::new(summary.placement(), *problem.conv(), [batch, height, width]).unwrap();
    Some(loss(&moved, &Data { summary, ..backward.data.clone() }, &backward.grad_output))
}

fn dot(gradient: &Reference, direction: &[f32]) -> f64 {
    gradient.output.iter().zip(direction).map(|(&gradient, &step)| gradient * f64::from(step)).sum()
}

/// Directions to step in: all operands at once, some one by one, the first and the last.
fn directions(count: usize, random: &mut Random) -> Vec<Vec<f32>> {
    let single = |at: usize| (0..count).map(|other| if other == at { 1.0 } else { 0.0 }).collect();
    let some = [0, count - 1, random.below(count as u64) as usize, random.below(count as u64) as usize];
    let mut directions: Vec<Vec<f32>> = (0..2).map(|_| (0..count).map(|_| random.integer()).collect()).collect();
    directions.extend(some.map(single));
    directions
}

fn plus(values: &[f32], direction: &[f32]) -> Vec<f32> {
    values.iter().zip(direction).map(|(value, step)| value + step).collect()
}

/// Every window, boundary, walk, gain and position that kernels are tested with.
#[test]
fn they_are_exact_differences() {
    for (seed, case) in (0..).zip(cases()) {
        let problem = plain(&case.problem());
        let backward = Backward::integers(&problem, seed);
        let (data, grad_output) = (&backward.data, &backward.grad_output);
        let got = backward.reference(&problem);
        let here = loss(&problem, data, grad_output);
        let mut random = Random::new(seed);
        for direction in directions(data.input.len(), &mut random) {
            let there = Data { input: plus(&data.input, &direction), ..data.clone() };
            assert_eq!(loss(&problem, &there, grad_output) - here, dot(&got.input, &direction), "{}: input", case.name);
        }
        let values = data.summary.values();
        for direction in directions(values.len(), &mut random) {
            let moved = FilterSummary::new(plus(&values, &direction), case.placement.clone()).unwrap();
            let summary = match data.summary.gains() {
                Some(gains) => moved.with_gains(gains.to_vec()).unwrap(),
                None => moved,
            };
            let there = loss(&problem, &Data { summary, ..data.clone() }, grad_output);
            assert_eq!(there - here, dot(&got.summary, &direction), "{}: summary", case.name);
        }
        assert_eq!(got.gains.is_some(), case.placement.has_gains());
        if let Some(gains) = data.summary.gains() {
            for direction in directions(gains.len(), &mut random) {
                let summary = data.summary.clone().with_gains(plus(gains, &direction)).unwrap();
                let there = loss(&problem, &Data { summary, ..data.clone() }, grad_output);
                let gradient = got.gains.as_ref().unwrap();
                assert_eq!(there - here, dot(gradient, &direction), "{}: gains", case.name);
            }
        }
        let Starts::Learned { positions, .. } = case.placement.starts() else {
            assert_eq!(got.positions, None);
            continue;
        };
        for (filter, gradient) in got.positions.unwrap().output.into_iter().enumerate() {
            let at = |step: f32| {
                let mut positions = positions.clone();
                positions[filter] += step;
                loss_at(&problem, &backward, &positions)
            };
            let want = if case.placement.fraction(filter) > 0.0 {
                // A quarter lies at least as far from the next whole position.
                (at(0.125).unwrap() - at(-0.125).unwrap()) / 0.25
            } else {
                at(0.25).map(|right| (right - here) / 0.25).or(at(-0.25).map(|left| (here - left) / 0.25)).unwrap()
            };
            assert_eq!(gradient, want, "{}: position {filter}", case.name);
        }
    }
}

/// A summary that a filter fits at one place only has no other: nothing changes there.
#[test]
fn a_position_without_neighbours_has_no_derivative() {
    let starts = Starts::Learned { length: 4, positions: vec![0.0], unit: 1 };
    let placement = Placement::new(Window::tap_major(4, 1, 1).unwrap(), starts, Boundary::None).unwrap();
    let problem = Problem::new(&placement, Conv2d::default(), [1, 2, 2]).unwrap();
    let got = Backward::integers(&problem, 3).reference(&problem);
    assert_eq!(got.positions.unwrap().output, [0.0]);
}

#[test]
fn terms_are_counted() {
    let terms = |placement: &Placement, groups| {
        let conv = Conv2d { groups, ..Conv2d::default() };
        let problem = Problem::new(placement, conv, [2, 5, 4]).unwrap();
        let terms = GradientTerms::new(&problem);
        [terms.input, terms.summary, terms.gains, terms.positions]
    };
    // 2 * 3 * 2 pixels of the output.
    let plain = Placement::tap_major(6, 4, 3, 3, 4).unwrap();
    assert_eq!(terms(&plain, 1), [54, 6 * 12, 4 * 12, 2 * 36 * 12]);
    assert_eq!(terms(&plain, 2), [27, 6 * 12, 4 * 12, 2 * 36 * 12]);
    let starts = Starts::Learned { length: 44, positions: vec![0.0, 1.5], unit: 4 };
    let learned = Placement::new(Window::tap_major(4, 3, 3).unwrap(), starts, Boundary::None).unwrap();
    assert_eq!(terms(&learned, 1), [2 * 9 * 2, 3 * 12, 2 * 4 * 12, 2 * 36 * 12]);
}

#[test]
fn wrong_operands_are_named() {
    let placement = Placement::tap_major(4, 3, 3, 3, 3).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 6, 5]).unwrap();
    let Backward { data, grad_output } = Backward::integers(&problem, 3);
    let message = |operands: &Operands<'_>, grad: &[f32]| gradients(&problem, operands, grad).unwrap_err().to_string();
    let scaled = Operands { scale: Some(&[1.0; 4]), ..data.operands() };
    let rule = "gradients are those of the sum alone: there must be none";
    assert_eq!(message(&scaled, &grad_output), format!("scale is given: {rule}"));
    let short = message(&data.operands(), &grad_output[1..]);
    assert_eq!(short, "grad_output is 119 values: it must have 120");
    let input = Operands { input: &data.input[1..], ..data.operands() };
    assert_eq!(message(&input, &grad_output), "input is 89 values: it must have 90");
}
