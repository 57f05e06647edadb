//! `summary.md`: the page that a person reads first.

use std::fmt::Write;

use super::networks::Forward;
use super::survey::Survey;
use crate::groups::geometric_mean;
use crate::model::{Comparison, LayerResult, Row, Timing};
use crate::table::{number, row, table_head};

const ALGORITHMS: [&str; 4] = ["dense", "gather", "shared", "fused"];

/// Kernels that stand in one table, by what their labels end with, and the peers that compute in the same precision.
struct Group {
    title: &'static str,
    suffix: &'static str,
    peers: &'static [&'static str],
}

const GROUPS: [Group; 4] = [
    Group { title: "f32", suffix: "", peers: &["cudnn-f32", "cudnn-tf32"] },
    Group { title: "f16 storage, tiles", suffix: "-f16", peers: &["cudnn-f16"] },
    Group { title: "f16 storage, cooperative matrices", suffix: "-matrix", peers: &["cudnn-f16"] },
    Group { title: "f32, portable kernels", suffix: "-portable", peers: &[] },
];

/// All of it.
pub(crate) fn page(survey: &Survey) -> String {
    let comparison = &survey.comparison;
    let mut page = head(survey);
    page += &steps(survey);
    page += &correctness(survey);
    page += &all_layers(comparison);
    page += &networks(&survey.networks, comparison.by_cpu());
    page + &errors(comparison)
}

fn head(survey: &Survey) -> String {
    let Comparison { adapter, cpu, threads, fsnet, commit, date, command, seconds, peaks, peers, .. } =
        &survey.comparison;
    let (name, device) = if adapter.name.is_empty() {
        ("no adapter", String::new())
    } else {
        let device = [&adapter.name, &adapter.driver, &adapter.driver_info].map(|text| text.trim()).join(", ");
        (adapter.name.as_str(), format!("{}: {}. ", adapter.backend, device.trim_end_matches(", ")))
    };
    let fsnet = if fsnet.is_empty() { "unknown" } else { fsnet };
    let of = if commit.is_empty() { String::new() } else { format!(" of commit {commit}") };
    let mut head = format!(
        "# {name}\n\n{device}{}. CPU: {cpu}, {threads} threads. fsnet {fsnet}{of}, {date}.\n\n`{command}`, {:.1} min.",
        survey.system,
        seconds / 60.0,
    );
    if let Some(peaks) = peaks {
        let (gflops, bytes) = (peaks.gflops, peaks.gigabytes_per_second);
        let _ = write!(head, " Measured peaks: {gflops:.1} GFLOP/s f32, {bytes:.1} GB/s copied.");
    }
    if let Some(peer) = peers.iter().find(|peer| peer.missing.is_none()) {
        let _ = write!(head, " Peers: {} on {}.", peer.version, peer.device);
    }
    head + "\n\n"
}

fn steps(survey: &Survey) -> String {
    let mut text = table_head("", &["step", "", "what it says", "seconds"], 3);
    for step in &survey.steps {
        let seconds = format!("{:.1}", step.seconds);
        row(&mut text, &[step.name.to_owned(), step.outcome.name().to_owned(), step.said.clone(), seconds]);
    }
    text + "\n"
}

fn correctness(survey: &Survey) -> String {
    let Some(tests) = &survey.tests else { return String::new() };
    let mut text = format!("## Correctness\n\n{} of {} tests passed.\n", tests.passed, tests.total);
    for name in &tests.failed {
        let _ = writeln!(text, "- FAILED: `{name}` (`tests.log` says why)");
    }
    for line in &tests.left_out {
        let _ = writeln!(text, "- {line}");
    }
    text + "\n"
}

/// A table for each group of kernels.
fn all_layers(comparison: &Comparison) -> String {
    if comparison.layers.is_empty() {
        return String::new();
    }
    let head = format!(
        "## Layers\n\nMicroseconds a convolution by {}, medians, and in parentheses GFLOP/s of the dense convolution \
         in that time; padding is half the kernel. s: step between filters, base: all taps of a filter on one base, \
         with gains. A / B: how many times faster A is than B; fastest is the fastest of ours that is not dense.\n",
        comparison.speedups_from,
    );
    std::iter::once(head).chain(GROUPS.iter().map(|group| layers(comparison, group))).collect()
}

