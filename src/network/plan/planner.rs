//! Plans nodes one by one, and gives their tensors memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::Choose;
use super::planned::{Draft, Operation, Place, Planned, Work, named};
use crate::error::{Error, Result};
use crate::method::algorithm::Algorithm;
use crate::method::storage::Storage;
use crate::network::context::Context;
use crate::network::job::{Job, JobWork};
use crate::network::layout::{Destination, Layout, Owner, Wiring};
use crate::network::memory::{Lifetime, Slots, assign};
use crate::network::ops::ConvOp;
use crate::network::{Network, Source};
use crate::plan::{Plan, PlanOptions, Target};

impl Planned {
    pub(super) fn new(
        network: &Network,
        target: &Target,
        batch: usize,
        options: PlanOptions,
        choose: &mut Choose<'_>,
    ) -> Result<Self> {
        check_storage(options.storage)?;
        let layout = Arc::new(Layout::new(network));
        let context = Context { layout: &layout, target, batch, options };
        let mut drafts = Vec::new();
        let mut jobs = layout.jobs(network);
        jobs.extend(layout.copies_of_results());
        for Job { node, work, wiring, to } in jobs {
            let planned = match work {
                JobWork::Conv(conv) => {
                    let plan = context.conv(conv, &wiring, to, choose);
                    plan.map(|plan| Work::Conv(Box::new(plan.with_label(&network.nodes()[node].name))))
                }
                JobWork::Stage(stage) => stage.steps(&context, &wiring, to).map(|steps| Work::Stage(stage, steps)),
            };
            let work = planned.map_err(|error| named(&network.nodes()[node].name, error))?;
            drafts.push(Draft { node, work, wiring, to });
        }
        context.place(&layout, drafts)
    }

    /// The same for another batch: the same algorithms and kernel families in no more workspace, so that what layers
    /// keep in memory is the same too.
    pub(crate) fn resized(&self, batch: usize) -> Result<Self> {
        let context = Context { layout: &self.layout, target: &self.target, batch, options: self.options };
        let resize = |Draft { node, work, wiring, to }: &Draft| {
            let work = match work {
                Work::Conv(plan) => Work::Conv(Box::new(context.resized(plan)?)),
                Work::Stage(stage, _) => Work::Stage(Arc::clone(stage), stage.steps(&context, wiring, *to)?),
            };
            Ok(Draft { node: *node, work, wiring: wiring.clone(), to: *to })
        };
        let drafts = self.operations.iter().map(|operation| resize(&operation.draft)).collect::<Result<_>>()?;
        context.place(&self.layout, drafts)
    }
}

impl Context<'_> {
    fn conv(&self, conv: &ConvOp, wiring: &Wiring, to: Destination, choose: &mut Choose<'_>) -> Result<Plan> {
        let input = self.layout.shape_of(wiring.inputs[0]);
        let problem = conv.problem(self.batch, input, wiring.inputs.len() > 1)?;
        let problem = problem.into_channels(to.channel_offset, to.channels_total)?;
        let options = self.options.for_summary(&conv.summary);
        let algorithm = conv.algorithm(options.algorithm, Algorithm::Gather);
        let plan = match choose(&problem, PlanOptions { algorithm, ..options }) {
            // Not every layer has it.
            Err(Error::Unsupported { .. }) if algorithm == Some(Algorithm::Fused) => {
                choose(&problem, PlanOptions { algorithm: None, ..options })?
            }
            planned => planned?,
        };
        check_storage(plan.storage())?;
        if !plan.problem().is_same(&problem) {
            return Err(Error::value("plan", "of another problem", "it must be the layer's"));
        }
        plan.narrowed(&conv.summary)
    }

    /// A convolution's plan for this batch.
    fn resized(&self, plan: &Plan) -> Result<Plan> {
        let [_, _, height, width] = plan.problem().input_shape();
        let products = plan.steps().iter().map(|step| step.places.products.end - step.places.products.start);
        let options = PlanOptions { workspace_limit: Some(products.max().unwrap_or(0)), ..plan.options() };
        let resized = Plan::new(&plan.problem().resized([self.batch, height, width])?, plan.target(), options)?;
        Ok(resized.with_label_of(plan))
    }

    /// Gives every tensor a buffer.
    fn place(&self, layout: &Arc<Layout>, drafts: Vec<Draft>) -> Result<Planned> {
        let result_at = |owner: Owner| layout.results.iter().position(|&result| result == owner);
        let bytes_of = |owner: Owner| self.elements(layout.shape_of(owner)).map(|elements| 4 * elements as u64);
        let operands = |draft: &Draft| {
            let read = |at: usize| draft.wiring.inputs.get(at).map(|&source| self.owner(source));
            [Some(draft.to.owner), read(0), read(1)]
        };
        let mut value_of: HashMap<Owner, usize> = HashMap::new();
        let mut lifetimes: Vec<Lifetime> = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            for owner in operands(draft).into_iter().flatten() {
                if owner == Source::Input || result_at(owner).is_some() {
                    continue;
                }
                let value = match value_of.get(&owner) {
                    Some(&value) => value,
                    None => {
                        lifetimes.push(Lifetime { bytes: bytes_of(owner)?, first: at, last: at });
                        value_of.insert(owner, lifetimes.len() - 1);
                        lifetimes.len() - 1
                    }
                };
                lifetimes[value].last = at;
            }
        }
        let Slots { bytes, of_value } = assign(&lifetimes);
        let place = |owner: Owner| match value_of.get(&owner) {
            Some(&value) => Place::Slot(of_value[value]),
            None => result_at(owner).map_or(Place::Input, Place::Output),
        };
        let operation = |draft: Draft| {
            let [_, input, residual] = operands(&draft);
            Operation {
                input: input.map_or(Place::Input, place),
                residual: residual.map(place),
                output: place(draft.to.owner),
                draft,
            }
        };
        let workspace = drafts.iter().map(|draft| match &draft.work {
            Work::Conv(plan) => plan.workspace_size(),
            Work::Stage(_, steps) => steps.iter().map(|step| step.places.products.end).max().unwrap_or(0),
        });
        Ok(Planned {
            layout: Arc::clone(layout),
            target: self.target.clone(),
            options: self.options,
            batch: self.batch,
            workspace: workspace.max().unwrap_or(0),
            slots: bytes,
            input_bytes: bytes_of(Source::Input)?,
            output_bytes: layout.results.iter().map(|&result| bytes_of(result)).collect::<Result<_>>()?,
            operations: drafts.into_iter().map(operation).collect(),
        })
    }
}

/// What is between the layers is f32.
fn check_storage(storage: Storage) -> Result<()> {
    if storage.has_f16_tensors() {
        let rule = "networks keep activations in f32; f16-weights they can do";
        return Err(Error::value("options.storage", storage.name(), rule));
    }
    Ok(())
}
