//! The bars that results are held against, and by how much they are met or missed.

use crate::groups::{Group, geometric_mean};
use crate::model::{Comparison, Kind, Layer, LayerResult};
use crate::ratios::Ratios;

/// One bar and what was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) what: &'static str,
    pub(crate) wanted: f64,
    /// The worst layer or the geometric mean; `None` when nothing was measured for it.
    pub(crate) got: Option<f64>,
    /// Over how many layers.
    pub(crate) layers: usize,
    /// The layer that decides, of bars that each layer must meet.
    pub(crate) worst: Option<String>,
}

impl Bar {
    pub(crate) fn met(&self) -> bool {
        self.got.is_some_and(|got| got >= self.wanted)
    }

    /// `met`, `missed by 12 %`, `not measured`.
    pub(crate) fn verdict(&self) -> String {
        match self.got {
            None => "not measured".to_owned(),
            Some(_) if self.met() => "met".to_owned(),
            Some(got) => format!("**missed by {:.0} %**", (100.0 * (1.0 - got / self.wanted)).max(1.0)),
        }
    }
}

/// A layer's ratio, where it was measured.
type Ratio<'a> = Box<dyn Fn(&LayerResult) -> Option<f64> + 'a>;

/// All bars of this kind of device.
pub(crate) fn bars(comparison: &Comparison) -> Vec<Bar> {
    if comparison.adapter.software { software(comparison) } else { hardware(comparison) }
}

fn software(comparison: &Comparison) -> Vec<Bar> {
    let over = Ratios::new(comparison);
    let dense_over_peer: Ratio<'_> = Box::new(move |layer| over.dense_over_fastest(layer, Kind::Gpu));
    let shared_over_peer: Ratio<'_> = Box::new(move |layer| over.shared_over_fastest(layer, Kind::Gpu));
    let shared_over_onnx: Ratio<'_> = Box::new(move |layer| over.shared_over(layer, "onnxruntime-cpu"));
    let executor_over_native: Ratio<'_> = Box::new(move |layer| over.executor_over_fastest(layer, Kind::Cpu));
    let shared = |summary: &'static str| -> Ratio<'_> { Box::new(move |layer| over.shared_over_dense(layer, summary)) };
    let of = |ratio, group| ratios(comparison, ratio, group);
    vec![
        each("our dense over the fastest Vulkan or WebGPU peer, each 3x3 layer", 1.7, &of(&dense_over_peer, THREE)),
        mean("our dense over the fastest Vulkan or WebGPU peer, 3x3", 2.2, &of(&dense_over_peer, THREE)),
        each("shared, s = C, over our dense, each 3x3 layer of stride 1", 3.5, &of(&shared("C"), ONE)),
        mean("shared, s = C, over our dense, 3x3 of stride 1", 5.5, &of(&shared("C"), ONE)),
        mean("shared, s = 2C, over our dense, 3x3 of stride 1", 3.0, &of(&shared("2C"), ONE)),
        mean("shared, s = C, over our dense, 3x3 of stride 2", 1.8, &of(&shared("C"), TWO)),
        each("what the plan takes over gather, each layer and summary", 1.0 / 1.05, &auto_over_gather(comparison)),
        mean(
            "shared, s = C, over the fastest Vulkan or WebGPU peer, 3x3 of stride 1",
            13.0,
            &of(&shared_over_peer, ONE),
        ),
        mean("shared, s = C, over ONNX Runtime's CPU code, 3x3 of stride 1", 1.0, &of(&shared_over_onnx, ONE)),
        mean(
            "CPU executor, s = C, over the fastest native peer, 3x3 of stride 1",
            2.0,
            &of(&executor_over_native, ONE),
        ),
    ]
}

const ONE: Group = Group::Stride1;
const TWO: Group = Group::Stride2;
const THREE: Group = Group::ThreeByThree;

