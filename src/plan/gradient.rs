//! The plan of a convolution's gradients. Pure, like [`Plan`](super::Plan): a [`Problem`] and a [`Target`] in,
//! dispatches and buffer sizes out.
//!
//! The three linear maps of shared products reversed, with the same saving. `P[u, q]` is the product of base `u` with
//! pixel `q`, and a term of base `u` a filter `i` and tap `t` that add it up:
//!
//! ```text
//! dP[u, q] = sum over the terms of u of  w * g[i, t] * dY[i, p(q, t)]             spread
//! dX[c, q] = sum_u f[u + c * channel_stride] * dP[u, q]                           a 1x1 convolution, after transpose
//! df[u + c * channel_stride] += sum_q dP[u, q] * X[c, q]                          outer, then overlap
//! dg[i, t] = sum_p dY[i, p] * P[base(i, t), q(p, t)]                              a 1x1 convolution, then tap_sums
//! ```
//!
//! (Derivation: FSNet section 3 for the maps; `docs/method.md`.) A direction of its own in [`Problem`] would compute
//! `dP` once for the input and once for the summary, so that gradients are one plan of all that is wanted.

mod areas;
mod drafts;
mod input;
mod pass;
#[cfg(feature = "software")]
mod software;
mod summary;
mod taps;
mod terms;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::ask::overflows;
use super::check::{check_step, of_layer};
use super::{PlanOptions, Step, Target};
use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::method::wanted::Wanted;
use crate::method::window::INDEX_LIMIT;
use areas::Areas;
use drafts::Drafts;
pub(crate) use pass::{ConvPlaces, Pass, Place};
use terms::Terms;

/// How the gradients of one convolution are computed on one kind of device.
///
/// ```
/// use filter_summary::{Conv2d, GradientPlan, Placement, PlanOptions, Problem, Target, Wanted};
///
/// let placement = Placement::tap_major(256, 256, 3, 3, 256)?;
/// let problem = Problem::new(&placement, Conv2d::padded(1), [1, 14, 14])?;
/// let plan = GradientPlan::new(&problem, Wanted::all(&problem), &Target::portable(), PlanOptions::new())?;
/// assert_eq!(plan.dispatches(), 5); // spread, transpose and a 1x1 convolution for the input; outer and overlap
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Clone)]
pub struct GradientPlan {
    problem: Problem,
    wanted: Wanted,
    target: Target,
    table: Vec<u32>,
    passes: Vec<Pass>,
    workspace: u64,
    label: Option<Arc<str>>,
}

impl GradientPlan {
    /// Plans the gradients `wanted` of a problem, from that of its output. Of the options it takes the family, which
    /// computes what are convolutions in it, and the limit of the workspace: where that or the device leaves no room
    /// for the products of the batch, half of its images are computed at a time, or half of those. Everything is bound
    /// read_write, and summary and gains are the caller's, whatever options say.
    ///
    /// # Errors
    /// As [`Wanted::check`]; when options name an algorithm or another storage than f32, as gradients have one of each;
    /// or when the device cannot run it, with however few images at a time.
    pub fn new(problem: &Problem, wanted: Wanted, target: &Target, options: PlanOptions) -> Result<Self> {
        wanted.check(problem)?;
        if let Some(algorithm) = options.algorithm {
            return Err(Error::value("algorithm", algorithm.name(), "gradients have one of their own: leave it open"));
        }
        if options.storage != Storage::F32 {
            return Err(Error::value("storage", options.storage.name(), "gradients are computed in f32"));
        }
        let too_far = || {
            let reason = "indices of the wrapped summary exceed 31 bits".to_owned();
            Error::Unsupported { kernel: "gradients", reason }
        };
        if overflows(problem) {
            return Err(too_far());
        }
        let terms = Terms::new(problem, wanted);
        // `overlap` counts through all turns of a wrapped summary.
        if (terms.turns + 2).saturating_mul(problem.placement().length()) > INDEX_LIMIT && terms.turns > 0 {
            return Err(too_far());
        }
        let drafts = Drafts { problem, wanted, target, options, terms: &terms };
        let limit = options.workspace_limit.unwrap_or(u64::MAX);
        // What fits of the fewest images, if nothing keeps to the caller's limit, or why nothing fits.
        let mut last = Err(Error::value("batch", problem.batch(), "its products exceed what indices count"));
        for images in drafts.chunks() {
            let mut areas = Areas::default();
            let planned = drafts.passes(images, &mut areas).map(|passes| Self {
                problem: problem.clone(),
                wanted,
                target: target.clone(),
                table: terms.words.clone(),
                passes,
                workspace: areas.bytes(),
                label: None,
            });
            let planned = planned.and_then(|plan| plan.check(target).map(|()| plan));
            match planned {
                Ok(plan) if plan.workspace <= limit => return Ok(plan),
                Err(_) if last.is_ok() => {}
                planned => last = planned,
            }
        }
        last.map_err(|error| match error {
            // Of a convolution that the caller does not know.
            Error::Value { .. } => Error::Unsupported { kernel: "gradients", reason: error.to_string() },
            error => error,
        })
    }

