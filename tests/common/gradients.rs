//! Operands of gradients: problems without what follows the sum, and a gradient of the output.

use filter_summary::reference::{Gradients, gradients};
use filter_summary::{Problem, Wanted};

use super::operands::{Data, Random};

/// The convolution of a problem alone.
pub fn plain(problem: &Problem) -> Problem {
    let [batch, _, height, width] = problem.input_shape();
    Problem::new(problem.placement(), *problem.conv(), [batch, height, width]).unwrap()
}

/// Operands, and the gradient of the output.
pub struct Backward {
    pub data: Data,
    pub grad_output: Vec<f32>,
}

impl Backward {
    /// Small integers (with learned positions: multiples of fractions), whose sums are exact.
    pub fn integers(problem: &Problem, seed: u64) -> Self {
        Self::new(problem, seed, Data::integers(problem, seed), Random::integer)
    }

    /// Values in -1..1.
    pub fn floats(problem: &Problem, seed: u64) -> Self {
        Self::new(problem, seed, Data::floats(problem, seed), Random::float)
    }

    fn new(problem: &Problem, seed: u64, data: Data, value: fn(&mut Random) -> f32) -> Self {
        let mut random = Random::new(seed ^ 0x9ad);
        let grad_output = (0..problem.output_shape().iter().product()).map(|_| value(&mut random)).collect();
        Self { data: Data { scale: None, bias: None, ..data }, grad_output }
    }

    pub fn reference(&self, problem: &Problem) -> Gradients {
        gradients(problem, &self.data.operands(), &self.grad_output).unwrap()
    }
}

/// All that a problem has, and each by itself.
pub fn wanted_of(problem: &Problem) -> Vec<Wanted> {
    let (all, none) = (Wanted::all(problem), Wanted::new());
    let mut wanted = vec![all, none.with_input(true), none.with_summary(true)];
    wanted.extend(all.gains.then(|| none.with_gains(true)));
    wanted.extend(all.positions.then(|| none.with_positions(true)));
    wanted.extend(all.positions.then(|| all.with_positions(false)));
    wanted
}
