//! The builder's methods, one an operation.

use super::{NetworkBuilder, Value};
use crate::error::Result;
use crate::method::problem::Activation;
use crate::network::ops::{Add, BatchNorm, ConvOp, Op, Pool, ShortcutA};

impl NetworkBuilder {
    /// Adds a convolution `[C, H, W]` to `[O, OH, OW]`, or a linear layer to `[O, 1, 1]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`]; when channels or groups do not fit the input, the kernel exceeds the padded input,
    /// or scale or bias are not O finite values.
    pub fn conv(&mut self, name: &str, input: Value, op: ConvOp) -> Result<Value> {
        self.node(name, Op::Conv(Box::new(op)), &[input])
    }

    /// Adds a convolution to whose result `residual` `[O, OH, OW]` is added before the activation.
    ///
    /// # Errors
    /// As [`NetworkBuilder::conv`], and when the residual has another shape.
    pub fn conv_with_residual(&mut self, name: &str, input: Value, residual: Value, op: ConvOp) -> Result<Value> {
        self.node(name, Op::Conv(Box::new(op)), &[input, residual])
    }

    /// Adds maxima or averages of windows.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`] and [`Pool::output_size`].
    pub fn pool(&mut self, name: &str, input: Value, pool: Pool) -> Result<Value> {
        self.node(name, Op::Pool(pool), &[input])
    }

    /// Adds the average of every channel, `[C, 1, 1]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn global_avg_pool(&mut self, name: &str, input: Value) -> Result<Value> {
        let [_, height, width] = input.shape();
        self.node(name, Op::Pool(Pool::average([height, width])), &[input])
    }

    /// Adds the sum of two values of one shape.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when the shapes differ.
    pub fn add(&mut self, name: &str, inputs: [Value; 2], activation: Activation) -> Result<Value> {
        self.node(name, Op::Add(Add { activation }), &inputs)
    }

    /// Adds a ReLU. Where it follows a convolution, an addition or a batch norm, their own activation costs nothing.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn relu(&mut self, name: &str, input: Value) -> Result<Value> {
        self.node(name, Op::Relu, &[input])
    }

    /// Adds a batch norm. One that follows a convolution is better folded into its scale and bias.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when there is not one scale and one bias a channel, all finite.
    pub fn batch_norm(&mut self, name: &str, input: Value, norm: BatchNorm) -> Result<Value> {
        self.node(name, Op::BatchNorm(Box::new(norm)), &[input])
    }

    /// Adds an option-A shortcut.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when there are fewer channels than the input has, or a stride is zero.
    pub fn shortcut_a(&mut self, name: &str, input: Value, out_channels: usize, stride: [usize; 2]) -> Result<Value> {
        self.node(name, Op::ShortcutA(ShortcutA { out_channels, stride }), &[input])
    }

    /// Adds the channels of one or more values of one height and width, one after another.
    ///
    /// Operands that only this reads, and besides it batch norms, additions and ReLUs, are written in place.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when there is no input, or heights or widths differ.
    pub fn concat(&mut self, name: &str, inputs: &[Value]) -> Result<Value> {
        self.node(name, Op::Concat, inputs)
    }

    /// Adds the same values as `[C*H*W, 1, 1]`; nothing is computed or copied.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn flatten(&mut self, name: &str, input: Value) -> Result<Value> {
        self.node(name, Op::Flatten, &[input])
    }
}
