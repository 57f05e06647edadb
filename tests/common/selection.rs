//! Which runs of the table of cases an ordinary test makes. Software adapters take up to seconds to compile a kernel
//! variant, and then no time to run it: what is left out are variants, not cases.

#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

use super::cases::Case;
use super::choices::Choice;
use super::variants::shape_of_label;
use filter_summary::{Plan, Target};

/// A case, computed in one way.
pub struct Run<'a> {
    pub case: &'a Case,
    /// Of the case in the table.
    pub index: usize,
    pub choice: Choice,
    pub plan: Plan,
}

/// Whether everything is run: `cargo xtask test --all` says so.
pub fn runs_all() -> bool {
    std::env::var_os("FS_TEST_ALL").is_some()
}

/// Every case in each of `choices`, if `runs_all`. Else those that run on variants chosen so that every two properties
/// which a kernel has together in any case (how it loads weights, where it blends them, how it stores, ..) are together
/// in one that runs.
pub fn selected<'a>(cases: &'a [Case], target: &Target, choices: &[Choice]) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for &choice in choices {
            let plan = Plan::new(&case.problem(), target, choice.options()).expect(case.name);
            assert_eq!(Choice { algorithm: plan.algorithm(), family: plan.family() }, choice, "{}", case.name);
            runs.push(Run { case, index, choice, plan });
        }
    }
    if runs_all() {
        return runs;
    }
    let of_label: BTreeMap<String, BTreeSet<String>> =
        runs.iter().flat_map(|run| run.plan.kernels()).map(|label| (label.clone(), properties(&label))).collect();
    let mut missing: BTreeSet<&String> = of_label.values().flatten().collect();
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    while !missing.is_empty() {
        // The run whose new variants, each for itself, show the most that is new.
        let worth = |run: &&Run<'_>| {
            let mut new = run.plan.kernels();
            new.retain(|label| !chosen.contains(label));
            let shown: BTreeSet<&String> = new.iter().flat_map(|label| &of_label[label]).collect();
            let shown = shown.iter().filter(|property| missing.contains(**property)).count();
            1000 * shown / new.len().max(1)
        };
        // `max_by_key` takes the last: begin with the end, for the first.
        let best = runs.iter().rev().max_by_key(worth).expect("a run");
        for label in best.plan.kernels() {
            of_label[&label].iter().for_each(|property| _ = missing.remove(property));
            chosen.insert(label);
        }
    }
    let count = runs.len();
    runs.retain(|run| run.plan.kernels().iter().all(|label| chosen.contains(label)));
    eprintln!(
        "{} of {count} runs, on {} of {} kernel variants (all: cargo xtask test --all)",
        runs.len(),
        chosen.len(),
        of_label.len()
    );
    runs
}

/// Every two words of a label that name code, with the kernel.
fn properties(label: &str) -> BTreeSet<String> {
    let shape = shape_of_label(label);
    let words: Vec<&str> = shape.split(' ').collect();
    let (kernel, words) = words.split_first().expect("a kernel");
    let alone = std::iter::once((*kernel).to_owned());
    let pairs = (0..words.len()).flat_map(|b| (0..=b).map(move |a| (a, b)));
    alone.chain(pairs.map(|(a, b)| format!("{kernel} {} {}", words[a], words[b]))).collect()
}
