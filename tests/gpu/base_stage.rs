//! The base stage on a real adapter: every family, algorithm and storage that has it, exact on small integers, within
//! the derived tolerance on floats.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use crate::common::choices::{choices_in, few_tiles};
use crate::common::gpu::{assert_exact, device, run};
use crate::common::interpreter::interpret;
use crate::common::networks::{check, images, network, ternary};
use crate::common::operands::{Data, Random, random_error_fraction};
use crate::common::parts::integers;
use crate::common::staged::staged;
use filter_summary::network::{CpuNetwork, Network};
use filter_summary::reference::conv2d;
use filter_summary::{Algorithm, Error, Plan, Precision, Storage};
use serde_json::json;

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

/// Blocks as MobileNetV2 and YuNet have them: a 1x1 convolution with norm and activation, then a depthwise one.
#[test]
fn networks_with_base_stages() {
    let node = |name: &str, input: &str, [filters, channels, stride]: [usize; 3], stage: &str, end: &str| {
        json!({"name": name, "op": "fs_conv2d", "input": input, "out_channels": filters, "padding": [1, 1, 1, 1],
               "window": {"channels": channels, "height": 3, "width": 3, "strides": [1, 0, 0]},
               "stride": [stride, stride], "base_activation": stage, "activation": end})
    };
    let mut second = node("second", "first", [10, 8, 1], "relu", "none");
    second["residual"] = json!("wide");
    let mut grouped = node("grouped", "second", [12, 5, 2], "none", "relu6");
    grouped["groups"] = json!(2);
    let nodes = [
        node("first", "input", [8, 3, 1], "relu6", "relu6"),
        json!({"name": "wide", "op": "shortcut_a", "input": "first", "out_channels": 10, "stride": [1, 1]}),
        second,
        json!({"name": "sum", "op": "add", "inputs": ["second", "wide"], "activation": "relu6"}),
        grouped,
        json!({"name": "norm", "op": "batch_norm", "input": "grouped", "activation": "relu6"}),
        json!({"name": "mean", "op": "global_avg_pool2d", "input": "norm"}),
        json!({"name": "fc", "op": "linear", "input": "mean", "activation": "relu6"}),
    ];
    let starts = |filters: usize, step: i64| integers(&[filters], (0..filters as i64).map(|i| i * step));
    let tensors = [
        ("first.summary", ternary(&[24])),
        ("first.starts", starts(8, 3)),
        ("first.gains", ternary(&[8, 9])),
        ("first.base_scale", ternary(&[8])),
        ("first.base_bias", ternary(&[8])),
        ("second.summary", ternary(&[80])),
        ("second.starts", starts(10, 8)),
        ("second.gains", ternary(&[10, 9])),
        ("second.base_bias", ternary(&[10])),
        ("second.scale", ternary(&[10])),
        ("grouped.summary", ternary(&[60])),
        ("grouped.starts", starts(12, 5)),
        ("grouped.gains", ternary(&[12, 9])),
        ("grouped.bias", ternary(&[12])),
        ("norm.scale", ternary(&[12])),
        ("norm.bias", ternary(&[12])),
        ("fc.weight", ternary(&[4, 12])),
    ];
    let found = network([3, 9, 8], &nodes, &tensors);
    check("base stages", &found);
    // Written and read again it is the same, and in 8 bits it runs.
    let bytes = found.to_bytes(&BTreeMap::new()).unwrap();
    assert_eq!(Network::from_bytes(&bytes).unwrap().to_bytes(&BTreeMap::new()).unwrap(), bytes);
    assert_eq!(found.parameters(), 24 + 72 + 8 + 8 + 80 + 90 + 10 + 10 + 60 + 108 + 12 + 12 + 12 + 48);
    let quantized = found.quantized(Precision::U8, false).unwrap();
    let image = images(&quantized, 1, 1, Random::float);
    let got = CpuNetwork::new(&quantized, 1, None).unwrap().run(&image).unwrap();
    assert_eq!(interpret(&quantized, &image).first_difference(&got), None);
}
