//! Which kernels a plan runs, for whoever keeps a choice.

use std::fmt::{self, Display};

use super::{Plan, Step};
use crate::digest::Digest;
use crate::kernels::Variant;

/// Changes with how ids are made.
const VERSION: u64 = 1;

/// Which kernels a plan runs: equal for plans of one problem that compute it in the same way. Made of what the kernels
/// do, not of their names, which may change; so it says nothing to people: [`Plan::kernels`] does.
///
/// Kept as text, it finds the same kernels again among the [`Candidates`](super::Candidates) as long as this crate has
/// them:
///
/// ```
/// use filter_summary::{Candidates, Conv2d, Placement, Plan, PlanOptions, Problem, Target};
///
/// let placement = Placement::tap_major(64, 64, 3, 3, 64)?;
/// let problem = Problem::new(&placement, Conv2d::padded(1), [1, 14, 14])?;
/// let (target, options) = (Target::portable(), PlanOptions::default());
/// let kept = Plan::new(&problem, &target, options)?.kernel_id().to_string();
/// let found = Candidates::new(&problem, &target, options)?;
/// assert!(found.plans.iter().any(|plan| plan.kernel_id().to_string() == kept));
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelId(u64);

impl Display for KernelId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{VERSION}-{:016x}", self.0)
    }
}

impl Plan {
    /// Which kernels it runs.
    pub fn kernel_id(&self) -> KernelId {
        let mut digest = Digest::new();
        digest.number(self.steps().len() as u64);
        let mut last: Option<(Variant, String)> = None;
        for Step { variant, description, .. } in self.steps() {
            // Parts of a sum are many dispatches of one kernel.
            let text = match last.take() {
                Some((of, text)) if of == *variant => text,
                _ => description.source(),
            };
            digest.text(&text);
            last = Some((*variant, text));
        }
        KernelId(digest.value())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Candidates, Conv2d, Placement, PlanOptions, Problem, Target};

    #[test]
    fn candidates_have_ids_of_their_own() {
        let placement = Placement::tap_major(32, 32, 3, 3, 16).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        let ids = |options| {
            let found = Candidates::new(&problem, &Target::portable(), options).unwrap();
            found.plans.iter().map(|plan| plan.kernel_id()).collect::<Vec<_>>()
        };
        let found = ids(PlanOptions::default());
        assert!(found.len() > 1 && (1..found.len()).all(|at| !found[..at].contains(&found[at])), "{found:?}");
        assert_eq!(ids(PlanOptions::default()), found);
        assert_eq!(found[0].to_string().len(), "1-0123456789abcdef".len());
        let other = ids(PlanOptions { bind_read_write: true, ..PlanOptions::default() });
        assert!(other.iter().all(|id| !found.contains(id)));
    }
}
