//! Plans nodes one by one, and gives their tensors memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::Choose;
use super::planned::{Draft, Operation, Place, Planned, Work, result_of};
use crate::error::{Error, Result};
use crate::network::Source;
use crate::network::destination::{Destination, Owner};
use crate::network::job::Layout;
use crate::network::memory::{Lifetime, Slots, assign};
use crate::network::ops::ConvOp;
use crate::network::stage::Wiring;
use crate::plan::{Algorithm, Plan, PlanOptions, Storage, Target};

/// What nodes are planned for.
pub(crate) struct Planner<'a> {
    pub(crate) network: &'a Layout,
    pub(crate) target: &'a Target,
    pub(crate) batch: usize,
    pub(crate) options: PlanOptions,
}

impl Planner<'_> {
    /// Where a value is that a node reads.
    pub(super) fn view(&self, source: Source) -> Destination {
        self.network.view(source)
    }

    pub(super) fn owner(&self, source: Source) -> Owner {
        self.view(source).owner
    }

    pub(super) fn conv(
        &self,
        conv: &ConvOp,
        wiring: &Wiring,
        to: Destination,
        choose: &mut Choose<'_>,
    ) -> Result<Plan> {
        let input = self.network.shape_of(wiring.inputs[0]);
        let problem = conv.problem(self.batch, input, wiring.inputs.len() > 1)?;
        let problem = problem.into_channels(to.channel_offset, to.channels_total)?;
        let options = self.options.for_summary(&conv.summary);
        let algorithm = conv.algorithm(options.algorithm, Algorithm::Gather);
        let plan = choose(&problem, PlanOptions { algorithm, ..options })?;
        check_storage(plan.storage())?;
        if !plan.problem().is_same(&problem) {
            return Err(Error::value("plan", "of another problem", "it must be the layer's"));
        }
        plan.narrowed(&conv.summary)
    }

    /// A convolution's plan for this batch.
    pub(super) fn resized(&self, plan: &Plan) -> Result<Plan> {
        let [_, _, height, width] = plan.problem().input_shape();
        let products = plan.steps().iter().map(|step| step.places.products.end - step.places.products.start);
        let options = PlanOptions { workspace_limit: Some(products.max().unwrap_or(0)), ..plan.options() };
        let resized = Plan::new(&plan.problem().resized([self.batch, height, width])?, plan.target(), options)?;
        Ok(resized.with_label_of(plan))
    }

    /// Elements of a batch of values.
    pub(super) fn elements(&self, shape: [usize; 3]) -> Result<usize> {
        let elements = shape.iter().try_fold(self.batch, |product, &size| product.checked_mul(size));
        elements.filter(|&elements| elements <= crate::window::INDEX_LIMIT).ok_or_else(|| {
            let rule = format!("a tensor must have at most {} elements", crate::window::INDEX_LIMIT);
            Error::value("batch of activations", format!("{} x {shape:?}", self.batch), rule)
        })
    }

    /// Gives every tensor a buffer.
    pub(super) fn place(&self, layout: &Arc<Layout>, drafts: Vec<Draft>) -> Result<Planned> {
        let result = result_of(layout);
        let bytes_of = |owner: Owner| self.elements(layout.shape_of(owner)).map(|elements| 4 * elements as u64);
        let operands = |draft: &Draft| {
            let read = |at: usize| draft.wiring.inputs.get(at).map(|&source| self.owner(source));
            [Some(draft.to.owner), read(0), read(1)]
        };
        let mut value_of: HashMap<Owner, usize> = HashMap::new();
        let mut lifetimes: Vec<Lifetime> = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            for owner in operands(draft).into_iter().flatten() {
                if owner == Source::Input || owner == result {
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
            None if owner == Source::Input => Place::Input,
            None => Place::Output,
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
            output_bytes: bytes_of(result)?,
            operations: drafts.into_iter().map(operation).collect(),
        })
    }
}

/// What is between the layers is f32.
pub(super) fn check_storage(storage: Storage) -> Result<()> {
    if storage.has_f16_tensors() {
        let rule = "networks keep activations in f32; f16-weights they can do";
        return Err(Error::value("options.storage", storage.name(), rule));
    }
    Ok(())
}
