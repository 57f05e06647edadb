//! The plan: how a problem is computed. Pure: a [`Problem`] and a [`Target`] in, dispatches and buffer sizes out.

mod algorithm;
mod chain;
mod cost;
mod family;
mod gather;
pub(crate) mod gemm;
pub(crate) mod hankel;
pub(crate) mod matrix;
mod portable;
mod shared;
mod storage;
mod subgroup;
mod target;
pub(crate) mod tiled;

pub use algorithm::Algorithm;
pub use family::Family;
pub use storage::Storage;
pub use target::{Target, required_features, required_limits};

use crate::error::{Error, Result};
use crate::placement::Boundary;
use crate::problem::Problem;
use crate::quantization::{Precision, Quantization};
use crate::spec::{Role, Spec, WeightLoad};
use crate::summary::FilterSummary;

/// What a caller may decide about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PlanOptions {
    /// The algorithm; by default the cheaper of gather and shared, or dense where the weights are not compressed.
    pub algorithm: Option<Algorithm>,
    /// The kernel family; by default the best that the device has kernels for.
    pub family: Option<Family>,
    /// What the numbers in buffers are; by default f32. [`PlanOptions::for_summary`] takes what a summary is stored as: without it layers
    /// refuse a summary in 8 bits or f16, which would take several times its memory.
    pub storage: Storage,
    /// Most bytes of workspace; by default what suits the device's caches. One image is always allowed.
    pub workspace_limit: Option<u64>,
    /// Most levels of Hankel products, 0 to 2: with 1, summaries with steps of C/2 need 3/4 of the multiply-adds; with 2, those with steps
    /// of C/4 need 9/16. The error then grows with the largest inputs instead of each output's own (`docs/method.md`). By default
    /// as many as are expected to be faster; kernels that know none are not concerned.
    pub hankel_levels: Option<u32>,
    /// Bind every storage buffer read_write, so that one `wgpu::Buffer` may hold several operands. WebGPU refuses a buffer
    /// that is bound read-only and read_write in one dispatch.
    pub bind_read_write: bool,
}

impl PlanOptions {
    /// The same with weights in memory as `summary` holds them: a quantized summary stays in 8 bits. What f32 values become is
    /// left to `storage`.
    #[must_use]
    pub fn for_summary(self, summary: &FilterSummary) -> Self {
        match summary.precision() {
            Precision::F32 => self,
            precision => Self { storage: self.storage.with_weights(precision), ..self },
        }
    }
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) spec: Spec,
    pub(crate) grid: [u32; 3],
    /// The uniform's fields in order, by name; a test compares them with the shader's struct.
    pub(crate) params: Vec<(&'static str, u32)>,
}

/// The uniform fields that 8-bit weights are read by, which end the fields of every kernel that loads weights. Their values are
/// the summary's: plans know none.
const QUANTIZATION: [(&str, u32); 2] = [("weight_scale", 0), ("weight_zero", 0)];

impl Step {
    /// The uniform's fields, for weights quantized so.
    pub(crate) fn quantized_params(&self, quantization: Option<Quantization>) -> Vec<(&'static str, u32)> {
        let value_of = |name: &str| match (name, quantization) {
            ("weight_scale", Some(quantization)) => Some(quantization.scale().to_bits()),
            ("weight_zero", Some(quantization)) => Some(quantization.zero().to_bits()),
            _ => None,
        };
        self.params.iter().map(|&(name, value)| (name, value_of(name).unwrap_or(value))).collect()
    }
}

