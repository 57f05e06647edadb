//! `fsnet inspect --why`: every way to compute a layer, what it is expected to cost, and why others are none.

use anyhow::{Context, Result};
use filter_summary::network::NetworkPlan;
use filter_summary::{Candidates, Plan, PlanOptions, Prediction, Target};
use serde::Serialize;

use super::layer::declined;
use crate::output::one_line;
use crate::table::{render, table};

/// The choice that a layer's plan made.
#[derive(Serialize)]
pub(super) struct Why {
    layer: String,
    /// Best first: families by how well they suit the device, and of a family by the expected cost.
    candidates: Vec<Candidate>,
    /// Those that cannot be taken, and why.
    declined: Vec<String>,
}

#[derive(Serialize)]
struct Candidate {
    family: &'static str,
    algorithm: &'static str,
    hankel_levels: u32,
    /// Expected: seconds on GPUs; on software adapters multiply-adds of the family's inner loops.
    cost: f64,
    /// Every dispatch on the device's peaks; none on software adapters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    predicted: Vec<Predicted>,
    kernels: Vec<String>,
    /// It is what runs.
    taken: bool,
}

#[derive(Serialize)]
struct Predicted {
    microseconds: f64,
    bound: &'static str,
    /// Part of the processors' time that workgroups fill.
    fill: f64,
}

impl Predicted {
    fn of(prediction: &Prediction) -> Self {
        let (microseconds, bound) = (1e6 * prediction.seconds(), prediction.bound().name());
        Self { microseconds, bound, fill: prediction.fill }
    }

    fn text(&self) -> String {
        format!("{:.1} us by {}", self.microseconds, self.bound)
    }
}

impl Why {
    /// Of every convolution of a network.
    pub(super) fn of(plan: &NetworkPlan<'_>, target: &Target, options: PlanOptions) -> Result<Vec<Self>> {
        let why = |name: &str, plan: &Plan| {
            let own = plan.options().with_algorithm(options.algorithm).with_family(options.family);
            let own = own.with_hankel_levels(options.hankel_levels);
            let found = Candidates::new(plan.problem(), target, own).with_context(|| name.to_owned())?;
            let candidate = |other: &Plan| Candidate {
                family: other.family().name(),
                algorithm: other.algorithm().name(),
                hankel_levels: other.hankel_levels(),
                cost: other.cost(),
                predicted: other.predictions().iter().map(Predicted::of).collect(),
                kernels: other.kernels(),
                taken: (other.family(), other.algorithm(), other.kernels())
                    == (plan.family(), plan.algorithm(), plan.kernels()),
            };
            Ok(Self {
                layer: one_line(name),
                candidates: found.plans.iter().map(candidate).collect(),
                declined: found.declined.iter().map(declined).collect(),
            })
        };
        let name = |node: usize| plan.network().nodes()[node].name.as_str();
        plan.layers().map(|(node, plan)| why(name(node), plan)).collect()
    }
}

impl Candidate {
    /// A line a dispatch.
    fn expected(&self) -> String {
        if self.predicted.is_empty() {
            return format!("{:.3e}", self.cost);
        }
        self.predicted.iter().map(Predicted::text).collect::<Vec<_>>().join("\n")
    }
}

/// The tables, a layer each.
pub(super) fn text(layers: &[Why]) -> String {
    let mut text = String::new();
    for why in layers {
        let mut table = table(3, &["", "family", "algorithm", "hankel", "expected", "kernels"]);
        for candidate in &why.candidates {
            table.add_row([
                if candidate.taken { "taken".to_owned() } else { String::new() },
                candidate.family.to_owned(),
                candidate.algorithm.to_owned(),
                candidate.hankel_levels.to_string(),
                candidate.expected(),
                candidate.kernels.join(" "),
            ]);
        }
        text += &format!("\n{}\n{}\n", why.layer, render(&table));
        why.declined.iter().for_each(|reason| text += &format!("not to be taken: {reason}\n"));
    }
    text
}