/// The tables of a group; nothing where none of its kernels was measured.
fn layers(comparison: &Comparison, group: &Group) -> String {
    let by_cpu = comparison.by_cpu();
    let labels = ALGORITHMS.map(|algorithm| format!("{algorithm}{}", group.suffix));
    // Dense weights are there for the numbers of peers; every row has our dense kernel.
    let rows = || comparison.layers.iter().flat_map(compressed);
    let is_measured = |label: &str| rows().any(|(_, row)| row.timing(label).is_some());
    let labels: Vec<&str> = labels.iter().map(String::as_str).filter(|label| is_measured(label)).collect();
    if labels.is_empty() {
        return String::new();
    }
    let answered = |peer: &&&str| comparison.layers.iter().any(|layer| layer.peer(peer, false).is_some());
    let peers: Vec<&str> = group.peers.iter().filter(answered).copied().collect();
    let mut headings = vec!["layer".to_owned(), "s".to_owned()];
    headings.extend(labels.iter().map(|label| plain(label, group)));
    headings.extend(peers.iter().map(|&peer| peer.to_owned()));
    headings.extend(["fastest".to_owned(), "fastest / dense".to_owned()]);
    headings.extend(peers.iter().map(|peer| format!("fastest / {peer}")));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut text = table_head(&format!("\n### {}\n\n", group.title), &headings, 2);
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); 1 + peers.len()];
    for (layer, measured) in rows().filter(|(_, row)| labels.iter().any(|label| row.timing(label).is_some())) {
        let mut cells = vec![layer.layer.layer.clone(), measured.summary.clone()];
        cells.extend(labels.iter().map(|label| ours(measured, label, by_cpu)));
        cells.extend(peers.iter().map(|peer| theirs(layer, measured, peer)));
        let fastest = fastest(measured, &labels, by_cpu);
        cells.push(fastest.map_or_else(|| "-".to_owned(), |(label, _)| plain(label, group)));
        let dense = measured.cost(labels[0], by_cpu).filter(|_| labels[0].starts_with("dense"));
        let others = std::iter::once(dense).chain(peers.iter().map(|peer| layer.peer(peer, false)));
        for (other, ratios) in others.zip(&mut ratios) {
            let ratio = other.zip(fastest).map(|(other, (_, cost))| other / cost);
            ratios.extend(ratio);
            cells.push(number(ratio, 2));
        }
        row(&mut text, &cells);
    }
    let mut means = vec!["**geometric mean**".to_owned()];
    means.resize(headings.len() - ratios.len(), String::new());
    means.extend(ratios.iter().map(|ratios| number(geometric_mean(ratios), 2)));
    row(&mut text, &means);
    text
}

/// A layer with its rows, but for that of dense weights: it is there for the numbers of peers, and every row has our
/// dense kernel.
fn compressed(layer: &LayerResult) -> impl Iterator<Item = (&LayerResult, &Row)> {
    layer.gpu.iter().filter(|row| row.summary != "dense").map(move |row| (layer, row))
}

fn ours(measured: &Row, label: &str, by_cpu: bool) -> String {
    let cell = |timing: &Timing| {
        let cost = measured.cost(&timing.label, by_cpu)?;
        Some(format!("{} ({:.0})", microseconds(cost), timing.effective_gflops))
    };
    measured.timing(label).and_then(cell).unwrap_or_else(|| "-".to_owned())
}

fn theirs(layer: &LayerResult, measured: &Row, peer: &str) -> String {
    let Some(cost) = layer.peer(peer, false) else { return "-".to_owned() };
    let gflop = measured.more.get("dense_gflop").and_then(serde_json::Value::as_f64);
    let rate = gflop.map_or_else(String::new, |gflop| format!(" ({:.0})", gflop / (cost * 1e-3)));
    format!("{}{rate}", microseconds(cost))
}

/// Of milliseconds, with three digits or more.
fn microseconds(cost: f64) -> String {
    let microseconds = cost * 1e3;
    if microseconds < 100.0 { format!("{microseconds:.1}") } else { format!("{microseconds:.0}") }
}

/// A label without what it ends with in this group.
fn plain(label: &str, group: &Group) -> String {
    label.strip_suffix(group.suffix).unwrap_or(label).to_owned()
}

/// Of ours, but for dense kernels.
fn fastest<'a>(measured: &Row, labels: &[&'a str], by_cpu: bool) -> Option<(&'a str, f64)> {
    let compressed = labels.iter().filter(|label| !label.starts_with("dense"));
    let costs = compressed.filter_map(|&label| Some((label, measured.cost(label, by_cpu)?)));
    costs.min_by(|left, right| left.1.total_cmp(&right.1))
}