/// What the weight buffers of a planned layer hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packing {
    /// The summary's own values, or dense filters `[O, T, channels rounded up to 4]`.
    pub(crate) dense: bool,
    /// Words of the table before the scales: bases, slots, fractions.
    pub(crate) table: Vec<u32>,
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
            // What one family cannot compute is no reason to fail when nobody asked for it; the floor has the last word.
            None => {
                let in_family = |family| Self::in_family(family, problem, target, options);
                let families = Family::by_preference(target);
                let better = families.into_iter().find_map(|family| in_family(family).ok());
                better.map_or_else(|| in_family(Family::Portable), Ok)
            }
        }
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
            Err(_) if options.algorithm.is_none() && algorithm == Algorithm::Shared => with(Algorithm::Gather),
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
        let mut plan = match algorithm {
            Algorithm::Dense | Algorithm::Gather => gather::plan(algorithm, family, problem, target, options)?,
            Algorithm::Shared => shared::plan(family, problem, target, options)?,
        };
        if family == Family::Subgroup && target.moves_pairs() {
            plan.steps.iter_mut().for_each(|step| step.spec = step.spec.paired());
        }
        plan.check(&target.limits, target.features)?;
        Ok(plan)
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

    /// Multiply-adds that the kernels need for a batch, without what tiles compute beyond it. A few pixels left over of tiles with Hankel
    /// products are computed without them, and counted as if with.
    pub fn multiply_adds(&self) -> u64 {
        let direct = self.algorithm.multiply_adds(&self.problem);
        // Three products of pieces for four.
        (0..self.hankel_levels()).fold(direct, |count, _| count - count / 4)
    }

    /// Additions of the pass after the products: one an output and kernel row where those were summed with the products, else one a tap;
    /// twice as many for learned positions, none for gather.
    pub fn additions(&self) -> u64 {
        if self.algorithm != Algorithm::Shared {
            return 0;
        }
        let taps = self.problem.placement().window().taps();
        let of_pass = self.steps.iter().find_map(|step| step.spec.terms);
        let terms = of_pass.map_or(taps, |[rows, columns]| (rows * columns) as usize);
        self.problem.outputs() * (self.problem.bases().neighbours * terms) as u64
    }

    /// Levels of Hankel products: pairs of rows share products once, or twice. 0 for none.
    pub fn hankel_levels(&self) -> u32 {
        self.steps.iter().map(|step| step.spec.hankel_levels).max().unwrap_or(0)
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

    /// Refuses to expand a summary's values without having been asked to: a layer that was compressed would take several times its memory.
    pub(crate) fn check_precision(&self, summary: &FilterSummary) -> Result<()> {
        let (stored, planned) = (summary.precision(), self.storage.weights());
        let must = self.packing.dense && between_levels(&self.problem);
        if planned.bytes() > stored.bytes() && !must {
            let rule = format!("the plan has weights of {}: plan with PlanOptions::for_summary", planned.name());
            return Err(Error::value("summary", stored.name(), rule));
        }
        Ok(())
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
            Role::Table => 4 * (self.packing.table.len() + 2 * self.problem.out_channels()) as u64,
        }
    }

    /// Checks every dispatch against a device's limits and features.
    pub(crate) fn check(&self, limits: &wgpu::Limits, features: wgpu::Features) -> Result<()> {
        let at_most = |field: &str, value: u64, limit_name: &'static str, limit: u64| {
            if value <= limit {
                Ok(())
            } else {
                Err(Error::Limit { field: field.to_owned(), value, limit_name, limit })
            }
        };
        for step in &self.steps {
            let label = step.spec.to_string();
            let missing = step.spec.features().difference(features);
            if !missing.is_empty() {
                let reason = format!("the device was opened without {missing:?}");
                return Err(Error::Unsupported { kernel: step.spec.kernel.name(), reason });
            }
            let roles = step.spec.roles();
            for &role in &roles {
                let (field, bytes) = (format!("bytes of {role:?} of {label}"), self.size_of(role));
                let binding = limits.max_storage_buffer_binding_size;
                at_most(&field, bytes, "max_storage_buffer_binding_size", binding)?;
                at_most(&field, bytes, "max_buffer_size", limits.max_buffer_size)?;
            }
            let buffers = format!("storage buffers of {label}");
            let most = u64::from(limits.max_storage_buffers_per_shader_stage);
            at_most(&buffers, roles.len() as u64, "max_storage_buffers_per_shader_stage", most)?;
            let threads = u64::from(step.spec.tile.threads());
            let most = u64::from(limits.max_compute_invocations_per_workgroup);
            at_most(&format!("threads of {label}"), threads, "max_compute_invocations_per_workgroup", most)?;
            let most = u64::from(limits.max_compute_workgroup_storage_size);
            let bytes = step.spec.workgroup_bytes();
            at_most(&format!("workgroup memory of {label}"), bytes, "max_compute_workgroup_storage_size", most)?;
            for size in step.grid {
                let most = u64::from(limits.max_compute_workgroups_per_dimension);
                let field = format!("workgroups of {label}");
                at_most(&field, u64::from(size), "max_compute_workgroups_per_dimension", most)?;
            }
        }
        Ok(())
    }
}

/// Whether `base + channel * channel_stride`, which kernels compute with 32 bits, can overflow.
fn overflows(problem: &Problem) -> bool {
    let last_channel = problem.placement().window().channels() as u64 - 1;
    // Other boundaries have no index beyond a window's reach, which fits. A wrapped stride may be a negative one plus L.
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

/// What the table holds before the scales: how far every filter lies between its two segments, as the bits of f32. Empty where
/// filters are no blends.
fn fractions(problem: &Problem) -> impl Iterator<Item = u32> {
    let filters = if problem.bases().neighbours > 1 { problem.out_channels() } else { 0 };
    (0..filters).map(|filter| problem.placement().fraction(filter).to_bits())
}

/// A grid of at least `tiles` workgroups, folded into y where x would exceed `limit`; shaders return from the surplus.
pub(crate) fn fold_grid(tiles: u64, limit: u32) -> [u32; 3] {
    let folds = tiles.div_ceil(u64::from(limit)).max(1);
    let clamp = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    [clamp(tiles.div_ceil(folds).max(1)), clamp(folds), 1]
}
