//! The base stage on a real adapter: every family, algorithm and storage that has it, exact on small integers, within
//! the derived tolerance on floats.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use crate::common::choices::{choices_in, few_tiles};
use crate::common::gpu::{assert_exact, device, run};
use crate::common::operands::{Data, random_error_fraction};
use crate::common::staged::staged;
use filter_summary::reference::conv2d;
use filter_summary::{Algorithm, Error, Plan, Precision, Storage};

#[test]
fn products_go_through_the_stage_once_in_every_kernel() {
    let Some(device) = device() else { return };
    let mut kernels = BTreeSet::new();
    for storage in [Storage::F32, Storage::U8_WEIGHTS] {
        for software in [true, false] {
            let target = few_tiles(&device.gpu.target()).with_software(software);
            let choices = choices_in(&target, storage).into_iter();
            let choices = choices.filter(|choice| matches!(choice.algorithm, Algorithm::Shared | Algorithm::Fused));
            for choice in choices {
                // Of the second storage every third, one after another: what is stored is not what is staged.
                let every = if storage == Storage::F32 { 1 } else { 3 };
                for (seed, (name, problem)) in (0..).zip(staged()).step_by(every) {
                    let plan = match Plan::new(&problem, &target, choice.options().with_storage(storage)) {
                        Err(Error::Unsupported { kernel: "fused", .. }) => continue,
                        plan => plan.expect(name),
                    };
                    kernels.extend(plan.kernels());
                    let quantized = storage.weights() == Precision::U8;
                    let data =
                        if quantized { Data::levels(&problem, 5 * seed) } else { Data::integers(&problem, 5 * seed) };
                    assert_exact(name, &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);
                    if quantized {
                        continue;
                    }
                    let data = Data::floats(&problem, 5 * seed);
                    let want = conv2d(&problem, &data.operands()).expect(name);
                    let got = run(device, &device.trusted, &plan, &data.operands());
                    let error = random_error_fraction(&got, &want, problem.placement().window().weights());
                    assert!(error <= 1.0, "{name}: {:?} is off by {error} tolerances", plan.kernels());
                }
            }
        }
    }
    for kernel in ["fs_products", "fs_software_products", "fs_tiled_products", "fs_fused"] {
        let staged = kernels.iter().filter(|label| label.starts_with(&format!("{kernel}-")));
        let staged: Vec<_> = staged.filter(|label| label.contains("-stage")).collect();
        for activation in ["-stage-relu-", "-stage-relu6-"] {
            assert!(staged.iter().any(|label| format!("{label}-").contains(activation)), "{kernel}: {staged:?}");
        }
    }
}
