//! Gradients: the backward operation in burn's graph.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, TensorMetadata};
use burn::tensor::Shape;

use crate::backend::{FsBackend, FsGradients, FsOperands, FsWanted, Optional};
use crate::geometry::FsGeometry;
use crate::network::FsNetwork;

/// The convolution's step backward. Its parents are input, summary, gains, positions and bias.
#[derive(Debug)]
struct FsConv2dBackward;

/// What the step backward reads.
#[derive(Debug, Clone)]
struct State {
    x: NodeId,
    summary: NodeId,
    gains: Option<NodeId>,
    has_positions: bool,
    has_bias: bool,
    geometry: FsGeometry,
}

impl<B: FsBackend> Backward<B, 5> for FsConv2dBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let State { x, summary, gains, has_positions, has_bias, geometry } = ops.state;
        let [to_x, to_summary, to_gains, to_positions, to_bias] = ops.parents;
        // Where an operand is absent another's node stands for it.
        let to_gains = to_gains.filter(|_| gains.is_some());
        let to_positions = to_positions.filter(|_| has_positions);
        let to_bias = to_bias.filter(|_| has_bias);
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = to_bias {
            let filters = grad.shape()[1];
            let sums = B::float_sum_dims(grad.clone(), &[0, 2, 3]);
            grads.register::<B>(node.id, B::float_reshape(sums, Shape::from([filters])));
        }
        let wanted = FsWanted {
            x: to_x.is_some(),
            summary: to_summary.is_some(),
            gains: to_gains.is_some(),
            positions: to_positions.is_some(),
        };
        if wanted == FsWanted::default() {
            return;
        }
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let summary: FloatTensor<B> = checkpointer.retrieve_node_output(summary);
        let gains: Option<FloatTensor<B>> = gains.map(|gains| checkpointer.retrieve_node_output(gains));
        let operands =
            FsOperands { x, summary, gains: gains.into(), positions: Optional::Absent, bias: Optional::Absent };
        let FsGradients { x, summary, gains, positions } = B::fs_conv2d_backward(operands, grad, wanted, geometry);
        for (node, gradient) in [(to_x, x), (to_summary, summary), (to_gains, gains), (to_positions, positions)] {
            if let (Some(node), Some(gradient)) = (node, gradient.into_option()) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: FsBackend, C: CheckpointStrategy> FsBackend for Autodiff<B, C> {
    fn fs_conv2d(operands: FsOperands<Self>, geometry: FsGeometry) -> FloatTensor<Self> {
        let FsOperands { x, summary, gains, positions, bias } = operands;
        let (gains, positions, bias) = (gains.into_option(), positions.into_option(), bias.into_option());
        let node = |operand: &Option<FloatTensor<Self>>| operand.as_ref().unwrap_or(&summary).node();
        let nodes = [x.node(), summary.node(), node(&gains), node(&positions), node(&bias)];
        let forward = |x: FloatTensor<Self>, summary: FloatTensor<Self>, gains: Option<FloatTensor<Self>>, geometry| {
            let inner = |tensor: Option<FloatTensor<Self>>| tensor.map(|tensor| tensor.into_primitive()).into();
            B::fs_conv2d(
                FsOperands {
                    x: x.into_primitive(),
                    summary: summary.into_primitive(),
                    gains: inner(gains),
                    // The geometry has them.
                    positions: Optional::Absent,
                    bias: inner(bias.clone()),
                },
                geometry,
            )
        };
        match FsConv2dBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = State {
                    x: prep.checkpoint(&x),
                    summary: prep.checkpoint(&summary),
                    gains: gains.as_ref().map(|gains| prep.checkpoint(gains)),
                    has_positions: positions.is_some(),
                    has_bias: bias.is_some(),
                    geometry: geometry.clone(),
                };
                prep.finish(state, forward(x, summary, gains, geometry))
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(x, summary, gains, geometry)),
        }
    }

    /// A constant: networks of files are not trained here.
    fn fs_network(x: FloatTensor<Self>, network: FsNetwork) -> FloatTensor<Self> {
        Self::from_inner(B::fs_network(x.into_primitive(), network))
    }
}
