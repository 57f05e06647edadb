//! The `software` family with subgroups of 4 and 16 lanes, which llvmpipe has with vectors of 128 and 512 bits:
//! the width is read once a process, so that each has a process of its own.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use crate::common::cases::cases;
use crate::common::choices::{choices, few_tiles};
use crate::common::gpu::{assert_exact, device, run};
use crate::common::operands::Data;
use crate::common::selection::{Run, covering, runs_in_f32, single};
use filter_summary::{Algorithm, Family};

/// Not on its own: the tests below run it, with other vectors.
#[test]
#[ignore = "the other tests run it"]
fn exact_on_these_lanes() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    println!("{}\n{} lanes", device.gpu.describe(), target.subgroup_sizes()[1]);
    let of_family = choices(&target).into_iter().filter(|choice| choice.family == Family::Software);
    let choices: Vec<_> = of_family.filter(|choice| choice.algorithm != Algorithm::Dense).collect();
    let cases = cases();
    let (mut runs, mut kernels) = (0, Vec::new());
    for Run { case, index, plan, .. } in covering(runs_in_f32(&cases, &target, &choices), single) {
        let data = Data::integers(&case.problem(), index as u64);
        let got = run(device, &device.trusted, &plan, &data.operands());
        assert_exact(case.name, &plan, &got, &data);
        runs += 1;
        kernels.extend(plan.kernels());
    }
    let mut wanted = vec!["software_gather-", "software_gather_rows-", "software_gather_few-", "software_products-"];
    // Row sums over 16 lanes take too long to compile.
    wanted.extend(if target.subgroup_sizes()[1] < 16 { &["-sum3x1", "-sum3x0.4.8_"][..] } else { &[] });
    for kernel in wanted {
        assert!(kernels.iter().any(|label| label.contains(kernel)), "{kernel} was not run");
    }
    println!("{runs} runs");
}

/// Runs the test above where llvmpipe's vectors have so many bits.
fn with_lanes(lanes: u32) {
    if device().is_none() {
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let mut command = Command::new(this);
    command.args(["--exact", "lanes::exact_on_these_lanes", "--ignored", "--nocapture"]);
    let output = command.env("LP_NATIVE_VECTOR_WIDTH", (32 * lanes).to_string()).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    if !text.lines().any(|line| line == format!("{lanes} lanes")) {
        assert!(lanes > 4 || !text.contains("llvmpipe"), "LP_NATIVE_VECTOR_WIDTH has no effect: {text}");
        eprintln!("SKIPPED: the adapter has no subgroups of {lanes} lanes: {text}");
        return;
    }
    let runs = text.lines().find_map(|line| line.strip_suffix(" runs")?.parse::<usize>().ok());
    assert!(runs.is_some_and(|runs| runs >= 20), "{text}");
}

#[test]
fn four_lanes() {
    with_lanes(4);
}

#[test]
fn sixteen_lanes() {
    with_lanes(16);
}
