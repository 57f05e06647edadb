//! The table of named edge cases every kernel of every executor runs over. Each is below three million multiply-adds.
//!
//! Here is what a case is, and what cases are made of. `shapes` has those about images, kernels and how one walks over
//! the other, `placements` those about where filters lie in their summary, `gains` those whose taps have gains, `steps`
//! those that tiles of GPUs have whole.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod gains;
mod placements;
mod shapes;
mod steps;

use filter_summary::{Activation, Boundary, Conv2d, Placement, Problem, Starts, Window};

/// One convolution that something once went wrong with, or may.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub placement: Placement,
    pub conv: Conv2d,
    /// `[N, H, W]`.
    pub size: [usize; 3],
    pub residual: bool,
    pub activation: Activation,
}

impl Case {
    /// The case as a problem that writes a tensor of its own.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(&self.placement, self.conv, self.size).expect(self.name);
        let problem = problem.with_activation(self.activation);
        if self.residual { problem.with_residual() } else { problem }
    }

    fn relu(self) -> Self {
        Self { activation: Activation::Relu, ..self }
    }

    fn residual(self) -> Self {
        Self { residual: true, ..self }
    }
}

/// A case with neither residual nor activation.
fn case(name: &'static str, placement: Placement, conv: Conv2d, size: [usize; 3]) -> Case {
    Case { name, placement, conv, size, residual: false, activation: Activation::None }
}

/// `[stride, padding, dilation]` for both axes, one group.
fn walk(stride: [usize; 2], padding: [usize; 4], dilation: [usize; 2]) -> Conv2d {
    Conv2d { stride, padding, dilation, groups: 1 }
}

fn pad(padding: usize) -> Conv2d {
    Conv2d::padded(padding)
}

fn stride(stride: usize, padding: usize) -> Conv2d {
    walk([stride; 2], [padding; 4], [1; 2])
}

fn grouped(groups: usize, padding: usize) -> Conv2d {
    Conv2d { groups, ..pad(padding) }
}

/// Tap-major with kernel 3x3.
fn taps3(filters: usize, channels: usize, step: usize) -> Placement {
    Placement::tap_major(filters, channels, 3, 3, step).unwrap()
}

fn line(window: Window, length: usize, starts: &[i64], boundary: Boundary) -> Placement {
    Placement::new(window, Starts::Line { length, starts: starts.to_vec() }, boundary).unwrap()
}

fn volume(window: Window, dims: [usize; 3], starts: &[[i64; 3]], boundary: Boundary) -> Placement {
    Placement::new(window, Starts::Volume { dims, starts: starts.to_vec() }, boundary).unwrap()
}

/// Positions by quarters: integers that are multiples of four blend into integers.
fn learned(window: Window, length: usize, positions: &[f32], unit: usize, boundary: Boundary) -> Placement {
    let starts = Starts::Learned { length, positions: positions.to_vec(), unit };
    Placement::new(window, starts, boundary).unwrap()
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        placements::steps(),
        shapes::images(),
        shapes::kernels(),
        shapes::walks(),
        placements::orders(),
        placements::starts(),
        placements::volumes(),
        shapes::groups(),
        shapes::chains(),
        placements::epilogues(),
        placements::blends(),
        gains::gains(),
        shapes::even_rows(),
        shapes::last_tiles(),
        shapes::few_pixels(),
        steps::steps(),
    ]
    .concat()
}

/// A case with each of the four epilogues.
fn with_every_epilogue(case: &Case) -> [Case; 4] {
    let [plain, with_relu, with_residual, both] = std::array::from_fn(|_| case.clone());
    [plain, with_relu.relu(), with_residual.residual(), both.residual().relu()]
}