    /// The problem whose gradients they are.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Which gradients it computes.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Bytes of scratch memory that recording needs.
    pub fn workspace_size(&self) -> u64 {
        self.workspace
    }

    /// Number of dispatches of one recording.
    pub fn dispatches(&self) -> usize {
        self.steps().count()
    }

    /// The label of every kernel, in the order of dispatches.
    pub fn kernels(&self) -> Vec<String> {
        self.steps().map(|step| step.description.label()).collect()
    }

    /// The same under a name, as [`Plan::with_label`](crate::Plan::with_label).
    #[must_use]
    pub fn with_label(self, label: &str) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    pub(crate) fn labelled(&self, what: &'static str) -> Cow<'static, str> {
        self.label.as_deref().map_or(Cow::Borrowed(what), |label| Cow::Owned(format!("{what} of {label}")))
    }

    pub(crate) fn passes(&self) -> &[Pass] {
        &self.passes
    }

    pub(crate) fn table(&self) -> &[u32] {
        &self.table
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.passes.iter().flat_map(|pass| match pass {
            Pass::Step(step, _) => std::slice::from_ref(&**step),
            Pass::Conv(plan, _) => plan.steps(),
        })
    }

    /// Bytes of what lies at a place: of the caller's tensors at least.
    pub(crate) fn size_of(&self, place: &Place) -> u64 {
        let placement = self.problem.placement();
        let elements = |shape: [usize; 4]| shape.iter().map(|&size| size as u64).product::<u64>();
        4 * match place {
            Place::GradOutput => elements(self.problem.output_shape()),
            Place::Input | Place::GradInput => elements(self.problem.input_shape()),
            // Kernels read it in whole quads.
            Place::Summary => placement.length().next_multiple_of(4) as u64,
            Place::GradSummary => placement.length() as u64,
            Place::Gains | Place::GradGains => placement.gains() as u64,
            Place::GradPositions => placement.filters() as u64,
            Place::Table => self.table.len() as u64,
            Place::Workspace(bytes) => (bytes.end - bytes.start) / 4,
        }
    }

    /// Whether a tensor of the caller's is read or written.
    pub(crate) fn touches(&self, place: &Place) -> bool {
        self.passes.iter().any(|pass| match pass {
            Pass::Step(_, places) => places.iter().any(|(_, other)| other == place),
            Pass::Conv(_, ConvPlaces { input, summary, output, .. }) => [input, summary, output].contains(&place),
        })
    }

    /// Checks every dispatch against a device.
    pub(crate) fn check(&self, device: &Target) -> Result<()> {
        let of = |error| of_layer(&self.problem, error);
        for pass in &self.passes {
            match pass {
                Pass::Step(step, places) => {
                    let bytes = |role: Role| {
                        let place = places.iter().find(|(other, _)| *other == role);
                        (place.map_or(0, |(_, place)| self.size_of(place)), 4)
                    };
                    check_step(step, &self.target, device, bytes).map_err(of)?;
                }
                Pass::Conv(plan, _) => plan.check(device)?,
            }
        }
        let limit = device.limits.max_buffer_size;
        if self.workspace > limit {
            let (field, value) = ("bytes of workspace of gradients".to_owned(), self.workspace);
            return Err(of(Error::Limit { field, value, limit_name: "max_buffer_size", limit }));
        }
        Ok(())
    }
}

/// What it computes, and by which kernels; not their texts, nor what their buffers hold.
impl fmt::Debug for GradientPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GradientPlan")
            .field("label", &self.label)
            .field("problem", &self.problem)
            .field("wanted", &self.wanted)
            .field("kernels", &self.kernels())
            .field("workspace_size", &self.workspace)
            .finish_non_exhaustive()
    }
}
