//! Reductions in splits: workgroups of their own add up each, and pass 2 adds their sums.
#![allow(clippy::unwrap_used)]

use crate::common::cases::cases;
use crate::common::choices::{choices, in_splits};
use crate::common::gpu::{assert_exact, device, run};
use crate::common::operands::{Data, random_error_fraction};
use crate::common::selection::{covering, runs_in_f32, single};
use filter_summary::reference::conv2d;
use filter_summary::{Algorithm, Family, Plan};

fn is_split(plan: &Plan) -> bool {
    plan.kernels().iter().any(|label| label.split('-').any(|word| word == "split"))
}

/// Of the table, what is split on a device that has far too many processors: everything long enough.
#[test]
fn splits_add_up_exactly() {
    let Some(device) = device() else { return };
    let target = in_splits(&device.gpu.target());
    let mut ways = choices(&target);
    ways.retain(|choice| choice.family == Family::Tiled && choice.algorithm != Algorithm::Fused);
    let table = cases();
    let mut runs = runs_in_f32(&table, &target, &ways);
    runs.retain(|run| is_split(&run.plan));
    for algorithm in [Algorithm::Gather, Algorithm::Dense, Algorithm::Shared] {
        assert!(runs.iter().any(|run| run.choice.algorithm == algorithm), "{algorithm:?} is never split");
    }
    // Of batches too, whose images lie side by side in a split.
    let (batches, images): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.case.problem().batch() > 1);
    for run_of_table in [images, batches].into_iter().flat_map(|runs| covering(runs, single)) {
        let (case, plan) = (run_of_table.case, &run_of_table.plan);
        let data = Data::integers(&case.problem(), run_of_table.index as u64);
        assert_exact(case.name, plan, &run(device, &device.trusted, plan, &data.operands()), &data);
        let data = Data::floats(&case.problem(), run_of_table.index as u64);
        let want = conv2d(&case.problem(), &data.operands()).unwrap();
        let got = run(device, &device.trusted, plan, &data.operands());
        let fraction = random_error_fraction(&got, &want, case.problem().placement().window().weights());
        assert!(fraction <= 1.0, "{}: {:?} is off by {fraction} tolerances", case.name, plan.kernels());
    }
}