fn hardware(comparison: &Comparison) -> Vec<Bar> {
    let over = |peer: &'static str, label: &'static str| -> Ratio<'_> {
        Box::new(move |layer| Some(layer.peer(peer, false)? / layer.gpu("C")?.cost(label, false)?))
    };
    let of = |peer, label, batches: fn(usize) -> bool| {
        let mut ratios = ratios(comparison, &over(peer, label), Group::ThreeByThree);
        let batch = |name: &str| {
            comparison.layers.iter().find(|layer| layer.layer.layer == name).map_or(0, |layer| layer.layer.batch)
        };
        ratios.retain(|(name, _)| batches(batch(name)));
        ratios
    };
    let large = |batch| batch >= 32;
    let one = |batch| batch == 1;
    // A matrix product is a 1x1 layer, and the product pass runs the same loop as a dense 1x1 layer.
    let of_peak: Ratio<'_> = Box::new(|layer| {
        let Layer { kernel: 1, channels: 4096, filters: 4096, .. } = layer.layer else { return None };
        let timings = layer.gpu.iter().flat_map(|row| &row.timings).filter(|timing| timing.label == "dense");
        let best = timings.map(|timing| timing.gflops).max_by(f64::total_cmp)?;
        Some(best / comparison.peaks?.gflops)
    });
    vec![
        each(
            "a product of 4096x4096 matrices in f32, over the measured peak",
            0.6,
            &ratios(comparison, &of_peak, Group::Pointwise),
        ),
        mean("f32, s = C, over cuDNN f32 (TF32 off), 3x3, batch 32 and more", 3.0, &of("cudnn-f32", "auto", large)),
        mean("f32, s = C, over cuDNN f32 (TF32 off), 3x3, batch 1", 1.5, &of("cudnn-f32", "auto", one)),
        mean("f16, s = C, over cuDNN f16, 3x3, batch 32 and more", 1.5, &of("cudnn-f16", "shared-f16", large)),
    ]
}

fn auto_over_gather(comparison: &Comparison) -> Vec<(String, f64)> {
    let by_cpu = comparison.by_cpu();
    let rows = comparison.layers.iter().flat_map(|layer| layer.gpu.iter().map(move |row| (layer, row)));
    rows.filter_map(|(layer, row)| {
        let ratio = row.cost("gather", by_cpu)? / row.cost("auto", by_cpu)?;
        Some((format!("{}, {}", layer.layer.layer, row.summary), ratio))
    })
    .collect()
}

/// A ratio of every layer of a group that has it.
pub(crate) fn ratios(comparison: &Comparison, ratio: &Ratio<'_>, group: Group) -> Vec<(String, f64)> {
    let layers = comparison.layers.iter().filter(|layer| group.contains(&layer.layer));
    layers.filter_map(|layer| Some((layer.layer.layer.clone(), ratio(layer)?))).collect()
}

fn each(what: &'static str, wanted: f64, ratios: &[(String, f64)]) -> Bar {
    let worst = ratios.iter().min_by(|left, right| left.1.total_cmp(&right.1));
    Bar {
        what,
        wanted,
        got: worst.map(|(_, ratio)| *ratio),
        layers: ratios.len(),
        worst: worst.map(|(layer, _)| layer.clone()),
    }
}

