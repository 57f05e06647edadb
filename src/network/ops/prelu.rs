//! `prelu`: a leaky ReLU whose slopes are learned.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::{check_finite, check_length};
use crate::error::Result;
use crate::files::tensor_file::{NewTensor, TensorFile, Values};
use crate::kernels::{Access, prelu as kernel};
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::{Bounds, EPSILON},
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;

/// `x` where `x >= 0`, else `slope[c] * x`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prelu {
    /// `[C]`, or `[1]` for all channels.
    pub slope: Vec<f32>,
}

pub(super) const FILE_OPS: &[FileOp] = &[FileOp { name: "prelu", keys: &["input"], tensors: &["slope"], read }];

fn read(node: &NodeJson, [channels, ..]: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<Op> {
    let tensor = tensors.take_required(&format!("{}.slope", node.name))?;
    if tensor.shape() != [1] && tensor.shape() != [channels] {
        let shape = tensor.shape();
        return Err(tensor.error(format!("its shape is {shape:?}: it must be [{channels}], one a channel, or [1]")));
    }
    Ok(Op::Prelu(Arc::new(Prelu::new(tensor.to_f32()?))))
}

impl Prelu {
    /// With a slope a channel, or one for all.
    pub fn new(slope: Vec<f32>) -> Self {
        Self { slope }
    }
}

impl NetworkBuilder {
    /// Adds a PReLU.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when there is neither one slope a channel nor one for all, all finite.
    pub fn prelu(&mut self, name: &str, input: Value, prelu: Prelu) -> Result<Value> {
        self.node(name, Op::Prelu(Arc::new(prelu)), &[input])
    }
}

impl Operation for Prelu {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let shape = NodeInput::only(inputs)?;
        if self.slope.len() != 1 {
            check_length("slope", Some(&self.slope), shape[0])?;
        }
        check_finite("slope", &self.slope)?;
        Ok(shape)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson::of("prelu")
    }

    fn tensors<'a>(&'a self, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
        let (name, shape) = (format!("{prefix}slope"), vec![self.slope.len()]);
        tensors.push(NewTensor { name, shape, values: Values::F32(&self.slope) });
    }

    fn parameters(&self) -> usize {
        self.slope.len()
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        let slopes = self.slope.iter().copied().cycle().take(inputs[0][0]).collect();
        Work::Stage(Arc::new(Slopes(slopes)))
    }
}

/// One a channel.
#[derive(Debug)]
struct Slopes(Vec<f32>);

impl Stage for Slopes {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = wiring.shape;
        let plane = height * width;
        let from = context.view(wiring.inputs[0]);
        let uniform = kernel::Uniform {
            images: word(context.batch),
            channels: word(channels),
            plane: word(plane),
            in_channels_total: word(from.channels_total),
            in_channel_offset: word(from.channel_offset),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
        };
        let access = Access::for_lengths(&[plane], false);
        let kernel = kernel::Prelu { access, read_write: context.options.bind_read_write };
        Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
    }

    fn table(&self) -> Vec<u32> {
        self.0.iter().map(|slope| slope.to_bits()).collect()
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let input = operands.inputs[0];
        let plane = input.len() / self.0.len();
        let planes = input.chunks_exact(plane).zip(to.chunks_exact_mut(plane));
        for ((from, to), &slope) in planes.zip(&self.0) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = if from < 0.0 { slope * from } else { from });
        }
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let plane = operands.shape[1] * operands.shape[2];
        let of = |(at, (value, error)): (usize, (f64, f64))| {
            let of = |value: f64| if value < 0.0 { f64::from(self.0[at / plane]) * value } else { value };
            let (least, most, result) = (value - error, value + error, of(value));
            // With a slope below 0 the least value is that of 0.
            let off = [least, most, 0.0f64.max(least).min(most)].map(|at| (of(at) - result).abs());
            (result, off.into_iter().fold(0.0, f64::max) + EPSILON * result.abs())
        };
        operands.inputs[0].pairs().enumerate().map(of).collect()
    }
}
