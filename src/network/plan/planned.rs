//! What a network's plan holds. It knows neither names nor weights, so that devices can keep it.

use std::sync::Arc;

use super::{Choose, Planner};
use crate::error::{Error, Result};
use crate::network::destination::Destination;
use crate::network::job::{Job, JobWork, Layout};
use crate::network::stage::{Stage, Wiring};
use crate::network::{Network, Source};
use crate::plan::{Plan, PlanOptions, Step, Target};

/// The network's input and output have buffers of their own; everything else shares `slots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Input,
    Output,
    Slot(usize),
}

/// A node's work, or a part of it, and where it finds its tensors.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(super) draft: Draft,
    pub(crate) input: Place,
    pub(crate) residual: Option<Place>,
    pub(crate) output: Place,
}

/// An operation whose tensors have no memory yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) node: usize,
    pub(super) work: Work,
    pub(super) wiring: Wiring,
    pub(super) to: Destination,
}

#[derive(Debug, Clone)]
pub(crate) enum Work {
    Conv(Box<Plan>),
    /// A stage's steps, one after another; what the last one writes is the output.
    Stage(Arc<dyn Stage>, Vec<Step>),
}

/// A network's dispatches, and the sizes of its buffers.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(super) layout: Arc<Layout>,
    pub(super) target: Target,
    pub(super) options: PlanOptions,
    pub(crate) batch: usize,
    pub(crate) operations: Vec<Operation>,
    /// Bytes of every shared buffer.
    pub(crate) slots: Vec<u64>,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) workspace: u64,
}

impl Operation {
    pub(crate) fn node(&self) -> usize {
        self.draft.node
    }

    pub(crate) fn work(&self) -> &Work {
        &self.draft.work
    }

    /// Its dispatches.
    pub(crate) fn steps(&self) -> &[Step] {
        match &self.draft.work {
            Work::Conv(plan) => plan.steps(),
            Work::Stage(_, steps) => steps,
        }
    }
}

impl Planned {
    pub(super) fn new(
        network: &Network,
        target: &Target,
        batch: usize,
        options: PlanOptions,
        choose: &mut Choose<'_>,
    ) -> Result<Self> {
        super::planner::check_storage(options.storage)?;
        let layout = Arc::new(Layout::new(network));
        let planner = Planner { network: &layout, target, batch, options };
        let mut drafts = Vec::new();
        let mut jobs = layout.jobs(network);
        if layout.view(Source::Node(layout.output)).owner == Source::Input {
            // A network that only reshapes its input has nothing in its output buffer yet.
            let output = Destination::whole(result_of(&layout), network.input().shape[0]);
            jobs.push(layout.copy(layout.output, Source::Input, output));
        }
        for Job { node, work, wiring, to } in jobs {
            let planned = match work {
                JobWork::Conv(conv) => {
                    let plan = planner.conv(conv, &wiring, to, choose);
                    plan.map(|plan| Work::Conv(Box::new(plan.with_label(&network.nodes()[node].name))))
                }
                JobWork::Stage(stage) => stage.steps(&planner, &wiring, to).map(|steps| Work::Stage(stage, steps)),
            };
            let work = planned.map_err(|error| named(&network.nodes()[node].name, error))?;
            drafts.push(Draft { node, work, wiring, to });
        }
        planner.place(&layout, drafts)
    }

    /// The same for another batch: the same algorithms and kernel families in no more workspace, so that what layers
    /// keep in memory is the same too.
    pub(crate) fn resized(&self, batch: usize) -> Result<Self> {
        let planner = Planner { network: &self.layout, target: &self.target, batch, options: self.options };
        let resize = |Draft { node, work, wiring, to }: &Draft| {
            let work = match work {
                Work::Conv(plan) => Work::Conv(Box::new(planner.resized(plan)?)),
                Work::Stage(stage, _) => Work::Stage(Arc::clone(stage), stage.steps(&planner, wiring, *to)?),
            };
            Ok(Draft { node: *node, work, wiring: wiring.clone(), to: *to })
        };
        let drafts = self.operations.iter().map(|operation| resize(&operation.draft)).collect::<Result<_>>()?;
        planner.place(&self.layout, drafts)
    }

