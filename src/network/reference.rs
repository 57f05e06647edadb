//! A network in f64, node by node, and how far arithmetic in f32 may lead from it (`docs/method.md`).

use std::sync::Arc;

use super::bounds::Bounds;
use super::ops::{ConvKind, ConvOp, Work};
use super::stage::{BoundedOperands, Stage};
use super::{Network, Node, Op, Source};
use crate::check::check_length;
use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::method::algorithm::Algorithm;
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::storage::Storage;
use crate::method::summary::FilterSummary;
use crate::plan::Plan;
use crate::reference::{self, Operands, Reference};

/// The truth that executors of a network are measured against.
///
/// ```
/// use filter_summary::network::{ConvOp, Network, NetworkReference};
///
/// let mut net = Network::builder([2, 1, 1])?;
/// let linear = net.conv("linear", net.input(), ConvOp::linear(vec![1.0, 2.0], [1, 2])?)?;
/// let network = net.finish(linear)?;
/// let bounded = NetworkReference::new(&network)?.image(&[3.0, 4.0])?;
/// assert_eq!(bounded.output, [11.0]);
/// assert!(bounded.error[0] > 0.0 && bounded.error[0] < 1e-5);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct NetworkReference<'a> {
    network: &'a Network,
    /// Of every convolution, what carries errors on: its weights' squares.
    squares: Vec<Option<Squares>>,
    /// Of every node, the levels of Hankel products that it is computed with.
    hankel: Vec<Option<(Algorithm, u32)>>,
    storage: Storage,
}

/// An image's output, and how far an executor in f32 may be off.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Bounded {
    /// `[O, OH, OW]`.
    pub output: Vec<f64>,
    /// `[O, OH, OW]`: what every layer may round, [`reference::tolerance`] of the magnitude of its sums, carried
    /// through the layers behind it. Errors of the numbers that a convolution adds up have nothing to do with each
    /// other, so that their squares add up; all others add up as they are.
    pub error: Vec<f64>,
}

/// A convolution's weights as they scale an error, squared.
#[derive(Debug)]
struct Squares {
    /// Squares as fractions of `largest` squared, so that none underflows that counts.
    summary: FilterSummary,
    largest: f64,
}

impl<'a> NetworkReference<'a> {
    /// Prepares every layer.
    ///
    /// # Errors
    /// When a layer's weights are more than there is memory for.
    pub fn new(network: &'a Network) -> Result<Self> {
        let squares = network.nodes().iter().map(|node| match &node.op {
            Op::Conv(op) => Squares::new(op, network.shape_of(node.inputs[0])).map(Some),
            _ => Ok(None),
        });
        let squares = squares.collect::<Result<_>>()?;
        Ok(Self { network, squares, hankel: vec![None; network.nodes().len()], storage: Storage::F32 })
    }