fn networks(networks: &[Forward], by_cpu: bool) -> String {
    if networks.is_empty() {
        return String::new();
    }
    let cost = |forward: &Forward| forward.cpu_milliseconds.filter(|_| by_cpu).unwrap_or(forward.milliseconds);
    let headings = ["network", "batch", "ms", "images/s", "over the dense one"];
    let title = "\n## Networks\n\nForward passes in f32; those after a colon have made weights, which lie so.\n\n";
    let mut text = table_head(title, &headings, 1);
    for forward in networks {
        let dense = forward.network.split_once(':').map(|(name, _)| format!("{name}:dense"));
        let same = |other: &&Forward| other.batch == forward.batch && Some(&other.network) == dense.as_ref();
        let ratio = networks.iter().find(same).map(|dense| cost(dense) / cost(forward));
        let numbers = [number(Some(cost(forward)), 3), number(Some(forward.images_per_second), 1), number(ratio, 2)];
        let names = [forward.network.clone(), forward.batch.to_string()];
        row(&mut text, &[&names[..], &numbers].concat());
    }
    text
}

fn errors(comparison: &Comparison) -> String {
    let mut text = String::new();
    for layer in comparison.layers.iter().filter(|layer| !layer.errors.is_empty()) {
        for error in &layer.errors {
            let _ = writeln!(text, "- {}: {error}", layer.layer.layer);
        }
    }
    if text.is_empty() { text } else { format!("\n## Errors\n\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::super::correctness::Counts;
    use super::super::steps::{Outcome, Step};
    use super::*;
    use crate::fixture::{comparison, row};
    use crate::model::{Answer, LayerResult};

    fn survey() -> Survey {
        let mut comparison = comparison();
        let mut measured =
            row("C", "shared", &[("dense", 0.5), ("gather", 0.4), ("shared", 0.05), ("shared-f16", 0.02)]);
        measured.more.insert("dense_gflop".to_owned(), 0.2.into());
        let answer = Answer { peer: "cudnn-f32".to_owned(), milliseconds: 0.1, ..Answer::default() };
        let mut layer = LayerResult { gpu: vec![measured], peers: vec![answer], ..comparison.layers[0].clone() };
        layer.errors.push("matrix: the device is lost".to_owned());
        comparison.layers = vec![layer];
        let step = |name, outcome, said: &str| Step { name, outcome, said: said.to_owned(), seconds: 1.25 };
        let forward = |network: &str, milliseconds| Forward {
            network: network.to_owned(),
            batch: 1,
            milliseconds,
            images_per_second: 1e3 / milliseconds,
            ..Forward::default()
        };
        Survey {
            system: "Linux".to_owned(),
            steps: vec![
                step("correctness", Outcome::Failed, "1 of 2 tests passed"),
                step("cuDNN", Outcome::Skipped, "No module named 'torch'"),
            ],
            tests: Some(Counts { passed: 1, total: 2, failed: vec!["conv::b".to_owned()], left_out: Vec::new() }),
            networks: vec![forward("air", 1.0), forward("resnet18:C", 2.0), forward("resnet18:dense", 5.0)],
            comparison,
            ..Survey::default()
        }
    }

    #[test]
    fn the_page_has_times_rates_and_ratios() {
        let page = page(&survey());
        for line in [
            "# soft|pipe",
            "| correctness | FAILED | 1 of 2 tests passed | 1.2 |",
            "| cuDNN | skipped | No module named 'torch' | 1.2 |",
            "- FAILED: `conv::b` (`tests.log` says why)",
            "| layer | s | dense | gather | shared | cudnn-f32 | fastest | fastest / dense | fastest / cudnn-f32 |",
            "| 64x8 | C | 500 (1) | 400 (1) | 50.0 (1) | 100 (2000) | shared | 10.00 | 2.00 |",
            "| **geometric mean** |  |  |  |  |  |  | 10.00 | 2.00 |",
            "### f16 storage, tiles",
            "| 64x8 | C | 20.0 (1) | shared | - |",
            "| resnet18:C | 1 | 2.000 | 500.0 | 2.50 |",
            "| air | 1 | 1.000 | 1000.0 | - |",
            "- 64x8: matrix: the device is lost",
        ] {
            assert!(page.lines().any(|have| have == line), "{line}\n{page}");
        }
        assert!(!page.contains("cooperative"), "{page}");
    }

    #[test]
    fn nothing_measured_is_a_page_too() {
        let page = page(&Survey::default());
        assert!(page.starts_with("# no adapter\n") && !page.contains("##"), "{page}");
    }
}
