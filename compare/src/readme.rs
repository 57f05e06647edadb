//! The README's table of speeds is the committed results': it is written from them here, and the README must hold it.

use std::path::Path;

use crate::groups::{Group, geometric_mean};
use crate::model::{Comparison, Kind, Layer, LayerResult};
use crate::ratios::Ratios;

/// A ratio of a layer's costs, larger where ours is faster.
type Ratio<'a> = Box<dyn Fn(&LayerResult) -> Option<f64> + 'a>;

/// The columns, after layer and batch.
fn columns(comparison: &Comparison) -> [Ratio<'_>; 7] {
    let over = Ratios::new(comparison);
    let over_dense =
        |summary: &'static str| -> Ratio<'_> { Box::new(move |layer| over.shared_over_dense(layer, summary)) };
    [
        over_dense("C/2"),
        over_dense("C"),
        over_dense("2C"),
        Box::new(move |layer| over.dense_over_fastest(layer, Kind::Gpu)),
        Box::new(move |layer| over.shared_over_fastest(layer, Kind::Gpu)),
        Box::new(move |layer| over.shared_over(layer, "onnxruntime-cpu")),
        Box::new(move |layer| over.executor_over_fastest(layer, Kind::Cpu)),
    ]
}

fn name(layer: &Layer) -> String {
    let Layer { channels, filters, size, stride, .. } = layer;
    let channels = if channels == filters { format!("{channels}") } else { format!("{channels} to {filters}") };
    let stride = if *stride == 1 { String::new() } else { format!(", stride {stride}") };
    format!("{channels}, {size}x{size}{stride}")
}

fn table(comparison: &Comparison) -> String {
    let columns = columns(comparison);
    let mut text = String::new();
    for layer in comparison.layers.iter().filter(|layer| Group::ThreeByThree.contains(&layer.layer)) {
        let ratios: Vec<String> = columns.iter().map(|ratio| format!("{:.1}", ratio(layer).unwrap())).collect();
        text += &format!("| {} | {} | {} |\n", name(&layer.layer), layer.layer.batch, ratios.join(" | "));
    }
    let layers = || comparison.layers.iter().filter(|layer| Group::Stride1.contains(&layer.layer));
    let mean = |ratio: &Ratio<'_>| {
        let ratios: Vec<f64> = layers().filter_map(ratio).collect();
        format!("**{:.1}**", geometric_mean(&ratios).unwrap())
    };
    let means: Vec<String> = columns.iter().map(mean).collect();
    text + &format!("| **geometric mean, stride 1** | | {} |\n", means.join(" | "))
}

/// Whoever measures anew has other results than the README: what is committed must agree.
#[test]
#[ignore = "about what is committed, .ci/run asks"]
fn the_readme_has_the_results() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let results: Comparison = serde_json::from_str(&read("benches/results/llvmpipe-mesa-22.3.6/bench.json")).unwrap();
    let table = table(&results);
    assert!(read("README.md").contains(&table), "its table of speeds should be\n\n{table}");
}