    /// For an executor that stores weights so ([`PlanOptions::with_storage`](crate::PlanOptions::with_storage)).
    #[must_use]
    pub fn with_storage(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// For an executor that computes a node (an index into [`Network::nodes`]) by a plan: Hankel products add larger
    /// numbers.
    #[must_use]
    pub fn with_plan(mut self, node: usize, plan: &Plan) -> Self {
        if let Some(hankel) = self.hankel.get_mut(node) {
            *hankel = Some((plan.algorithm(), plan.hankel_levels()));
        }
        self
    }

    /// What comes out for one image `[C, H, W]`, of several outputs the first.
    ///
    /// # Errors
    /// When the image has another length, or a layer has more outputs than the reference computes.
    pub fn image(&self, image: &[f32]) -> Result<Bounded> {
        Ok(self.image_with_outputs(image)?.swap_remove(0))
    }

    /// All that comes out for one image `[C, H, W]`, in the order of [`Network::outputs`].
    ///
    /// # Errors
    /// As [`NetworkReference::image`].
    pub fn image_with_outputs(&self, image: &[f32]) -> Result<Vec<Bounded>> {
        let mut outputs = vec![Bounded { output: Vec::new(), error: Vec::new() }; self.network.outputs.len()];
        self.each(image, |at, value| {
            if let Some(place) = self.network.outputs.iter().position(|&node| node == at) {
                outputs[place] = value;
            }
        })?;
        Ok(outputs)
    }

    /// The value of every node for one image `[C, H, W]`: `visit` takes the node's place in [`Network::nodes`], and
    /// what it computes, `[C, H, W]`.
    ///
    /// # Errors
    /// As [`NetworkReference::image`].
    pub fn each(&self, image: &[f32], mut visit: impl FnMut(usize, Bounded)) -> Result<()> {
        check_length("input", Some(image), self.network.input().shape.iter().product())?;
        let image = Bounds { values: image.to_vec(), errors: vec![0.0; image.len()] };
        let mut values: Vec<Bounds> = Vec::with_capacity(self.network.nodes().len());
        for (at, node) in self.network.nodes().iter().enumerate() {
            let read = |source: &Source| match source {
                Source::Input => &image,
                Source::Node(index) => &values[*index],
            };
            let inputs: Vec<&Bounds> = node.inputs.iter().map(read).collect();
            let named = |error| Error::format(format!("node {}", node.name), error);
            let (output, mut value) = self.node(at, node, &inputs).map_err(named)?;
            // An infinite error times 0, or less another.
            value.errors.iter_mut().filter(|error| error.is_nan()).for_each(|error| *error = f32::INFINITY);
            visit(at, Bounded { output, error: value.errors.iter().copied().map(f64::from).collect() });
            values.push(value);
        }
        Ok(())
    }

    /// A node's value, before and after it is rounded for the nodes that read it.
    fn node(&self, at: usize, node: &Node, inputs: &[&Bounds]) -> Result<(Vec<f64>, Bounds)> {
        let shapes: Vec<[usize; 3]> = node.inputs.iter().map(|&source| self.network.shape_of(source)).collect();
        let stages = match node.op.operation().work(&shapes, node.shape) {
            Work::Conv(op) => return self.convolution(at, node, op, inputs),
            Work::Stage(stage) => vec![stage],
            // Values one after another, as they are.
            Work::Copies | Work::View => Vec::new(),
            Work::Pieces(stages) => stages,
        };
        let value = match stages.as_slice() {
            [] => Bounds {
                values: inputs.iter().flat_map(|input| &input.values).copied().collect(),
                errors: inputs.iter().flat_map(|input| &input.errors).copied().collect(),
            },
            [stage] => stage.bounds(&BoundedOperands { inputs, input_shape: shapes[0], shape: node.shape }),
            // Each writes a part, and leaves zeros elsewhere.
            _ => {
                let of = |((stage, &input), &input_shape): ((&Arc<dyn Stage>, &&Bounds), &[usize; 3])| {
                    stage.bounds(&BoundedOperands { inputs: &[input], input_shape, shape: node.shape })
                };
                let parts: Vec<Bounds> = stages.iter().zip(inputs).zip(&shapes).map(of).collect();
                let sum = |of: fn(&Bounds) -> &[f32], at: usize| parts.iter().map(|part| of(part)[at]).sum::<f32>();
                let all = |of: fn(&Bounds) -> &[f32]| (0..node.shape.iter().product()).map(|at| sum(of, at)).collect();
                Bounds { values: all(|part| &part.values), errors: all(|part| &part.errors) }
            }
        };
        Ok((value.values.iter().copied().map(f64::from).collect(), value))
    }

    fn convolution(&self, at: usize, node: &Node, op: &ConvOp, inputs: &[&Bounds]) -> Result<(Vec<f64>, Bounds)> {
        let input_shape = self.network.shape_of(node.inputs[0]);
        let residual = inputs.get(1);
        // What errors become depends on the values before the activation.
        let problem = op.problem(1, input_shape, residual.is_some())?.with_activation(Activation::None);
        let params = op.channel_params();
        let operands = Operands {
            scale: params.scale,
            bias: params.bias,
            residual: residual.map(|residual| residual.values.as_slice()),
            base_scale: params.base_scale,
            base_bias: params.base_bias,
            ..Operands::new(&inputs[0].values, &op.summary)
        };
        let mut truth = reference::conv2d(&problem, &operands)?;
        if let Some((algorithm, levels)) = self.hankel[at] {
            truth = truth.with_hankel(&problem, algorithm, levels, &operands)?;
        }
        let Reference { output, magnitude } = truth;
        let tolerance = self.tolerance(op);
        let carried = match &self.squares[at] {
            Some(squares) => squares.carry(op, input_shape, &inputs[0].errors)?,
            None => Vec::new(),
        };
        let plane = node.shape[1] * node.shape[2];
        let pair = |(at, &value): (usize, &f64)| {
            let scale = op.scale.as_ref().map_or(1.0, |scale| f64::from(scale[at / plane].abs()));
            let residual = residual.map_or(0.0, |residual| f64::from(residual.errors[at]));
            (value, scale * carried[at] + residual + tolerance * magnitude[at])
        };
        let value = Bounds::behind(op.activation, output.iter().enumerate().map(pair));
        Ok((output.iter().map(|&value| op.activation.of(value)).collect(), value))
    }

    /// What a sum of magnitude 1 may be off.
    fn tolerance(&self, op: &ConvOp) -> f64 {
        let tolerance = reference::tolerance(op.summary.placement().window().weights());
        // Weights that are f32 in the file are rounded by half a unit in the last place of f16.
        let half_unit = 1.0 / 2048.0;
        let is_rounded = self.storage.weights() == Precision::F16 && op.summary.precision() == Precision::F32;
        if is_rounded { tolerance * (1.0 + half_unit) + half_unit } else { tolerance }
    }
}

impl Squares {
    fn new(op: &ConvOp, input_shape: [usize; 3]) -> Result<Self> {
        let (placement, params) = (op.summary.placement(), op.channel_params());
        let problem = op.problem(1, input_shape, false)?;
        let (window, taps) = (placement.window(), placement.taps());
        let mut weights: Vec<f64> = op.summary.blends().iter().map(|blend| blend.value).collect();
        if problem.base_stage().is_some() {
            // Activations only bring numbers nearer to each other.
            for (at, weight) in weights.iter_mut().enumerate() {
                let base = problem.base_of(at / (taps * window.channels()), at % taps);
                *weight *= f64::from(params.of_base(base)[0]);
            }
        }
        let largest = weights.iter().fold(f64::MIN_POSITIVE, |largest, weight| weight.abs().max(largest));
        let squares = weights.iter().map(|weight| (weight / largest).powi(2) as f32).collect();
        let shape = [placement.filters(), window.channels(), window.height(), window.width()];
        Ok(Self { summary: FilterSummary::from_dense(squares, shape)?, largest })
    }

