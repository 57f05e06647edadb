//! `local_response_norm`: every value over a power of the squares of channels around its own.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, SizeJson, Work};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::tensor_file::TensorFile;
use crate::kernels::{Access, local_response_norm as kernel};
use crate::method::window::INDEX_LIMIT;
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

/// `x / (k + alpha / size * s)^beta`, with `s` the sum of squares of `size` channels around that of `x`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LocalResponseNorm {
    /// Channels `c - floor((size - 1) / 2)` to `c + ceil((size - 1) / 2)`, of which those count that there are.
    pub size: usize,
    /// Not negative.
    pub alpha: f32,
    /// The power.
    pub beta: f32,
    /// Not negative.
    pub k: f32,
}

/// Most channels of a window: networks have 5, and every value costs as many.
const SIZE_LIMIT: usize = 255;

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "local_response_norm", keys: &["input", "size", "alpha", "beta", "k"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    let size = match node.need("size", &node.size)? {
        SizeJson::Number(size) => size,
        SizeJson::Image(size) => return Err(Error::value("size", format!("{size:?}"), "it must be one number")),
    };
    Ok(Op::LocalResponseNorm(LocalResponseNorm {
        size,
        alpha: node.need("alpha", &node.alpha)?,
        beta: node.need("beta", &node.beta)?,
        k: node.need("k", &node.k)?,
    }))
}

impl LocalResponseNorm {
    /// Over so many channels, with PyTorch's numbers: `alpha` 1e-4, `beta` 0.75 and `k` 1.
    pub fn new(size: usize) -> Self {
        Self { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }

    /// The same with other numbers.
    #[must_use]
    pub fn with_numbers(self, alpha: f32, beta: f32, k: f32) -> Self {
        Self { alpha, beta, k, ..self }
    }

    /// Channels before and after a value's own.
    fn around(&self) -> [usize; 2] {
        [(self.size - 1) / 2, self.size / 2]
    }
}

impl NetworkBuilder {
    /// Adds every value over a power of the squares of channels around its own.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when the size is zero or above 255, a number not finite, `alpha` or `k` negative.
    pub fn local_response_norm(&mut self, name: &str, input: Value, norm: LocalResponseNorm) -> Result<Value> {
        self.node(name, Op::LocalResponseNorm(norm), &[input])
    }
}

impl Operation for LocalResponseNorm {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        check_size("size", self.size, SIZE_LIMIT.min(INDEX_LIMIT))?;
        for (field, number, may_be_negative) in
            [("alpha", self.alpha, false), ("beta", self.beta, true), ("k", self.k, false)]
        {
            if !number.is_finite() || number < 0.0 && !may_be_negative {
                let rule = if may_be_negative { "it must be finite" } else { "it must be finite and not negative" };
                return Err(Error::value(field, number, rule));
            }
        }
        NodeInput::only(inputs)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let Self { size, alpha, beta, k } = *self;
        let size = Some(SizeJson::Number(size));
        NodeJson { size, alpha: Some(alpha), beta: Some(beta), k: Some(k), ..NodeJson::of("local_response_norm") }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for LocalResponseNorm {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = wiring.shape;
        let (plane, view, [before, after]) = (height * width, context.view(wiring.inputs[0]), self.around());
        let uniform = kernel::Uniform {
            images: word(context.batch),
            channels: word(channels),
            plane: word(plane),
            in_channels_total: word(view.channels_total),
            in_channel_offset: word(view.channel_offset),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            before: word(before),
            after: word(after),
            factor: (self.alpha / self.size as f32).to_bits(),
            beta: self.beta.to_bits(),
            k: self.k.to_bits(),
        };
        let (access, read_write) = (Access::for_lengths(&[plane], false), context.options.bind_read_write);
        let kernel = kernel::LocalResponseNorm { access, read_write };
        Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let ([channels, height, width], input) = (operands.shape, operands.inputs[0]);
        let (plane, [before, after]) = (height * width, self.around());
        let factor = self.alpha / self.size as f32;
        let mut squares = vec![0.0f32; plane];
        for (channel, to) in to.chunks_exact_mut(plane).enumerate() {
            let window = channel.saturating_sub(before)..(channel + after + 1).min(channels);
            squares.fill(0.0);
            for from in input[window.start * plane..window.end * plane].chunks_exact(plane) {
                squares.iter_mut().zip(from).for_each(|(square, from)| *square += from * from);
            }
            let from = &input[channel * plane..][..plane];
            for ((to, from), square) in to.iter_mut().zip(from).zip(&squares) {
                *to = from * (self.k + factor * square).powf(-self.beta);
            }
        }
    }

    /// Of what values may be the least and the most become, and what a power rounds: WGSL's is `exp2(y * log2(x))`,
    /// with a logarithm that is off by three units in the last place, or by `2^-21` near 1.
    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let ([channels, height, width], input) = (operands.shape, operands.inputs[0]);
        let (plane, [before, after]) = (height * width, self.around());
        let [alpha, beta, k] = [self.alpha, self.beta, self.k].map(f64::from);
        let factor = alpha / self.size as f64;
        let of = |at: usize| {
            let (channel, (value, error)) = (at / plane, input.pair(at));
            let window = channel.saturating_sub(before)..(channel + after + 1).min(channels);
            let sum = |of: fn(f64, f64) -> f64| {
                let squares = window.clone().map(|channel| input.pair(channel * plane + at % plane));
                k + factor * squares.map(|(value, error)| of(value.abs(), error).powi(2)).sum::<f64>()
            };
            let base = sum(|value, _| value);
            // Squares and their sum are rounded, and what comes of them.
            let rounding = 1.0 + EPSILON * (self.size as f64 / 2.0 + 4.0);
            let least = sum(|value, error| (value - error).max(0.0)) / rounding - LOST;
            let most = sum(|value, error| value + error) * rounding + LOST;
            let exponent = beta * base.log2();
            let of_logarithm = beta.abs() * (f64::powi(2.0, -21) + 4.0 * EPSILON * base.log2().abs());
            let of_power = of_logarithm + EPSILON * (5.0 + 3.0 * exponent.abs());
            let exact = value * base.powf(-beta);
            let corners = [value - error, value + error]
                .into_iter()
                .flat_map(|value| [least, most].map(|base| (value * base.powf(-beta) - exact).abs()));
            let carried = if least > 0.0 { corners.fold(0.0, f64::max) } else { f64::INFINITY };
            (exact, carried + (exact.abs() + carried) * of_power + LOST)
        };
        (0..channels * plane).map(of).collect()
    }
}
