//! The plan: how a problem is computed. Pure: a [`Problem`] and a [`Target`] in, dispatches and buffer sizes out.

mod algorithm;
mod chain;
mod check;
mod cost;
mod family;
mod gather;
pub(crate) mod gemm;
pub(crate) mod hankel;
pub(crate) mod matrix;
mod parts;
mod portable;
mod shared;
mod step;
mod storage;
mod subgroup;
mod target;
pub(crate) mod tiled;
mod turns;

pub use algorithm::Algorithm;
pub use family::Family;
pub use storage::Storage;
pub use target::{Target, required_features, required_limits};

use crate::error::{Error, Result};
use crate::placement::Boundary;
use crate::problem::Problem;
use crate::quantization::Precision;
use crate::spec::{Role, WeightLoad};
use crate::summary::FilterSummary;
use parts::Table;
use step::QUANTIZATION;
pub(crate) use step::{Operand, Places, Step};

/// What a caller may decide about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PlanOptions {
    /// The algorithm; by default the cheaper of gather and shared, or dense where the weights are not compressed.
    pub algorithm: Option<Algorithm>,
    /// The kernel family; by default the best that the device has kernels for.
    pub family: Option<Family>,
    /// What the numbers in buffers are; by default f32, and weights as the summary has them: layers keep one in 8
    /// bits or f16 as it is, also where wider weights were planned. [`PlanOptions::for_summary`] plans so to begin
    /// with, so that the plan tells what will be.
    pub storage: Storage,
    /// Most bytes of workspace; by default what suits the device's caches. One image is always allowed.
    pub workspace_limit: Option<u64>,
    /// Most levels of Hankel products, 0 to 2: with 1, summaries with steps of C/2 need 3/4 of the multiply-adds;
    /// with 2, those with steps of C/4 need 9/16. The error then grows with the largest inputs instead of each
    /// output's own (`docs/method.md`). By default as many as are expected to be faster; kernels that know none are
    /// not concerned, and sums that are cut into parts have none.
    pub hankel_levels: Option<u32>,
    /// Bind every storage buffer read_write, so that one `wgpu::Buffer` may hold several operands. WebGPU refuses a
    /// buffer that is bound read-only and read_write in one dispatch.
    pub bind_read_write: bool,
}

impl PlanOptions {
    /// The same with weights in memory as `summary` holds them: a quantized summary stays in 8 bits. What f32 values
    /// become is left to `storage`.
    #[must_use]
    pub fn for_summary(self, summary: &FilterSummary) -> Self {
        match summary.precision() {
            Precision::F32 => self,
            precision => Self { storage: self.storage.with_weights(precision), ..self },
        }
    }
}

/// What the weight buffers of a planned layer hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packing {
    /// The summary's own values, or dense filters `[O, T, channels rounded up to 4]`.
    pub(crate) dense: bool,
    /// The table of every part of the sums, in their order.
    pub(crate) tables: Vec<Table>,
}

/// A faster way to compute a problem that a plan did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declined {
    /// The kernel family.
    pub family: Family,
    /// The algorithm; `None` where the family was to choose it.
    pub algorithm: Option<Algorithm>,
    /// Why it cannot: [`Error::Unsupported`] or [`Error::Limit`].
    pub reason: Error,
}

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
#[derive(Debug, Clone)]
pub struct Plan {
    algorithm: Algorithm,
    family: Family,
    storage: Storage,
    problem: Problem,
    steps: Vec<Step>,
    packing: Packing,
    workspace: u64,
    multiply_adds: u64,
    additions: u64,
    declined: Vec<Declined>,
}

impl Plan {
    /// Plans a problem for a device.
    ///
    /// # Errors
    /// When the problem exceeds a limit of the device, or the algorithm asked for cannot run it.
    pub fn new(problem: &Problem, target: &Target, options: PlanOptions) -> Result<Self> {
        match options.family {
            Some(family) if family.runs_on(target) => Self::in_family(family, problem, target, options),
            Some(family) => {
                let reason = "the device lacks what its kernels need".to_owned();
                Err(Error::Unsupported { kernel: family.name(), reason })
            }
            None => Self::in_best_family(problem, target, options),
        }
    }

    /// What one family cannot compute is no reason to fail when nobody asked for it: the next is taken, and the plan
    /// says why.
    fn in_best_family(problem: &Problem, target: &Target, options: PlanOptions) -> Result<Self> {
        let mut declined = Vec::new();
        let mut families = Family::by_preference(target);
        // The floor has the last word, and if it declines too, the best family's reason is the one to tell.
        let floor = families.pop().unwrap_or(Family::Portable);
        for family in families {
            match Self::in_family(family, problem, target, options) {
                Ok(plan) => return Ok(plan.after(declined)),
                Err(reason @ (Error::Unsupported { .. } | Error::Limit { .. })) => {
                    declined.push(Declined { family, algorithm: options.algorithm, reason });
                }
                Err(fault) => return Err(fault),
            }
        }
        Self::in_family(floor, problem, target, options).map(|plan| plan.after(declined))
    }

    fn after(mut self, mut declined: Vec<Declined>) -> Self {
        declined.append(&mut self.declined);
        self.declined = declined;
        self
    }

