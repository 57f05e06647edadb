//! The page: bars, ratios, times, kernels, and what is missing.

use std::fmt::Write;

use crate::bars::{Bar, bars};
use crate::bound::Bound;
use crate::groups::{Group, geometric_mean};
use crate::model::{Comparison, Kind, LayerResult, Row};
use crate::ratios::Ratios;
use crate::table::{number, row, table_head};

/// A ratio of a layer under a heading.
type Column<'a> = (String, Box<dyn Fn(&LayerResult) -> Option<f64> + 'a>);

/// All of it.
pub(crate) fn page(comparison: &Comparison, roofline: bool) -> String {
    let mut page = head(comparison);
    page += &bar_table(&bars(comparison));
    page += "## How many times faster\n\n![Ratios of every layer](ratios.svg)\n\n";
    page += &ratio_table(comparison, &ratio_columns(comparison));
    page += "\nWhat the plan takes over dense weights, by summary; (g): gather, (d): dense, otherwise shared.\n\n";
    page += &summary_table(comparison);
    if roofline {
        page += "\n## Roofline\n\n![Arithmetic intensity and rate of every layer](roofline.svg)\n";
    }
    let _ = write!(page, "\n## Milliseconds a convolution\n\n{}.\n\n", capital(&comparison.speedups_from));
    page += &time_table(comparison);
    page += "\n## Kernels\n\nWhat the plan takes, on the adapter. First run: compiling and running, wall clock.\n\n";
    page += &kernel_table(comparison);
    page + &missing(comparison)
}

fn head(comparison: &Comparison) -> String {
    let adapter = &comparison.adapter;
    let vectors =
        if comparison.vectors.is_empty() { String::new() } else { format!(", widest vectors: {}", comparison.vectors) };
    let commit = if comparison.commit.is_empty() { String::new() } else { format!(" of commit {}", comparison.commit) };
    let mut head = format!(
        "# {}\n\n{}: {}, {} {}. CPU: {}, {} threads{vectors}. fsnet {}{commit}, {}.\n\n",
        adapter.name,
        adapter.backend,
        adapter.name,
        adapter.driver,
        adapter.driver_info,
        comparison.cpu,
        comparison.threads,
        comparison.fsnet,
        comparison.date
    );
    let _ = write!(
        head,
        "`{}`, {:.1} min. A / B: how many times faster A is than B, made from {} (CPU executor: {}). \
         [How it is measured](../../README.md).\n\n",
        comparison.command,
        comparison.seconds / 60.0,
        comparison.speedups_from,
        comparison.cpu_speedups_from,
    );
    if let Some(peaks) = comparison.peaks {
        let rate = if comparison.by_cpu() { " a CPU second" } else { "" };
        let _ = write!(
            head,
            "Measured peaks{rate}: {:.1} GFLOP/s f32, {:.1} GB/s copied.\n\n",
            peaks.gflops, peaks.gigabytes_per_second
        );
    }
    let present: Vec<String> = comparison
        .peers
        .iter()
        .filter(|peer| peer.missing.is_none())
        .map(|peer| format!("{} ({}, {})", peer.name, peer.version, peer.device))
        .collect();
    if !present.is_empty() {
        let _ = write!(head, "Peers: {}.\n\n", present.join("; "));
    }
    head
}

fn bar_table(bars: &[Bar]) -> String {
    let mut text = table_head("## Bars\n\n", &["bar", "wanted", "measured", "layers", ""], 1);
    for bar in bars {
        let measured = bar.got.map_or_else(|| "-".to_owned(), |got| format!("{got:.2}"));
        let worst = bar.worst.as_ref().map_or_else(String::new, |worst| format!(" (worst: {worst})"));
        row(
            &mut text,
            &[
                format!("{}{worst}", bar.what),
                format!("{:.2}", bar.wanted),
                measured,
                bar.layers.to_string(),
                bar.verdict(),
            ],
        );
    }
    text + "\n"
}

