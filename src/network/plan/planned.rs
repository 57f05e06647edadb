//! What a network's plan holds. It knows neither names nor weights, so that devices can keep it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::network::layout::{Destination, Layout, Wiring};
use crate::network::stage::Stage;
use crate::plan::{Plan, PlanOptions, Step, Target};

/// The network's input and outputs have buffers of their own; everything else shares `slots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Input,
    /// One of the outputs.
    Output(usize),
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
    /// Of every output.
    pub(crate) output_bytes: Vec<u64>,
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

    /// Checks all of it against a device.
    pub(crate) fn check(&self, device: &Target) -> Result<()> {
        let limits = &device.limits;
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let input = std::iter::once(("input", self.input_bytes));
        let outputs = self.output_bytes.iter().map(|&bytes| ("output", bytes));
        let shared = self.slots.iter().map(|&bytes| ("activations", bytes));
        if let Some((what, value)) = input.chain(outputs).chain(shared).find(|(_, bytes)| *bytes > binding) {
            let (field, limit_name) = (format!("bytes of {what}"), "max_storage_buffer_binding_size");
            return Err(Error::Limit { field, value, limit_name, limit: binding });
        }
        let most = limits.max_compute_workgroups_per_dimension;
        if let Some((_, step)) = self.steps().find(|(_, step)| step.grid.iter().any(|&size| size > most)) {
            return Err(Error::Limit {
                field: format!("workgroups of {}", step.description.label()),
                value: u64::from(step.grid.into_iter().max().unwrap_or(0)),
                limit_name: "max_compute_workgroups_per_dimension",
                limit: u64::from(most),
            });
        }
        for (_, plan) in self.layers() {
            plan.check(device).map_err(|error| named(plan.label().unwrap_or("of a convolution"), error))?;
        }
        Ok(())
    }

    /// Checks that it runs in buffers of so many bytes.
    pub(crate) fn check_fits(&self, slots: &[u64], workspace: u64) -> Result<()> {
        let fits = self.slots.len() <= slots.len() && self.slots.iter().zip(slots).all(|(needed, size)| needed <= size);
        if fits && self.workspace <= workspace {
            return Ok(());
        }
        let rule = format!("they must be at least {:?} and a workspace of {}", self.slots, self.workspace);
        Err(Error::value("bytes of activations", format!("{slots:?} and a workspace of {workspace}"), rule))
    }
}

/// Says which node an error belongs to.
pub(super) fn named(node: &str, error: Error) -> Error {
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
