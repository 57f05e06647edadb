//! Which runs of the table of cases an ordinary test makes. Software adapters take up to seconds to compile a kernel
//! variant, and then no time to run it: what is left out are variants, not cases.

#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

use super::cases::Case;
use super::choices::{Choice, choices, few_tiles};
use super::variants::shape_of_label;
use filter_summary::{Family, Plan, Storage, Target};

/// A case, computed in one way.
pub struct Run<'a> {
    pub case: &'a Case,
    /// Of the case in the table.
    pub index: usize,
    pub choice: Choice,
    /// What was asked for: the plan may have another.
    pub storage: Storage,
    pub plan: Plan,
}

/// What a kernel's label says of its code that some run must show.
type Properties = fn(&str) -> Vec<String>;

/// Whether everything is run: `cargo xtask test --all` says so.
pub fn runs_all() -> bool {
    std::env::var_os("FS_TEST_ALL").is_some()
}

/// Every case in each of `choices`.
pub fn runs<'a>(cases: &'a [Case], target: &Target, choices: &[(Storage, Choice)]) -> Vec<Run<'a>> {
    let run = |index: usize, case: &'a Case, storage, choice: Choice| {
        let plan = choice.plan(&case.problem(), target, choice.options().with_storage(storage))?;
        assert_eq!(Choice { algorithm: plan.algorithm(), family: plan.family() }, choice, "{}", case.name);
        Some(Run { case, index, choice, storage, plan })
    };
    let of_case =
        |(index, case)| choices.iter().filter_map(move |&(storage, choice)| run(index, case, storage, choice));
    cases.iter().enumerate().flat_map(of_case).collect()
}

/// Every case in each of `choices`, in f32.
pub fn runs_in_f32<'a>(cases: &'a [Case], target: &Target, choices: &[Choice]) -> Vec<Run<'a>> {
    let choices: Vec<_> = choices.iter().map(|&choice| (Storage::F32, choice)).collect();
    runs(cases, target, &choices)
}

/// The cases on software adapters' kernels, or on those of GPUs: on these each of them at least once. Portable kernels
/// differ by the sizes of tiles alone: those of a GPU, which compile in half the time, stand for both.
pub fn table<'a>(cases: &'a [Case], target: &Target, software: bool) -> Vec<Run<'a>> {
    let target = few_tiles(target).with_software(software);
    let of_table = |families: &[Family]| {
        let mut choices = choices(&target);
        choices.retain(|choice| families.contains(&choice.family));
        runs_in_f32(cases, &target, &choices)
    };
    if !software {
        return covering_with_cases(of_table(&[Family::Portable, Family::Tiled]), pairs);
    }
    let mut all = covering(of_table(&[Family::Software]), pairs);
    all.extend(covering(of_table(&[Family::Portable]), single));
    all
}

/// All of `runs`, if [`runs_all`]. Else those on kernel variants chosen so that every property of any of them is one
/// of a variant that is run.
pub fn covering<'a>(runs: Vec<Run<'a>>, properties: Properties) -> Vec<Run<'a>> {
    cover(runs, properties, false)
}

/// The same, and so that every case is run.
pub fn covering_with_cases<'a>(runs: Vec<Run<'a>>, properties: Properties) -> Vec<Run<'a>> {
    cover(runs, properties, true)
}