    /// Every convolution's node and plan.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (usize, &Plan)> {
        self.operations.iter().filter_map(|operation| match &operation.draft.work {
            Work::Conv(plan) => Some((operation.draft.node, plan.as_ref())),
            Work::Stage(..) => None,
        })
    }

    /// Every dispatch and its node.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (usize, &Step)> {
        let of = |operation: &'_ Operation| operation.draft.node;
        self.operations
            .iter()
            .flat_map(move |operation| operation.steps().iter().map(move |step| (of(operation), step)))
    }

    pub(crate) fn dispatches(&self) -> usize {
        self.operations.iter().map(|operation| operation.steps().len()).sum()
    }

    /// Bytes of shared buffers and workspace.
    pub(crate) fn activation_bytes(&self) -> u64 {
        self.slots.iter().sum::<u64>() + self.workspace
    }

    /// Bytes of convolutions' and stages' tables.
    pub(crate) fn table_bytes(&self) -> u64 {
        let of = |operation: &Operation| match &operation.draft.work {
            Work::Conv(plan) => plan.table_bytes(),
            Work::Stage(stage, _) => 4 * stage.table().len() as u64,
        };
        self.operations.iter().map(of).sum()
    }

    /// Checks stages and buffers against a device's limits; convolutions' plans are checked with their weights.
    pub(crate) fn check(&self, limits: &wgpu::Limits) -> Result<()> {
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let buffers = [("input", self.input_bytes), ("output", self.output_bytes)];
        let shared = self.slots.iter().map(|&bytes| ("activations", bytes));
        if let Some((what, value)) = buffers.into_iter().chain(shared).find(|(_, bytes)| *bytes > binding) {
            let (field, limit_name) = (format!("bytes of {what}"), "max_storage_buffer_binding_size");
            return Err(Error::Limit { field, value, limit_name, limit: binding });
        }
        let most = limits.max_compute_workgroups_per_dimension;
        match self.steps().find(|(_, step)| step.grid.iter().any(|&size| size > most)) {
            None => Ok(()),
            Some((_, step)) => Err(Error::Limit {
                field: format!("workgroups of {}", step.description.label()),
                value: u64::from(step.grid.into_iter().max().unwrap_or(0)),
                limit_name: "max_compute_workgroups_per_dimension",
                limit: u64::from(most),
            }),
        }
    }

    /// Checks that this, for a smaller batch, runs in the buffers of `larger`.
    pub(crate) fn check_fits(&self, larger: &Self) -> Result<()> {
        let slots = self.slots.iter().zip(&larger.slots);
        let fits = self.slots.len() <= larger.slots.len() && slots.into_iter().all(|(slot, memory)| slot <= memory);
        if fits && self.workspace <= larger.workspace {
            return Ok(());
        }
        let rule = format!("planned for {}, the network has {} bytes", larger.batch, larger.activation_bytes());
        Err(Error::value("bytes of activations", self.activation_bytes(), rule))
    }
}

/// The tensor that holds the result: that of the last node, unless it only reshapes the input.
pub(super) fn result_of(layout: &Layout) -> Source {
    match layout.view(Source::Node(layout.output)).owner {
        Source::Input => Source::Node(layout.output),
        owner @ Source::Node(_) => owner,
    }
}

/// Says which node an error belongs to.
fn named(node: &str, error: Error) -> Error {
    match error {
        Error::Value { field, value, rule } => Error::Value { field: format!("node {node}: {field}"), value, rule },
        Error::Limit { field, value, limit_name, limit } => {
            Error::Limit { field: format!("node {node}: {field}"), value, limit_name, limit }
        }
        Error::Unsupported { kernel, reason } => {
            Error::Unsupported { kernel, reason: format!("node {node}: {reason}") }
        }
        other => other,
    }
}
