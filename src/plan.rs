//! The plan: how a problem is computed. Pure: a [`Problem`] and a [`Target`] in, dispatches and buffer sizes out.

mod accumulate;
mod ask;
mod candidates;
mod check;
mod cost;
mod direct;
mod draft;
mod families;
mod family;
pub(crate) mod fused;
pub(crate) mod gemm;
#[cfg(feature = "gradients")]
pub(crate) mod gradient;
mod hardware;
mod kernel_id;
mod options;
mod packing;
mod parts;
mod planner;
mod portable;
mod predictions;
mod shared;
#[cfg(feature = "software")]
mod software;
mod step;
mod tables;
mod target;
pub(crate) mod vendor;

pub use candidates::{Candidates, Declined};
pub use family::Family;
#[cfg(feature = "gradients")]
pub use gradient::GradientPlan;
pub use hardware::{Bound, Hardware, Prediction};
pub use kernel_id::KernelId;
pub use options::{Lent, PlanOptions};
pub use target::{Target, required_features, required_limits};

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::kernels::Role;
use crate::method::algorithm::Algorithm;
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::reference::{Operands, Reference};
use packing::Packing;
pub(crate) use packing::Table;
pub(crate) use step::{Operand, Places, Step};

/// How one problem is computed on one kind of device.
///
/// ```
/// use filter_summary::{Algorithm, Conv2d, Placement, Plan, PlanOptions, Problem, Target};
///
/// let placement = Placement::tap_major(256, 256, 3, 3, 256)?;
/// let problem = Problem::new(&placement, Conv2d::padded(1), [1, 14, 14])?;
/// let plan = Plan::new(&problem, &Target::portable(), PlanOptions::default())?;
/// assert_eq!(plan.algorithm(), Algorithm::Shared);
/// assert_eq!(plan.kernels().len(), 2);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Clone)]
pub struct Plan {
    algorithm: Algorithm,
    family: Family,
    storage: Storage,
    /// With which it would be planned again.
    options: PlanOptions,
    target: Target,
    problem: Problem,
    steps: Vec<Step>,
    packing: Packing,
    workspace: u64,
    multiply_adds: u64,
    additions: u64,
    hankel_levels: u32,
    cost: f64,
    declined: Vec<Declined>,
    label: Option<Arc<str>>,
}

impl Plan {
    /// The ways that could not be taken, and why: kernel families that suit such a device better, and algorithms of its
    /// own family. Empty where there was nothing in the way.
    pub fn declined(&self) -> &[Declined] {
        &self.declined
    }

    /// The algorithm chosen.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The kernel family chosen.
    pub fn family(&self) -> Family {
        self.family
    }

    /// What the numbers in buffers are.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// What it was planned for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The problem planned.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Multiply-adds that the kernels need for a batch, without what tiles compute beyond it. A few pixels left over
    /// of tiles with Hankel products are computed without them, and counted as if with.
    pub fn multiply_adds(&self) -> u64 {
        self.multiply_adds
    }

    /// Additions of the pass after the products: one an output and kernel row where those were summed with the
    /// products, else one a tap; twice as many for learned positions, none for gather. What adds up splits is not
    /// counted.
    pub fn additions(&self) -> u64 {
        self.additions
    }

    /// Levels of Hankel products: pairs of rows share products once, or twice. 0 for none.
    pub fn hankel_levels(&self) -> u32 {
        self.hankel_levels
    }

    /// What a batch is expected to cost: a number to compare with those of other plans of this family for this target.
    /// The seconds of [`Plan::predictions`]; for the families of software adapters multiply-adds of their inner loops.
    pub fn cost(&self) -> f64 {
        self.cost
    }

    /// Options that lead to this plan again, whatever else may be expected to be faster: with algorithm and family.
    pub fn options(&self) -> PlanOptions {
        self.options
    }

    /// Bytes of scratch memory that recording needs; 0 for none. Layers that run one after another may share it.
    pub fn workspace_size(&self) -> u64 {
        self.workspace
    }

    /// The label of every distinct kernel variant, in order of first dispatch.
    pub fn kernels(&self) -> Vec<String> {
        let mut seen: Vec<&Step> = Vec::new();
        for step in &self.steps {
            if !seen.iter().any(|other| other.variant == step.variant) {
                seen.push(step);
            }
        }
        seen.into_iter().map(|step| step.description.label()).collect()
    }

