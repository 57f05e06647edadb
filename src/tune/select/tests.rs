use super::*;
use crate::error::Error;
use crate::method::conv2d::Conv2d;
use crate::reference::conv2d;
use crate::{Activation, Placement};

/// A candidate that computes what it is told, in the time it is told.
struct Fake {
    output: Result<Vec<f32>>,
    times: Vec<f64>,
    runs: usize,
}

impl Candidate for Fake {
    fn output(&mut self) -> Result<Vec<f32>> {
        self.output.clone()
    }

    fn seconds(&mut self) -> Result<f64> {
        self.runs += 1;
        let at = (self.runs - 1).min(self.times.len() - 1);
        if self.times[at].is_nan() { Err(Error::Gpu("lost".to_owned())) } else { Ok(self.times[at]) }
    }
}

fn fake(output: &[f32], times: &[f64]) -> Fake {
    Fake { output: Ok(output.to_vec()), times: times.to_vec(), runs: 0 }
}

fn layer(channels: usize, size: [usize; 3]) -> (Expected, Vec<f32>) {
    layer_in(Storage::F32, channels, size)
}

fn layer_in(storage: Storage, channels: usize, size: [usize; 3]) -> (Expected, Vec<f32>) {
    let placement = Placement::tap_major(16, channels, 3, 3, channels).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), size).unwrap().with_activation(Activation::Relu);
    let sample = Sample::new(&problem, storage).unwrap();
    let output = conv2d(&problem, &sample.operands()).unwrap().output;
    (Expected::new(&problem, &sample, storage).unwrap(), output.into_iter().map(|value| value as f32).collect())
}

fn winner(candidates: &mut [Fake], expected: &Expected) -> Option<usize> {
    select(candidates, expected).winner.map(|(index, _)| index)
}

#[test]
fn the_fastest_wins_by_its_median() {
    let (expected, right) = layer(4, [1, 5, 5]);
    let mut candidates = [fake(&right, &[3.0]), fake(&right, &[2.5, 2.0]), fake(&right, &[2.4, 9.0, 9.0, 9.0, 1.0])];
    assert_eq!(select(&mut candidates, &expected), Selection { winner: Some((1, 2.0)), rejected: vec![] });
    assert!(candidates.iter().all(|candidate| candidate.runs == ROUNDS));
}

#[test]
fn the_plans_own_choice_gives_way_to_what_is_clearly_faster() {
    let (expected, right) = layer(4, [1, 5, 5]);
    for (time, kept) in [(0.98, 0), (0.96, 1)] {
        assert_eq!(winner(&mut [fake(&right, &[1.0]), fake(&right, &[time])], &expected), Some(kept), "{time}");
    }
    assert_eq!(winner(&mut [fake(&right, &[9.0]), fake(&right, &[1.0]), fake(&right, &[0.99])], &expected), Some(2));
}

#[test]
fn hopeless_candidates_are_measured_three_times() {
    let (expected, right) = layer(4, [1, 5, 5]);
    let mut candidates = [fake(&right, &[2.1]), fake(&right, &[1.0]), fake(&right, &[2.1])];
    assert_eq!(winner(&mut candidates, &expected), Some(1));
    // The first is what the plan would take, and stays to the end.
    assert_eq!(candidates.map(|candidate| candidate.runs), [7, 7, 3]);
}

#[test]
fn one_slow_sample_loses_nothing() {
    let (expected, right) = layer(4, [1, 5, 5]);
    let slow_start = [10.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    assert_eq!(winner(&mut [fake(&right, &slow_start), fake(&right, &[2.0])], &expected), Some(0));
    assert_eq!(winner(&mut [fake(&right, &[2.0]), fake(&right, &slow_start)], &expected), Some(1));
}

#[test]
fn wrong_numbers_never_win() {
    let (expected, right) = layer(4, [2, 5, 5]);
    let changed = |at: usize, value: f32| {
        let mut output = right.clone();
        output[at] = value;
        output
    };
    let positive = right.iter().position(|&value| value > 1.0).unwrap();
    let wrong = [
        changed(0, right[0] + 0.001),
        changed(positive, right[positive] * (1.0 + 1e-4)),
        changed(right.len() - 1, f32::NAN),
        changed(7, f32::INFINITY),
        vec![0.0; right.len()],
        right[..right.len() - 1].to_vec(),
        Vec::new(),
    ];
    for output in wrong {
        let mut candidates = [fake(&output, &[1e-9]), fake(&right, &[1.0])];
        let selection = select(&mut candidates, &expected);
        assert_eq!(selection.winner, Some((1, 1.0)));
        assert_eq!(selection.rejected.len(), 1);
        assert_eq!((selection.rejected[0].0, candidates[0].runs), (0, 0), "{:?}", selection.rejected);
        assert_eq!(winner(&mut [fake(&output, &[1e-9])], &expected), None);
    }
}

#[test]
fn rounding_is_no_error() {
    let (expected, mut right) = layer(4, [2, 5, 5]);
    right.iter_mut().for_each(|value| *value = value.next_up());
    assert_eq!(winner(&mut [fake(&right, &[1.0])], &expected), Some(0));
}

#[test]
fn rounding_to_the_storage_is_no_error() {
    for (storage, right) in [(Storage::F32, None), (Storage::F16_WEIGHTS, Some(0)), (Storage::F16, Some(0))] {
        let (expected, mut halves) = layer_in(storage, 4, [2, 5, 5]);
        halves.iter_mut().for_each(|value| *value = half::f16::from_f32(*value).to_f32());
        assert_eq!(winner(&mut [fake(&halves, &[1.0])], &expected), right, "{storage:?}");
    }
}

#[test]
fn failures_never_win() {
    let (expected, right) = layer(4, [1, 5, 5]);
    let broken = || Fake { output: Err(Error::Gpu("no memory".to_owned())), times: vec![1e-9], runs: 0 };
    let mut candidates = [broken(), fake(&right, &[1e-9, 1e-9, f64::NAN]), fake(&right, &[1e-9])];
    let selection = select(&mut candidates, &expected);
    assert_eq!(selection.winner, Some((2, 1e-9)));
    let reasons = vec![(0, "fails: GPU: no memory".to_owned()), (1, "fails: GPU: lost".to_owned())];
    assert_eq!(selection.rejected, reasons);
    assert_eq!(winner(&mut [broken()], &expected), None);
    assert_eq!(winner(&mut [], &expected), None);
}

#[test]
fn large_layers_are_compared_at_their_corners_and_at_random() {
    let (expected, right) = layer(128, [3, 40, 41]);
    assert!(expected.at.len() < right.len() / 10, "{} of {}", expected.at.len(), right.len());
    assert_eq!(expected.fault(&right), None);
    // A pixel of each corner, a column, a channel, an image.
    let [filters, height, width] = [16, 40, 41];
    let wrong: [&dyn Fn(usize) -> bool; 5] = [
        &|at| at == 0,
        &|at| at == right.len() - 1,
        &|at| at % width == width - 1,
        &|at| at / (height * width) % filters == 9,
        &|at| at / (filters * height * width) == 1,
    ];
    for is_wrong in wrong {
        let output: Vec<f32> =
            right.iter().enumerate().map(|(at, &value)| if is_wrong(at) { value + 1.0 } else { value }).collect();
        assert!(expected.fault(&output).is_some());
    }
    // What is not compared must at least have been computed.
    let skipped = (0..right.len()).find(|at| !expected.at.contains(at)).unwrap();
    let mut output = right;
    output[skipped] = f32::NAN;
    assert!(expected.fault(&output).is_some());
}
