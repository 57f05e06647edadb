//! A network in f64, node by node, and how far arithmetic in f32 may lead from it (`docs/method.md`).

use super::ops::{ConvKind, ConvOp, Work};
use super::stage::Operands as StageOperands;
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

const EPSILON: f64 = f32::EPSILON as f64;

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

/// A value between nodes: as an executor keeps it, and how far it may be off.
#[derive(Debug, Clone, Default)]
struct Value {
    values: Vec<f32>,
    errors: Vec<f32>,
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

    /// What comes out for one image `[C, H, W]`.
    ///
    /// # Errors
    /// When the image has another length, or a layer has more outputs than the reference computes.
    pub fn image(&self, image: &[f32]) -> Result<Bounded> {
        check_length("input", Some(image), self.network.input().shape.iter().product())?;
        let image = Value { values: image.to_vec(), errors: vec![0.0; image.len()] };
        let mut values: Vec<Value> = Vec::with_capacity(self.network.nodes().len());
        let mut output = Vec::new();
        for (at, node) in self.network.nodes().iter().enumerate() {
            let read = |source: &Source| match source {
                Source::Input => &image,
                Source::Node(index) => &values[*index],
            };
            let inputs: Vec<&Value> = node.inputs.iter().map(read).collect();
            let named = |error| Error::format(format!("node {}", node.name), error);
            let (exact, value) = self.node(at, node, &inputs).map_err(named)?;
            if at == self.network.output {
                output = exact;
            }
            values.push(value);
        }
        let error = values[self.network.output].errors.iter().copied().map(f64::from).collect();
        Ok(Bounded { output, error })
    }

    /// A node's value, before and after it is rounded for the nodes that read it.
    fn node(&self, at: usize, node: &Node, inputs: &[&Value]) -> Result<(Vec<f64>, Value)> {
        let all = |of: fn(&Value) -> &[f32]| inputs.iter().flat_map(|input| of(input)).copied().collect::<Vec<f32>>();
        let value = match node.op.operation().work() {
            Work::Conv(op) => return self.convolution(at, node, op, inputs),
            // Values one after another, as they are.
            Work::Copies | Work::View => Value { values: all(Value::values), errors: all(Value::errors) },
            Work::Stage(stage) => match &node.op {
                Op::Relu => Value::behind(Activation::Relu, inputs[0].pairs()),
                Op::Add(add) => {
                    let sum = |((left, right), (other, more)): ((f64, f64), (f64, f64))| {
                        (left + other, right + more + EPSILON * (left + other).abs())
                    };
                    Value::behind(add.activation, inputs[0].pairs().zip(inputs[1].pairs()).map(sum))
                }
                Op::BatchNorm(norm) => {
                    let plane = node.shape[1] * node.shape[2];
                    let of = |(at, (value, error)): (usize, (f64, f64))| {
                        let [scale, bias] = [&norm.scale, &norm.bias].map(|vector| f64::from(vector[at / plane]));
                        // The product and the sum are rounded.
                        let rounding = EPSILON * ((scale * value).abs() + bias.abs());
                        (scale * value + bias, scale.abs() * error + rounding)
                    };
                    Value::behind(norm.activation, inputs[0].pairs().enumerate().map(of))
                }
                // Whatever else there is picks values or averages them, and their errors as well.
                op => {
                    let input_shape = self.network.shape_of(node.inputs[0]);
                    let run = |of: &dyn Fn(&Value) -> Vec<f32>| {
                        let inputs: Vec<Vec<f32>> = inputs.iter().map(|input| of(input)).collect();
                        let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
                        let mut to = vec![0.0; node.shape.iter().product()];
                        stage.run(&StageOperands { inputs: &inputs, input_shape, shape: node.shape }, &mut to);
                        to
                    };
                    let [values, errors] = [Value::values, Value::errors].map(|of| run(&|input| of(input).to_vec()));
                    let sizes = run(&|input| input.values.iter().map(|value| value.abs()).collect());
                    let rounding = averaged(op);
                    let add = |(error, size): (f32, f32)| (f64::from(error) + rounding * f64::from(size)) as f32;
                    Value { values, errors: errors.into_iter().zip(sizes).map(add).collect() }
                }
            },
        };
        Ok((value.values.iter().copied().map(f64::from).collect(), value))
    }

    fn convolution(&self, at: usize, node: &Node, op: &ConvOp, inputs: &[&Value]) -> Result<(Vec<f64>, Value)> {
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
        let value = Value::behind(op.activation, output.iter().enumerate().map(pair));
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

impl Value {
    fn values(&self) -> &[f32] {
        &self.values
    }

    fn errors(&self) -> &[f32] {
        &self.errors
    }

    /// Every value and its error.
    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.values.iter().zip(&self.errors).map(|(&value, &error)| (value.into(), error.into()))
    }

    /// What an activation leaves of values and errors: where it is flat, nothing.
    fn behind(activation: Activation, pairs: impl Iterator<Item = (f64, f64)>) -> Self {
        let (values, errors) = pairs
            .map(|(value, error)| {
                let [least, value, most] = [value - error, value, value + error].map(|value| activation.of(value));
                (value as f32, (value - least).max(most - value) as f32)
            })
            .unzip();
        Self { values, errors }
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
    fn carry(&self, op: &ConvOp, [_, height, width]: [usize; 3], errors: &[f32]) -> Result<Vec<f64>> {
        let largest = errors.iter().fold(f32::MIN_POSITIVE, |largest, &error| error.max(largest));
        let squares: Vec<f32> = errors.iter().map(|error| (error / largest).powi(2)).collect();
        let size = if op.kind == ConvKind::Linear { [1, 1, 1] } else { [1, height, width] };
        let problem = Problem::new(self.summary.placement(), op.conv, size)?;
        let sums = reference::conv2d(&problem, &Operands::new(&squares, &self.summary))?.output;
        Ok(sums.into_iter().map(|sum| sum.sqrt() * f64::from(largest) * self.largest).collect())
    }
}

/// What an average rounds, as a fraction of the mean of magnitudes; others round nothing.
fn averaged(op: &Op) -> f64 {
    match op {
        Op::Pool(pool) if pool.average => reference::tolerance(pool.kernel[0] * pool.kernel[1]),
        _ => 0.0,
    }
}