    /// Whether it computes its problem by the same kernels as another plan.
    fn is_alike(&self, other: &Self) -> bool {
        let variants = |plan: &'_ Self| plan.steps.iter().map(|step| step.variant).collect::<Vec<_>>();
        self.algorithm == other.algorithm && variants(self) == variants(other)
    }

    /// Number of dispatches of one recording.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// The same under a name, which the labels of what a layer makes on a device end with, and errors about it: that of
    /// the layer in an engine's graph. Networks give their nodes'.
    #[must_use]
    pub fn with_label(self, label: &str) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// The same under another plan's name.
    #[cfg(feature = "network")]
    pub(crate) fn with_label_of(self, other: &Self) -> Self {
        Self { label: other.label.clone(), ..self }
    }

    /// The name it was given.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// `fs_summary of conv1`.
    pub(crate) fn labelled(&self, what: &'static str) -> Cow<'static, str> {
        self.label().map_or(Cow::Borrowed(what), |label| Cow::Owned(format!("{what} of {label}")))
    }

    /// Bytes that the input's range must have at least: those of the tensor, up to whole words of 4 bytes.
    pub fn input_size(&self) -> u64 {
        self.size_of(Role::Input)
    }

    /// Bytes that the output's range must have at least: those of the tensor that is written into, up to whole words.
    pub fn output_size(&self) -> u64 {
        self.size_of(Role::Output)
    }

    /// Bytes that the residual's range must have at least, up to whole words; 0 where there is none.
    pub fn residual_size(&self) -> u64 {
        if self.problem.residual() { self.size_of(Role::Residual) } else { 0 }
    }

    /// Bytes of device memory that the summary takes, or the dense weights where the plan expands them.
    pub fn summary_bytes(&self) -> u64 {
        self.size_of(Role::Summary)
    }

    /// Bytes of device memory that the table takes: bases, slots, scales and biases.
    pub fn table_bytes(&self) -> u64 {
        self.size_of(Role::Table)
    }

    /// What kernels read from buffers of the caller's beside the summary: of what was asked for, what there is.
    pub fn lent(&self) -> Lent {
        Lent { gains: self.options.lent.gains && self.problem.placement().has_gains(), ..self.options.lent }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn packing(&self) -> &Packing {
        &self.packing
    }

    /// Bytes of a role's buffer.
    pub(crate) fn size_of(&self, role: Role) -> u64 {
        let elements = |shape: [usize; 4]| shape.iter().map(|&size| size as u64).product::<u64>();
        // Bindings are whole words.
        let tensor = |shape| (self.storage.tensors().bytes() * elements(shape)).next_multiple_of(4);
        match role {
            Role::Input => tensor(self.problem.input_shape()),
            Role::Output => tensor(self.problem.output_tensor_shape()),
            Role::Residual => tensor(self.problem.output_shape()),
            Role::ProductsIn | Role::ProductsOut => self.workspace,
            Role::Summary => {
                let placement = self.problem.placement();
                let values = if self.packing.dense {
                    (placement.filters() * placement.taps()) as u64 * self.problem.padded_channels() as u64
                } else {
                    placement.length() as u64
                };
                self.storage.weights().bytes() * values.next_multiple_of(4)
            }
            Role::Gains => 4 * self.problem.placement().gains() as u64,
            Role::Scale | Role::Bias => 4 * self.problem.out_channels() as u64,
            Role::Table => self.packing.tables.last().map_or(0, |table| table.at.end),
        }
    }
}

/// What it computes, and by which kernels; not their texts, nor what their buffers hold.
impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("label", &self.label)
            .field("problem", &self.problem)
            .field("algorithm", &self.algorithm)
            .field("family", &self.family)
            .field("storage", &self.storage)
            .field("kernels", &self.kernels())
            .field("dispatches", &self.dispatches())
            .field("workspace_size", &self.workspace)
            .finish_non_exhaustive()
    }
}

impl Reference {
    /// [`Reference::with_hankel`], for what a plan multiplies.
    ///
    /// # Errors
    /// When an operand does not fit the plan's problem, or this is not the reference of all its outputs.
    pub fn for_plan(self, plan: &Plan, operands: &Operands<'_>) -> Result<Self> {
        self.with_hankel(plan.problem(), plan.algorithm(), plan.hankel_levels(), operands)
    }
}
