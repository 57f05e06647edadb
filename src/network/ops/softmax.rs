//! `softmax` and `log_softmax`: shares of a line's values that add up to 1, or their logarithms.

use std::sync::Arc;

use super::{Axis, FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::error::Result;
use crate::files::stored_summary::Word;
use crate::kernels::softmax as kernel;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::{Bounds, EPSILON, LOST},
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;

/// `exp(x) / sum of exp(x)` along an axis, or its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Softmax {
    /// Along which values add up to 1.
    pub axis: Axis,
    /// Logarithms.
    pub log: bool,
}

const KEYS: &[&str] = &["input", "axis"];

pub(super) const FILE_OPS: &[FileOp] = &[
    FileOp {
        name: "softmax",
        keys: KEYS,
        tensors: &[],
        read: |node, _, _| Ok(Op::Softmax(Softmax::new(Axis::read(node)?))),
    },
    FileOp {
        name: "log_softmax",
        keys: KEYS,
        tensors: &[],
        read: |node, _, _| Ok(Op::Softmax(Softmax::log(Axis::read(node)?))),
    },
];

impl Softmax {
    /// Along an axis.
    pub fn new(axis: Axis) -> Self {
        Self { axis, log: false }
    }

    /// Its logarithm.
    pub fn log(axis: Axis) -> Self {
        Self { axis, log: true }
    }
}

impl NetworkBuilder {
    /// Adds `exp(x) / sum of exp(x)` along an axis, or its logarithm.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn softmax(&mut self, name: &str, input: Value, softmax: Softmax) -> Result<Value> {
        self.node(name, Op::Softmax(softmax), &[input])
    }
}

impl Operation for Softmax {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        NodeInput::only(inputs)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let axis = Some(self.axis.word().to_owned());
        NodeJson { axis, ..NodeJson::of(if self.log { "log_softmax" } else { "softmax" }) }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, _: &[[usize; 3]], shape: [usize; 3]) -> Work<'_> {
        let at = self.axis.index();
        let [before, after] = [&shape[..at], &shape[at + 1..]].map(|sizes| sizes.iter().product());
        Work::Stage(Arc::new(Lines { log: self.log, before, length: shape[at], after }))
    }
}

/// A thread has lines that are no longer than this; where there are many, lines that are no longer than that.
const SHORT_LINE: usize = 32;
const LONG_LINE: usize = 1024;
const MANY_LINES: usize = 1 << 12;

/// Lines of a tensor `[before, length, after]`.
#[derive(Debug, Clone, Copy)]
struct Lines {
    log: bool,
    before: usize,
    length: usize,
    after: usize,
}

impl Lines {
    /// Where the values of every line are.
    #[cfg(feature = "cpu")]
    fn places(self) -> impl Iterator<Item = std::iter::StepBy<std::ops::Range<usize>>> {
        let Self { before, length, after, .. } = self;
        (0..before * after).map(move |line| {
            let first = line / after * length * after + line % after;
            (first..first + (length - 1) * after + 1).step_by(after)
        })
    }
}

impl Stage for Lines {
    /// A line is a thread's where it is short, or there are many.
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let Self { log, before, length, after } = *self;
        let (image, view) = (before * length * after, context.view(wiring.inputs[0]));
        let (lines, plane) = (context.elements(wiring.shape)? / length, image / wiring.shape[0]);
        let uniform = kernel::Uniform {
            lines: word(lines),
            image_lines: word(before * after),
            length: word(length),
            after: word(after),
            read_first: word(view.channel_offset * plane),
            read_image: word(view.channels_total * plane),
            written_first: word(to.channel_offset * plane),
            written_image: word(to.channels_total * plane),
        };
        let by_workgroups = length > LONG_LINE || length > SHORT_LINE && lines < MANY_LINES;
        let kernel = kernel::Softmax { by_workgroups, logarithm: log, read_write: context.options.bind_read_write };
        let threads = if by_workgroups { u64::from(kernel::Softmax::LANES[0]) } else { 1 };
        Ok(vec![context.dispatch(kernel, &uniform, lines as u64 * threads, wiring, to)?])
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let from = operands.inputs[0];
        for places in self.places() {
            // Where there is a NaN, all of a line becomes one, whether it is the largest or not.
            let largest = places.clone().map(|at| from[at]).fold(f32::NEG_INFINITY, f32::max);
            if self.log {
                let sum: f64 = places.clone().map(|at| f64::from((from[at] - largest).exp())).sum();
                let logarithm = sum.ln() as f32;
                places.for_each(|at| to[at] = from[at] - largest - logarithm);
                continue;
            }
            let mut sum = 0.0;
            for at in places.clone() {
                to[at] = (from[at] - largest).exp();
                sum += f64::from(to[at]);
            }
            let share = (1.0 / sum) as f32;
            places.for_each(|at| to[at] *= share);
        }
    }

    /// With `d = x - largest`, WGSL's `exp(d)` is off by at most `3 + 2 |d|` units in the last place, and `d` itself by
    /// half of one of `|d|`; logarithms by three units, or by `2^-21` near 1.
    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let input = operands.inputs[0];
        let mut bounds = Bounds { values: input.values.clone(), errors: input.errors.clone() };
        for places in self.places() {
            let pairs = || places.clone().map(|at| input.pair(at));
            let largest = pairs().fold(f64::NEG_INFINITY, |largest, (value, _)| value.max(largest));
            let off = pairs().fold(0.0f64, |most, (_, error)| error.max(most));
            let sum: f64 = pairs().map(|(value, _)| (value - largest).exp()).sum();
            let of_exp = |distance: f64| EPSILON * (3.0 + 2.5 * distance.abs());
            // What terms of the sum are off, as a fraction of it, and its additions; terms may be lost.
            let of_terms =
                pairs().map(|(value, _)| (value - largest).exp() * of_exp(value - largest)).sum::<f64>() / sum;
            let of_sum = of_terms + EPSILON * 0.5 * (self.length.min(4096) as f64 + 4.0) + LOST * self.length as f64;
            for at in places {
                let (value, error) = input.pair(at);
                let distance = value - largest;
                let (value, error) = if self.log {
                    let logarithm = sum.ln();
                    let rounding = EPSILON * (distance.abs() + 4.0 * logarithm.abs() + 1.0) + f64::powi(2.0, -21);
                    (distance - logarithm, error + off + 1.1 * of_sum + rounding)
                } else {
                    let share = distance.exp() / sum;
                    let rounding = share * (of_exp(distance) + of_sum + 4.0 * EPSILON) * 1.1 + 2.0 * LOST;
                    // However far operands are off, a share is a share.
                    (share, (share * (error + off).exp_m1()).min(1.0) + rounding)
                };
                (bounds.values[at], bounds.errors[at]) = (value as f32, error as f32);
            }
        }
        bounds
    }
}