fn ratio_columns(comparison: &Comparison) -> Vec<Column<'_>> {
    let over = Ratios::new(comparison);
    let mut columns: Vec<Column<'_>> =
        vec![("shared / our dense".to_owned(), Box::new(move |layer| over.shared_over_dense(layer, "C")))];
    for (kind, name) in
        [(Kind::Gpu, "fastest Vulkan or WebGPU peer"), (Kind::Cpu, "fastest native peer"), (Kind::Cuda, "cuDNN")]
    {
        if !comparison.peers.iter().any(|peer| peer.kind == kind && peer.missing.is_none()) {
            continue;
        }
        columns.push((format!("our dense / {name}"), Box::new(move |layer| over.dense_over_fastest(layer, kind))));
        columns.push((format!("shared / {name}"), Box::new(move |layer| over.shared_over_fastest(layer, kind))));
        if kind == Kind::Cpu {
            let executor = Box::new(move |layer: &LayerResult| over.executor_over_fastest(layer, kind));
            columns.push((format!("CPU executor / {name}"), executor));
        }
    }
    columns
}

/// s = C, a column a ratio, with geometric means of every group.
fn ratio_table(comparison: &Comparison, columns: &[Column<'_>]) -> String {
    let headings: Vec<&str> = std::iter::once("s = C").chain(columns.iter().map(|(name, _)| name.as_str())).collect();
    let mut text = table_head("", &headings, 1);
    for group in Group::EACH {
        let layers: Vec<&LayerResult> = comparison.layers.iter().filter(|layer| group.contains(&layer.layer)).collect();
        for layer in &layers {
            let ratios = columns.iter().map(|(_, ratio)| number(ratio(layer), 2));
            row(&mut text, &std::iter::once(layer.layer.layer.clone()).chain(ratios).collect::<Vec<_>>());
        }
        if !layers.is_empty() {
            let means = columns.iter().map(|(_, ratio)| mean(&layers, ratio));
            let name = format!("**geometric mean, {}**", group.name());
            row(&mut text, &std::iter::once(name).chain(means).collect::<Vec<_>>());
        }
    }
    text
}

fn summaries(comparison: &Comparison) -> Vec<&str> {
    let mut summaries: Vec<&str> = Vec::new();
    for row in comparison.layers.iter().flat_map(|layer| &layer.gpu) {
        if !summaries.contains(&row.summary.as_str()) {
            summaries.push(&row.summary);
        }
    }
    summaries
}

fn summary_table(comparison: &Comparison) -> String {
    let by_cpu = comparison.by_cpu();
    let ratio = |row: &Row| Some(row.cost("dense", by_cpu)? / row.cost("auto", by_cpu)?);
    let algorithm = |row: &Row| {
        let algorithm = row.timing("auto").and_then(|timing| timing.more.get("algorithm")?.as_str());
        match algorithm {
            Some("dense") => " (d)",
            Some("gather") => " (g)",
            _ => "",
        }
    };
    let mut summaries = summaries(comparison);
    summaries.retain(|&summary| summary != "dense");
    let headings: Vec<String> =
        std::iter::once("layer".to_owned()).chain(summaries.iter().map(|summary| format!("s = {summary}"))).collect();
    let mut text = table_head("", &headings.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    for group in Group::EACH {
        let layers: Vec<&LayerResult> = comparison.layers.iter().filter(|layer| group.contains(&layer.layer)).collect();
        for layer in &layers {
            let cells = summaries.iter().map(|summary| {
                let found = layer.gpu(summary).and_then(|row| Some((row, ratio(row)?)));
                found.map_or_else(|| "-".to_owned(), |(row, ratio)| format!("{ratio:.2}{}", algorithm(row)))
            });
            row(&mut text, &std::iter::once(layer.layer.layer.clone()).chain(cells).collect::<Vec<_>>());
        }
        let means = summaries.iter().map(|summary| mean(&layers, |layer| ratio(layer.gpu(summary)?)));
        if !layers.is_empty() {
            let name = format!("**geometric mean, {}**", group.name());
            row(&mut text, &std::iter::once(name).chain(means).collect::<Vec<_>>());
        }
    }
    text
}

/// The geometric mean over the layers that have a ratio.
fn mean(layers: &[&LayerResult], ratio: impl Fn(&LayerResult) -> Option<f64>) -> String {
    let values: Vec<f64> = layers.iter().filter_map(|layer| ratio(layer)).collect();
    geometric_mean(&values).map_or_else(|| "-".to_owned(), |mean| format!("**{mean:.2}**"))
}

fn time_table(comparison: &Comparison) -> String {
    let by_cpu = comparison.by_cpu();
    let present = comparison.peers.iter().filter(|peer| peer.missing.is_none());
    let peers: Vec<&str> = present.map(|peer| peer.name.as_str()).collect();
    let gpu = |layer: &LayerResult, label: &str| layer.gpu("C").and_then(|row| row.cost(label, by_cpu));
    let f16 = comparison.layers.iter().any(|layer| gpu(layer, "shared-f16").is_some());
    let f16: &[&str] = if f16 { &["shared in f16, s = C"] } else { &[] };
    let ours = ["dense", "gather, s = C", "shared, s = C"].iter().chain(f16).chain(&["CPU executor, s = C"]);
    let headings: Vec<&str> = std::iter::once(&"layer").chain(ours).chain(&peers).copied().collect();
    let mut text = table_head("", &headings, 1);
    for layer in &comparison.layers {
        let executor = layer.executor("C").and_then(|row| row.cost("auto", by_cpu));
        let times = [layer.dense(by_cpu), gpu(layer, "gather"), gpu(layer, "shared")].into_iter();
        let times = times
            .chain(f16.iter().map(|_| gpu(layer, "shared-f16")))
            .chain([executor])
            .chain(peers.iter().map(|peer| layer.peer(peer, by_cpu)));
        row(
            &mut text,
            &std::iter::once(layer.layer.layer.clone()).chain(times.map(|time| number(time, 3))).collect::<Vec<_>>(),
        );
    }
    text
}

fn kernel_table(comparison: &Comparison) -> String {
    let headings = [
        "layer",
        "summary",
        "kernels",
        "r",
        "dispatches",
        "GFLOP/s",
        "effective GFLOP/s",
        "GB/s",
        "FLOP/byte",
        "bound by",
        "first run, ms",
    ];
    let mut text = table_head("", &headings, 3);
    for layer in &comparison.layers {
        for row_of in &layer.gpu {
            for label in std::iter::once(&row_of.auto).chain(&row_of.auto_f16) {
                let Some(timing) = row_of.timing(label) else { continue };
                let kernels: Vec<String> = timing.variants.iter().map(|variant| format!("`{variant}`")).collect();
                row(
                    &mut text,
                    &[
                        layer.layer.layer.clone(),
                        row_of.summary.clone(),
                        format!("{label}: {}", kernels.join(" ")),
                        format!("{:.2}", row_of.ratio),
                        timing.dispatches.to_string(),
                        format!("{:.1}", timing.gflops),
                        format!("{:.1}", timing.effective_gflops),
                        format!("{:.2}", timing.gigabytes_per_second),
                        format!("{:.1}", timing.flops_per_byte),
                        timing.bound.map_or_else(|| "-".to_owned(), Bound::text),
                        format!("{:.1}", timing.compile_milliseconds + timing.first_milliseconds),
                    ],
                );
            }
        }
    }
    text
}

/// Says everything that was asked for and is not in the tables.
fn missing(comparison: &Comparison) -> String {
    let mut lines: Vec<String> = Vec::new();
    for peer in &comparison.peers {
        if let Some(reason) = &peer.missing {
            lines.push(format!("- **{}**: not measured: {reason}", peer.name));
        }
    }
    for layer in &comparison.layers {
        for error in &layer.errors {
            lines.push(format!("- {}: fsnet: {error}", layer.layer.layer));
        }
        for answer in &layer.peers {
            if let Some(error) = &answer.error {
                lines.push(format!("- {}: {}: {error}", layer.layer.layer, answer.peer));
            }
        }
    }
    if comparison.peers.is_empty() {
        lines.push("- no peers were asked for (`cargo xtask bench --peers`)".to_owned());
    }
    if lines.is_empty() { String::new() } else { format!("\n## Missing\n\n{}\n", lines.join("\n")) }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::comparison;
    use crate::model::Timing;

    #[test]
    fn a_missing_peer_is_said() {
        let mut comparison = comparison();
        comparison.layers[1].peers[0].error = Some("it ended, signal: 11".to_owned());
        comparison.layers[2].errors.push("layer too large".to_owned());
        let page = page(&comparison, true);
        let missing = page.split("## Missing").nth(1).unwrap();
        assert!(missing.contains("- **onnxruntime-cpu**: not measured: No module named 'onnxruntime'"), "{missing}");
        assert!(missing.contains("- 128x8: ncnn-vulkan: it ended, signal: 11"), "{missing}");
        assert!(missing.contains("- 64-128x8/2: fsnet: layer too large"), "{missing}");
        comparison.peers.clear();
        assert!(super::page(&comparison, true).contains("no peers were asked for"));
    }

    #[test]
    fn the_head_names_the_vectors() {
        let mut comparison = comparison();
        assert!(page(&comparison, true).contains("CPU: a CPU, 2 threads, widest vectors: AVX2. "));
        comparison.vectors.clear();
        assert!(page(&comparison, true).contains("CPU: a CPU, 2 threads. "));
    }

    #[test]
    fn kernels_say_what_bounds_them() {
        let mut comparison = comparison();
        comparison.layers[0].gpu[0].timings[2].gflops = 60.0;
        crate::bound::mark(&mut comparison);
        let page = page(&comparison, true);
        assert!(page.contains(" | bound by | "), "{page}");
        assert!(
            page.contains(" | arithmetic, 75 % | ") && page.contains(" | loads, dispatches (memory 0 %) | "),
            "{page}"
        );
    }

    #[test]
    fn f16_has_a_column_and_rows_where_it_was_measured() {
        let mut comparison = comparison();
        let measured = &mut comparison.layers[0].gpu[0];
        measured.auto_f16 = Some("shared-f16".to_owned());
        measured.timings.push(Timing { label: "shared-f16".to_owned(), ..measured.timings[2].clone() });
        let page = page(&comparison, true);
        assert!(page.contains("| 64x8 | 10.000 | 10.000 | 2.000 | 2.000 | 0.500 | 80.000 | "), "{page}");
        assert!(page.contains("| 128x8 | 10.000 | 10.000 | 2.000 | - | 0.500 | 80.000 | "), "{page}");
        assert!(page.contains("| 64x8 | C | shared-f16: `fs_shared-8x8` |"), "{page}");
    }

    #[test]
    fn nothing_is_missing_when_all_is_there() {
        let mut comparison = comparison();
        comparison.peers.pop();
        assert!(!page(&comparison, true).contains("## Missing"));
    }

    #[test]
    fn groups_have_geometric_means() {
        let mut comparison = comparison();
        comparison.layers[1].gpu[0].timings[2].cpu_milliseconds = Some(0.5);
        let page = page(&comparison, true);
        // 5 and 20.
        assert!(page.contains("| **geometric mean, 3x3, stride 1** | **10.00** |"), "{page}");
        assert!(page.contains("| 64x8 | 5.00 | 2.00 | 10.00 | 0.10 | 0.50 | 2.00 |"), "{page}");
        assert!(page.contains("| 64x8k1 | C | shared: `fs_shared-8x8` |"), "{page}");
        assert!(!page.contains("5x5"), "a group without layers");
    }

    #[test]
    fn tables_have_as_many_cells_as_headings() {
        let mut comparison = comparison();
        comparison.layers[0].gpu[0].timings[2].variants = vec!["a|b".to_owned()];
        let mut headings = 0;
        for line in page(&comparison, true).lines() {
            let cells = line.replace("\\|", "").matches('|').count();
            if line.starts_with("| ") && headings > 0 {
                assert_eq!(cells, headings, "{line}");
            }
            headings = cells;
        }
    }
}
