//! Predicted times of other kernels beside those of today's, as a page.

use std::fmt::Write;
use std::path::Path;

use crate::fault::Result;
use crate::gpus::{self, Gpu};
use crate::plans::Dispatch;
use crate::record::{Record, Row};
use crate::report::{Found, count};

const HEAD: &str = "\
Predicted times, those before over those now: more than 1 is faster now. *plan* is what is planned where only the family
is asked for; others are compared where both sides have them. The bound is that of the step which takes longest.
";

/// Both as plans and code; prints the page.
pub(crate) fn run([plans, code]: [&Path; 2], [now_plans, now_code]: [&Path; 2]) -> Result<()> {
    let before = found(plans, code)?;
    println!("{}", page(&gpus::all()?, &before, &found(now_plans, now_code)?));
    Ok(())
}

fn found(plans: &Path, code: &Path) -> Result<Record> {
    let Found { record, errors, .. } = count(plans, code)?;
    errors.iter().for_each(|error| eprintln!("isa: {error}"));
    Ok(record)
}

/// A plan's prediction.
struct Time {
    /// Of all steps.
    seconds: f64,
    bound: String,
}

/// A layer's plan before and now.
struct Pair {
    layer: String,
    before: Time,
    now: Time,
}

impl Pair {
    fn ratio(&self) -> f64 {
        self.before.seconds / self.now.seconds
    }
}

/// Algorithms, and whether whatever is planned is meant.
const ALGORITHMS: [(&str, &str); 4] = [("gather", "gather"), ("shared", "shared"), ("fused", "fused"), ("plan", "")];

const FAMILIES: [(&str, &str); 2] = [("tiled", ""), ("matrix", " matrix")];

fn page(gpus: &[Gpu], before: &Record, now: &Record) -> String {
    let mut page = HEAD.to_owned();
    page += "\n| GPU | algorithm | layers | geometric mean | least, most | bounds now |\n|---|---|---|---|---|---|\n";
    let mut layers = String::new();
    for gpu in gpus {
        let mut of_gpu = String::new();
        for (family, name) in FAMILIES {
            for (title, algorithm) in ALGORITHMS {
                let pairs = pairs(gpu, [before, now], family, algorithm);
                if pairs.is_empty() {
                    continue;
                }
                let title = format!("{title}{name}");
                let ratios: Vec<f64> = pairs.iter().map(Pair::ratio).collect();
                let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
                let [least, most] = [ratios.iter().copied().reduce(f64::min), ratios.iter().copied().reduce(f64::max)]
                    .map(Option::unwrap_or_default);
                let (name, number, bounds) = (&gpu.name, pairs.len(), bounds(&pairs));
                let _ = writeln!(
                    page,
                    "| {name} | {title} | {number} | **{mean:.2}** | {least:.2}, {most:.2} | {bounds} |"
                );
                pairs.iter().for_each(|pair| of_gpu += &line(&title, pair));
            }
        }
        if !of_gpu.is_empty() {
            let _ = write!(layers, "\n### {}, a {}\n\n{LAYERS}{of_gpu}", gpu.name, gpu.board);
        }
    }
    page + "\n## Layers\n\nMicroseconds of all steps.\n" + &layers
}

const LAYERS: &str =
    "| algorithm | layer, batch | before | now | ratio | bound before | now |\n|---|---|---|---|---|---|---|\n";

fn line(title: &str, pair: &Pair) -> String {
    let [before, now] = [&pair.before, &pair.now].map(|time| 1e6 * time.seconds);
    let (layer, ratio, was, is) = (&pair.layer, pair.ratio(), &pair.before.bound, &pair.now.bound);
    format!("| {title} | {layer} | {before:.1} | {now:.1} | {ratio:.2} | {was} | {is} |\n")
}

/// How many layers each bounds now, most first.
fn bounds(pairs: &[Pair]) -> String {
    let mut counted: Vec<(usize, &str)> = Vec::new();
    for Pair { now, .. } in pairs {
        match counted.iter_mut().find(|(_, name)| *name == now.bound) {
            Some((number, _)) => *number += 1,
            None => counted.push((1, &now.bound)),
        }
    }
    counted.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    counted.iter().map(|(number, name)| format!("{name} {number}")).collect::<Vec<_>>().join(", ")
}

/// Layers that both have; `algorithm` is empty where that is meant which is planned.
fn pairs(gpu: &Gpu, [before, now]: [&Record; 2], family: &str, algorithm: &str) -> Vec<Pair> {
    let is_meant = |one: &Dispatch| {
        let chosen = if algorithm.is_empty() { one.chosen } else { one.algorithm == algorithm };
        one.gpu == gpu.name && one.family == family && chosen
    };
    let first = now.steps.iter().map(|row| &row.dispatch).filter(|one| is_meant(one) && one.step == 0);
    let pair = |one: &Dispatch| {
        let of_layer = |row: &&Row| {
            is_meant(&row.dispatch) && (&row.dispatch.layer, row.dispatch.batch) == (&one.layer, one.batch)
        };
        let [before, now] = [before, now].map(|record| time(record.steps.iter().filter(of_layer)));
        Some(Pair { layer: format!("{}, {}", one.layer, one.batch), before: before?, now: now? })
    };
    first.filter_map(pair).collect()
}

/// `None` where something is not predicted, or nothing is there.
fn time<'a>(steps: impl Iterator<Item = &'a Row>) -> Option<Time> {
    let predictions = steps.map(|row| row.prediction.as_ref()).collect::<Option<Vec<_>>>()?;
    let longest = predictions.iter().max_by(|one, other| one.time.total_cmp(&other.time))?;
    Some(Time { seconds: predictions.iter().map(|one| one.time).sum(), bound: longest.bound.clone() })
}

#[cfg(test)]
mod tests;
