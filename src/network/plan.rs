//! The plan of a whole network: its dispatches in order, and the buffers they read and write. Pure, like [`Plan`].

mod planned;
mod planner;

pub(crate) use planned::{Operation, Place, Planned, Work};

use super::Network;
use crate::error::Result;
use crate::method::problem::Problem;
use crate::plan::{Plan, PlanOptions, Target};

/// Plans one convolution, given the options that apply by default.
pub type Choose<'a> = dyn FnMut(&Problem, PlanOptions) -> Result<Plan> + 'a;

/// How a network is computed for batches of one size on one kind of device: what [`GpuNetwork`](super::GpuNetwork) runs
/// and allocates.
///
/// ```
/// use filter_summary::network::{ConvOp, Network, NetworkPlan};
/// use filter_summary::{Conv2d, PlanOptions, Target};
///
/// let mut net = Network::builder([3, 8, 8])?;
/// let conv = ConvOp::dense(vec![1.0; 4 * 3 * 9], [4, 3, 3, 3], Conv2d::padded(1))?;
/// let conv = net.conv("conv", net.input(), conv)?;
/// let mean = net.global_avg_pool("mean", conv)?;
/// let network = net.finish(mean)?;
///
/// let plan = NetworkPlan::new(&network, &Target::portable(), 2, PlanOptions::default())?;
/// assert_eq!((plan.dispatches(), plan.layers().count()), (2, 1));
/// assert_eq!((plan.input_bytes(), plan.output_bytes()), (4 * 2 * 3 * 64, 4 * 2 * 4));
/// assert_eq!(plan.activation_bytes() - plan.workspace_bytes(), 4 * 2 * 4 * 64);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NetworkPlan<'a> {
    pub(super) network: &'a Network,
    pub(super) planned: Planned,
}

impl<'a> NetworkPlan<'a> {
    /// Plans every layer for batches of `batch` inputs, and where their values lie.
    ///
    /// An algorithm in `options` applies to every convolution; [`Algorithm::Shared`](crate::Algorithm::Shared) only to
    /// those by Filter Summary, and [`Algorithm::Fused`](crate::Algorithm::Fused) to those of them that have it: others
    /// take the cheapest. Weights that the network holds in 8 bits or f16 stay so in memory, whatever the storage
    /// in `options`.
    ///
    /// # Errors
    /// When a layer exceeds the target's limits (naming the node), the batch is zero, or the storage is f16.
    pub fn new(network: &'a Network, target: &Target, batch: usize, options: PlanOptions) -> Result<Self> {
        Self::with_choices(network, target, batch, options, &mut |problem, options| Plan::new(problem, target, options))
    }

    /// As [`NetworkPlan::new`], with every convolution planned by `choose`, which gets the layer's problem, and the
    /// options that [`NetworkPlan::new`] would use for it.
    ///
    /// # Errors
    /// As [`NetworkPlan::new`], when `choose` returns a plan of another problem, and what it returns.
    pub fn with_choices(
        network: &'a Network,
        target: &Target,
        batch: usize,
        options: PlanOptions,
        choose: &mut Choose<'_>,
    ) -> Result<Self> {
        Ok(Self { network, planned: Planned::new(network, target, batch, options, choose)? })
    }

    /// The network planned.
    pub fn network(&self) -> &'a Network {
        self.network
    }

    /// N.
    pub fn batch(&self) -> usize {
        self.planned.batch
    }

    /// Every convolution's node (an index into [`Network::nodes`]) and plan, in order.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &Plan)> {
        self.planned.layers()
    }

    /// Number of dispatches of a forward pass.
    pub fn dispatches(&self) -> usize {
        self.planned.dispatches()
    }

    /// Every dispatch's node (an index into [`Network::nodes`]) and the label of its kernel variant, in order.
    pub fn kernels(&self) -> impl Iterator<Item = (usize, String)> {
        self.planned.steps().map(|(node, step)| (node, step.description.label()))
    }

    /// Bytes of the input `[N, C, H, W]`.
    pub fn input_bytes(&self) -> u64 {
        self.planned.input_bytes
    }

    /// Bytes of the (first) output `[N, classes]`.
    pub fn output_bytes(&self) -> u64 {
        self.planned.output_bytes[0]
    }

    /// Bytes of every output, in the order of [`Network::outputs`].
    pub fn outputs_bytes(&self) -> &[u64] {
        &self.planned.output_bytes
    }

    /// Bytes of scratch memory, which all layers share.
    pub fn workspace_bytes(&self) -> u64 {
        self.planned.workspace
    }

    /// Bytes of what lies between the layers and of the workspace, beside input and output.
    pub fn activation_bytes(&self) -> u64 {
        self.planned.activation_bytes()
    }

    /// Bytes of the summaries, and of the dense weights where plans expand them.
    pub fn summary_bytes(&self) -> u64 {
        self.layers().map(|(_, plan)| plan.summary_bytes()).sum()
    }

    /// Bytes of tables: bases, slots, scales and biases, also those of batch norms.
    pub fn table_bytes(&self) -> u64 {
        self.planned.table_bytes()
    }

    /// Bytes of all weights: summaries and tables.
    pub fn weight_bytes(&self) -> u64 {
        self.summary_bytes() + self.table_bytes()
    }
}