    fn in_family(family: Family, problem: &Problem, target: &Target, options: PlanOptions) -> Result<Self> {
        if !family.computes(options.storage) {
            let reason = format!("its kernels do not compute {} storage", options.storage.name());
            return Err(Error::Unsupported { kernel: family.name(), reason });
        }
        let with = |algorithm| Self::with(algorithm, family, problem, target, options);
        let algorithm = options.algorithm.unwrap_or_else(|| cost::choose(problem, target, family, options));
        match with(algorithm) {
            // Nor are products that do not fit the device.
            Err(reason @ (Error::Unsupported { .. } | Error::Limit { .. }))
                if options.algorithm.is_none() && algorithm == Algorithm::Shared =>
            {
                let declined = vec![Declined { family, algorithm: Some(algorithm), reason }];
                with(Algorithm::Gather).map(|plan| plan.after(declined))
            }
            plan => plan,
        }
    }

    fn with(
        algorithm: Algorithm,
        family: Family,
        problem: &Problem,
        target: &Target,
        options: PlanOptions,
    ) -> Result<Self> {
        if algorithm != Algorithm::Dense && overflows(problem) {
            let reason = "indices of the wrapped summary exceed 32 bits".to_owned();
            return Err(Error::Unsupported { kernel: algorithm.name(), reason });
        }
        let mut plan = parts::plan(algorithm, family, problem, target, options)?;
        if family == Family::Subgroup && target.moves_pairs() {
            plan.steps.iter_mut().for_each(|step| step.spec = step.spec.paired());
        }
        plan.check(&target.limits, target.features)?;
        Ok(plan)
    }

    /// The faster ways that the plan did not take, and why: kernel families that are better on such a device, and
    /// products that do not fit it. Empty where the best was taken.
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
    /// products, else one a tap; twice as many for learned positions, none for gather.
    pub fn additions(&self) -> u64 {
        self.additions
    }

    /// Levels of Hankel products: pairs of rows share products once, or twice. 0 for none.
    pub fn hankel_levels(&self) -> u32 {
        parts::hankel_levels(&self.steps)
    }

    /// Bytes of scratch memory that recording needs; 0 for none. Layers that run one after another may share it.
    pub fn workspace_size(&self) -> u64 {
        self.workspace
    }

    /// The label of every distinct kernel variant, in order of first dispatch.
    pub fn kernels(&self) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for step in &self.steps {
            let label = step.spec.to_string();
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    }

    /// Number of dispatches of one recording.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Bytes of device memory that the summary takes, or the dense weights where the plan expands them.
    pub fn summary_bytes(&self) -> u64 {
        self.size_of(Role::Summary)
    }

    /// Bytes of device memory that the table takes: bases, slots, scales and biases.
    pub fn table_bytes(&self) -> u64 {
        self.size_of(Role::Table)
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn packing(&self) -> &Packing {
        &self.packing
    }

    /// The plan with weights in memory as `summary` has them, where it has them in fewer bytes than was planned: a
    /// layer that was compressed is not expanded because nobody said so. Only dense filters with weights that no
    /// level stands for stay wider.
    pub(crate) fn narrowed(mut self, summary: &FilterSummary) -> Self {
        let (stored, planned) = (summary.precision(), self.storage.weights());
        let must = self.packing.dense && stored == Precision::U8 && between_levels(&self.problem);
        if stored.bytes() < planned.bytes() && !must {
            self.storage = self.storage.with_weights(stored);
            for step in self.steps.iter_mut().filter(|step| step.spec.weights.is_some()) {
                step.spec.storage = step.spec.storage.with_weights(stored);
                // Weights may have been all that was moved by pairs of words.
                step.spec = if step.spec.pairs { step.spec.paired() } else { step.spec };
            }
        }
        self
    }

    /// Bytes of a role's buffer.
    pub(crate) fn size_of(&self, role: Role) -> u64 {
        let elements = |shape: [usize; 4]| shape.iter().map(|&size| size as u64).product::<u64>();
        // Bindings are whole words.
        let tensor = |shape| (self.storage.tensor_bytes() * elements(shape)).next_multiple_of(4);
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
            Role::Table => self.packing.tables.last().map_or(0, |table| table.at.end),
        }
    }
}

/// Whether `base + channel * channel_stride`, which kernels compute with 32 bits, can overflow.
fn overflows(problem: &Problem) -> bool {
    let last_channel = problem.placement().window().channels() as u64 - 1;
    // Other boundaries have no index beyond a window's reach, which fits. A wrapped stride may be a negative one plus
    // L.
    let stride = u64::try_from(problem.bases().channel_stride).unwrap_or(0);
    problem.placement().boundary() == Boundary::Wrap
        && problem.placement().length() as u64 + last_channel * stride > u64::from(u32::MAX)
}

/// How kernels may load a layer's weights from the summary.
fn weight_load(problem: &Problem) -> WeightLoad {
    let (bases, placement) = (problem.bases(), problem.placement());
    let aligned = bases.channel_stride == 1
        && placement.window().channels().is_multiple_of(4)
        && bases.of_tap.iter().all(|base| base % 4 == 0);
    match placement.boundary() {
        Boundary::None if aligned => WeightLoad::Vec4,
        boundary => WeightLoad::Scalar(boundary),
    }
}

/// Whether dense filters have weights that no 8-bit level need stand for: the zeros outside the summary, or blends.
fn between_levels(problem: &Problem) -> bool {
    problem.placement().boundary() == Boundary::Zero || problem.bases().neighbours > 1
}

/// What the table holds before the scales: how far every filter lies between its two segments, as the bits of f32.
/// Empty where filters are no blends.
fn fractions(problem: &Problem) -> impl Iterator<Item = u32> {
    let filters = if problem.bases().neighbours > 1 { problem.out_channels() } else { 0 };
    (0..filters).map(|filter| problem.placement().fraction(filter).to_bits())
}
