//! Fused plans by workgroup memory and vendor (`benches/results/isa-26.1.6/fused.md`), listed in `plans.txt`.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::method::activation::Activation;
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::plan::vendor::Vendor;
use crate::plan::{Family, Plan, PlanOptions, Target};

/// Channels and filters, and the size of images.
const LAYERS: [(usize, usize); 4] = [(64, 56), (128, 28), (256, 14), (512, 7)];

/// Vendors whose compilers hold many sums, and few.
const VENDORS: [Vendor; 3] = [Vendor::Other, Vendor::Apple, Vendor::Intel];

/// What is computed of a placement: as it is, and with a base stage.
fn problems(placement: &Placement, input: [usize; 3]) -> [(&'static str, Problem); 2] {
    let problem = Problem::new(placement, Conv2d::padded(1), input).expect("problem");
    let staged = problem.clone().with_base_stage(Activation::Relu).expect("a base stage");
    [("", problem), ("-stage", staged)]
}

#[test]
fn plans_as_texts() {
    let Some(folder) = super::folder("FS_SHADER_TEXTS") else { return };
    let processors = std::env::var("FS_PROCESSORS").ok().and_then(|text| text.parse().ok()).unwrap_or(96);
    let (mut texts, mut list) = (BTreeMap::new(), String::new());
    for (vendor, bytes) in VENDORS.into_iter().flat_map(|vendor| [16, 32, 48].map(|kib| (vendor, kib << 10))) {
        let mut target = Target { vendor, ..Target::portable() }.with_processors(processors);
        target.limits.max_compute_workgroup_storage_size = bytes;
        for (channels, size) in LAYERS {
            let nine = Placement::tap_major(channels, channels, 3, 3, channels).expect("placement");
            let one = Placement::one_base(channels, channels, 3, 3, channels).expect("placement");
            let placements = [("nine", nine.clone()), ("nine-gains", nine.with_gains()), ("one", one)];
            for (bases, placement) in placements {
                for (batch, algorithm) in [1, 32]
                    .into_iter()
                    .flat_map(|batch| Algorithm::ALL[1..].iter().map(move |algorithm| (batch, *algorithm)))
                {
                    for (stage, problem) in problems(&placement, [batch, size, size]) {
                        let options = PlanOptions::new().with_algorithm(algorithm).with_family(Family::Tiled);
                        let Ok(plan) = Plan::new(&problem, &target, options) else { continue };
                        for step in plan.steps() {
                            texts.insert(step.description.label(), step.description.source());
                            let (label, grid) = (step.description.label(), step.grid);
                            let (name, cost) = (algorithm.name(), plan.cost());
                            let layer = format!("{vendor:?} {bytes} {channels}x{size} {bases}{stage} {batch}");
                            writeln!(list, "{layer} {name} {label} {grid:?} {cost:.3e}").expect("text");
                        }
                    }
                }
            }
        }
    }
    super::write(&folder, texts);
    std::fs::write(folder.join("plans.txt"), list).expect("a file");
}