fn mean(what: &'static str, wanted: f64, ratios: &[(String, f64)]) -> Bar {
    let values: Vec<f64> = ratios.iter().map(|(_, ratio)| *ratio).collect();
    Bar { what, wanted, got: geometric_mean(&values), layers: ratios.len(), worst: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{comparison, layer, row};

    fn bar(comparison: &Comparison, what: &str) -> Bar {
        let mut found = bars(comparison);
        found.retain(|bar| bar.what.starts_with(what));
        assert_eq!(found.len(), 1, "{what}");
        found.remove(0)
    }

    #[test]
    fn bars_are_ratios_of_cpu_time() {
        let comparison = comparison();
        let got = |what| (bar(&comparison, what).got, bar(&comparison, what).layers);
        assert_eq!(got("our dense over the fastest Vulkan or WebGPU peer, each"), (Some(2.0), 3));
        assert_eq!(got("shared, s = C, over our dense, each 3x3 layer of stride 1"), (Some(5.0), 2));
        assert_eq!(got("shared, s = C, over our dense, 3x3 of stride 2").1, 1);
        assert_eq!(got("shared, s = C, over the fastest Vulkan").1, 2);
        assert!((got("shared, s = C, over the fastest Vulkan").0.unwrap() - 10.0).abs() < 1e-12);
        assert!((got("CPU executor").0.unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(got("what the plan takes over gather"), (Some(5.0), 4));
    }

    #[test]
    fn verdicts_say_by_how_much() {
        let comparison = comparison();
        let verdict = |what| bar(&comparison, what).verdict();
        assert_eq!(verdict("our dense over the fastest Vulkan or WebGPU peer, each"), "met");
        // 5.0 instead of 5.5, 10 instead of 13.
        assert_eq!(verdict("shared, s = C, over our dense, 3x3 of stride 1"), "**missed by 9 %**");
        assert_eq!(verdict("shared, s = C, over the fastest Vulkan"), "**missed by 23 %**");
        let close = Bar { what: "", wanted: 1.0, got: Some(0.999), layers: 1, worst: None };
        assert_eq!(close.verdict(), "**missed by 1 %**");
    }

    #[test]
    fn what_nothing_measured_is_not_met() {
        let mut comparison = comparison();
        // The peer is missing, the summary was not asked for.
        for what in ["shared, s = C, over ONNX", "shared, s = 2C"] {
            let bar = bar(&comparison, what);
            assert_eq!((bar.got, bar.met(), bar.verdict()), (None, false, "not measured".to_owned()));
        }
        for answer in &mut comparison.layers[0].peers[..2] {
            answer.error = Some("crashed".to_owned());
        }
        assert_eq!(bar(&comparison, "our dense over the fastest Vulkan or WebGPU peer, each").layers, 2);
    }

    #[test]
    fn each_names_its_worst_layer() {
        let mut comparison = comparison();
        comparison.layers[1].gpu = vec![row("C", "gather", &[("dense", 10.0), ("gather", 8.0), ("shared", 20.0)])];
        let bar_each = bar(&comparison, "shared, s = C, over our dense, each");
        assert_eq!((bar_each.got, bar_each.worst.as_deref()), (Some(0.5), Some("128x8")));
        // The plan does not take it there, so nothing is slower than gather.
        assert!(bar(&comparison, "what the plan takes").met());
        comparison.layers[1].gpu[0].auto = "shared".to_owned();
        let over_gather = bar(&comparison, "what the plan takes");
        assert_eq!((over_gather.met(), over_gather.worst.as_deref()), (false, Some("128x8, C")));
    }

    #[test]
    fn products_of_matrices_are_held_against_the_peak() {
        let mut comparison = comparison();
        comparison.adapter.software = false;
        let what = "a product of 4096x4096 matrices in f32";
        assert_eq!(bar(&comparison, what).got, None);
        let mut product = layer("4096x64k1", 1, 1);
        (product.layer.channels, product.layer.filters) = (4096, 4096);
        // 60 of 80 GFLOP/s; what shared products reach is no part of it.
        product.gpu[0].timings[0].gflops = 60.0;
        product.gpu[0].timings[2].gflops = 79.0;
        comparison.layers.push(product);
        assert_eq!((bar(&comparison, what).got, bar(&comparison, what).verdict()), (Some(0.75), "met".to_owned()));
    }

    #[test]
    fn hardware_has_bars_of_its_own() {
        let mut comparison = comparison();
        comparison.adapter.software = false;
        let mut large = layer("64x8@32", 3, 1);
        large.layer.batch = 32;
        large.peers[0].peer = "cudnn-f32".to_owned();
        large.peers[0].milliseconds = 400.0;
        comparison.layers.push(large);
        let bar = bar(&comparison, "f32, s = C, over cuDNN f32 (TF32 off), 3x3, batch 32");
        // By GPU time, which is 100 ms of ours.
        assert_eq!(bar.layers, 1);
        assert!((bar.got.unwrap() - 4.0).abs() < 1e-12);
    }
}