fn cover<'a>(mut runs: Vec<Run<'a>>, properties: Properties, with_cases: bool) -> Vec<Run<'a>> {
    if runs_all() {
        return runs;
    }
    let mut missing = BTreeSet::new();
    let mut missing_cases = BTreeSet::new();
    // The properties of a label, and what it costs to compile.
    let mut labels = BTreeMap::new();
    // What is compiled together, and the cases that run on it.
    let mut together: BTreeMap<Vec<String>, BTreeSet<usize>> = BTreeMap::new();
    for run in &runs {
        let kernels = run.plan.kernels();
        for label in &kernels {
            labels.entry(label.clone()).or_insert_with(|| {
                let shown = properties(label);
                missing.extend(shown.iter().cloned());
                (shown, cost(label))
            });
        }
        if with_cases {
            missing_cases.insert(run.index);
        }
        together.entry(kernels).or_default().insert(run.index);
    }
    let mut chosen: BTreeSet<&String> = BTreeSet::new();
    while !(missing.is_empty() && missing_cases.is_empty()) {
        // The kernels of a run that show the most that is new for what they cost, each for itself.
        let worth = |(kernels, cases): &(&Vec<String>, &BTreeSet<usize>)| {
            let new: BTreeSet<_> = kernels.iter().filter(|label| !chosen.contains(label)).collect();
            let shown: BTreeSet<_> = new.iter().flat_map(|&label| &labels[label].0).collect();
            let shown = shown.into_iter().filter(|&property| missing.contains(property)).count();
            let shown = shown + cases.intersection(&missing_cases).count();
            1_000_000 * shown / new.iter().map(|&label| labels[label].1).sum::<usize>().max(1)
        };
        let (best, cases) = together.iter().max_by_key(worth).expect("a run");
        for label in best {
            labels[label].0.iter().for_each(|property| _ = missing.remove(property));
            chosen.insert(label);
        }
        missing_cases.retain(|case| !cases.contains(case));
    }
    let count = runs.len();
    runs.retain(|run| run.plan.kernels().iter().all(|label| chosen.contains(label)));
    eprintln!(
        "{} of {count} runs, on {} of {} kernel variants (all: cargo xtask test --all)",
        runs.len(),
        chosen.len(),
        labels.len()
    );
    runs
}

/// About what of a kernel is unrolled, as its label has it: rows of a thread times quads of pixels, which subgroup
/// kernels and portable ones name last, and more where weights come one by one.
fn cost(label: &str) -> usize {
    let mut words = label.split('-').skip(1);
    let sizes: Vec<usize> = words.next().unwrap_or_default().split('x').filter_map(|size| size.parse().ok()).collect();
    let in_memory = label.starts_with("fs_tiled") || label.starts_with("fs_fused");
    let unrolled = match (in_memory, sizes.as_slice()) {
        (false, [.., rows, quads]) => rows * quads,
        _ => 32,
    };
    let one_by_one = words.any(|word| word.starts_with("f1"));
    let unrolled = if label.starts_with("fs_accumulate") { 8 } else { unrolled };
    8 + if one_by_one { 2 * unrolled } else { unrolled }
}

/// The words of a label that name code, and its kernel.
fn words(shape: &str) -> (&str, Vec<&str>) {
    let (kernel, words) = shape.split_once(' ').unwrap_or((shape, ""));
    (kernel, words.split(' ').filter(|word| !word.is_empty()).collect())
}

/// The kernel, with each word of its label that names code.
pub fn single(label: &str) -> Vec<String> {
    let shape = shape_of_label(label);
    let (kernel, words) = words(&shape);
    let each = words.iter().map(|word| format!("{kernel} {word}"));
    std::iter::once(kernel.to_owned()).chain(each).collect()
}

/// The kernel, with every two words of its label: how it loads weights, where it blends them, how it stores, ..
pub fn pairs(label: &str) -> Vec<String> {
    let shape = shape_of_label(label);
    let (kernel, words) = words(&shape);
    let two = (0..words.len()).flat_map(|b| (0..=b).map(move |a| (a, b)));
    let two = two.map(|(a, b)| format!("{kernel} {} {}", words[a], words[b]));
    std::iter::once(kernel.to_owned()).chain(two).collect()
}

/// The kernel, with what it stores otherwise than in f32 and each other word that this concerns; nothing where all is
/// f32, whose variants are covered by themselves.
pub fn stored(label: &str) -> Vec<String> {
    const STORAGE: [&str; 4] = ["w16", "w8", "f16", "f16w8"];
    let shape = shape_of_label(label);
    let (kernel, words) = words(&shape);
    let Some(storage) = words.iter().find(|word| STORAGE.contains(word)) else { return Vec::new() };
    let of_tensors = ["in", "out", "res", "relu", "pairs"];
    let concerned = |word: &&&str| storage.starts_with('f') || !of_tensors.iter().any(|start| word.starts_with(start));
    words.iter().filter(concerned).map(|word| format!("{kernel} {storage} {word}")).collect()
}
