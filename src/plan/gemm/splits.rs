//! Into how many splits a reduction is cut: workgroups of their own add up each, and pass 2 adds their sums. Only where
//! tiles are too few to keep a device busy.

/// Numbers of splits, fewest first.
const SPLITS: [usize; 6] = [2, 3, 4, 6, 8, 12];

/// Steps of a split at least: fewer do not hide the loads of the first.
const LEAST_STEPS: u64 = 4;

/// Of a device's time that tiles fill; where they do, splits are not tried.
const BUSY: f64 = 0.7;

/// What a number of splits is expected to take.
pub(super) struct Expected {
    /// The splits, and what adds them up.
    pub(super) seconds: f64,
    /// Part of the device's time that is filled.
    pub(super) fill: f64,
}

/// The number that takes least time by what is `expected` of each, which is `None` where it cannot be; 1 where that is
/// least.
pub(super) fn choose(expected: impl Fn(usize) -> Option<Expected>) -> usize {
    let Some(whole) = expected(1).filter(|whole| whole.fill < BUSY) else { return 1 };
    let tried = SPLITS.iter().filter_map(|&splits| Some((splits, expected(splits)?.seconds)));
    tried.fold((1, whole.seconds), |best, one| if one.1 < best.1 { one } else { best }).0
}

/// Whether every split has steps enough.
pub(super) fn are_long(steps: u64, splits: usize) -> bool {
    splits == 1 || steps / splits as u64 >= LEAST_STEPS
}

#[cfg(test)]
mod tests {
    use crate::plan::{Family, Plan, PlanOptions};
    use crate::{Algorithm, Conv2d, Hardware, Placement, Problem, Target};

    fn is_split(plan: &Plan) -> bool {
        plan.kernels().iter().any(|label| label.split('-').any(|word| word == "split"))
    }

    /// Splits lie in the workspace: without room there are none, and gather needs no workspace.
    #[test]
    fn splits_need_room() {
        let problem = deep(1);
        let target = Target::portable().with_processors(1_000_000);
        let options = PlanOptions::new().with_family(Family::Tiled).with_algorithm(Algorithm::Gather);
        let plan = Plan::new(&problem, &target, options).unwrap();
        assert!(is_split(&plan), "{:?}", plan.kernels());
        let splits = plan.workspace_size() / (4 * problem.outputs());
        assert!(splits > 1 && plan.workspace_size() == 4 * splits * problem.outputs());
        let plan = Plan::new(&problem, &target, options.with_workspace_limit(8 * problem.outputs() - 1)).unwrap();
        assert_eq!((is_split(&plan), plan.workspace_size()), (false, 0));
    }

    /// Where tiles fill a device nothing is split, and where they do not, what is least by its prediction is taken.
    #[test]
    fn small_images_are_split_on_large_devices_alone() {
        let options = PlanOptions::new().with_family(Family::Tiled).with_algorithm(Algorithm::Gather);
        let plan = |processors, batch| {
            Plan::new(&deep(batch), &Target::portable().with_processors(processors), options).unwrap()
        };
        assert!(is_split(&plan(132, 1)));
        assert!(!is_split(&plan(4, 1)));
        assert!(!is_split(&plan(132, 128)));
        let seconds = |processors| plan(processors, 1).predictions().iter().map(|one| one.seconds()).sum::<f64>();
        assert!(seconds(132) < 0.5 * seconds(4));
    }

    /// Whatever is split is expected to be faster than the same plan without room for splits.
    #[test]
    fn splits_are_never_slower_than_none() {
        let placement = |filters, channels, kernel| Placement::tap_major(filters, channels, kernel, kernel, channels);
        let layers = [(512, 512, 3, 7), (256, 256, 3, 14), (1000, 2048, 1, 1), (64, 256, 1, 56), (36, 40, 3, 9)];
        let mut split = 0;
        for name in ["RTX 4070 Super", "NVIDIA L40S", "AMD Radeon 890M", "NVIDIA H200", "Apple M1", "RX 6800"] {
            let target = Target::portable().with_hardware(Hardware::named(name).unwrap());
            for ((filters, channels, kernel, size), batch) in layers.iter().flat_map(|&layer| [(layer, 1), (layer, 4)])
            {
                let placement = placement(filters, channels, kernel).unwrap();
                let problem = Problem::new(&placement, Conv2d::padded(kernel / 2), [batch, size, size]).unwrap();
                for algorithm in [Algorithm::Gather, Algorithm::Shared] {
                    let options = PlanOptions::new().with_family(Family::Tiled).with_algorithm(algorithm);
                    let plan = Plan::new(&problem, &target, options).unwrap();
                    // Room for whole products of all images.
                    let products = (problem.sharing().bases() * batch * size * size) as u64;
                    let room = if algorithm == Algorithm::Shared { 4 * products } else { 0 };
                    let whole = Plan::new(&problem, &target, options.with_workspace_limit(room)).unwrap();
                    let label = format!("{name} {filters} {channels} {size} x{batch} {algorithm:?}");
                    assert!(!is_split(&whole), "{label}: {:?}", whole.kernels());
                    assert!(plan.cost() <= 1.02 * whole.cost(), "{label}: {} for {}", plan.cost(), whole.cost());
                    split += usize::from(is_split(&plan));
                }
            }
        }
        assert!(split > 10, "{split}");
    }

    /// 512 channels at 7x7: a long reduction of few outputs.
    fn deep(batch: usize) -> Problem {
        let placement = Placement::tap_major(512, 512, 3, 3, 512).unwrap();
        Problem::new(&placement, Conv2d::padded(1), [batch, 7, 7]).unwrap()
    }
}