    /// What becomes of errors that have nothing to do with each other, but for the scale.
    fn carry(&self, op: &ConvOp, shape: [usize; 3], errors: &[f32]) -> Result<Vec<f64>> {
        if errors.iter().any(|error| !error.is_finite()) {
            // Nothing is known of a sum with a number in it of which nothing is.
            let only = |finite: fn(f32) -> f32| errors.iter().map(|&error| finite(error)).collect::<Vec<f32>>();
            let known = only(|error| if error.is_finite() { error } else { 0.0 });
            let unknown = only(|error| if error.is_finite() { 0.0 } else { 1.0 });
            let [known, unknown] = [self.carry(op, shape, &known)?, self.carry(op, shape, &unknown)?];
            let of = |(known, unknown): (f64, f64)| if unknown > 0.0 { f64::INFINITY } else { known };
            return Ok(known.into_iter().zip(unknown).map(of).collect());
        }
        let [_, height, width] = shape;
        let largest = errors.iter().fold(f32::MIN_POSITIVE, |largest, &error| error.max(largest));
        let squares: Vec<f32> = errors.iter().map(|error| (error / largest).powi(2)).collect();
        let size = if op.kind == ConvKind::Linear { [1, 1, 1] } else { [1, height, width] };
        let problem = Problem::new(self.summary.placement(), op.conv, size)?;
        let sums = reference::conv2d(&problem, &Operands::new(&squares, &self.summary))?.output;
        Ok(sums.into_iter().map(|sum| sum.sqrt() * f64::from(largest) * self.largest).collect())
    }
}
