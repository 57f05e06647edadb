//! The variants of shaders that the table of cases must reach, by labels without the sizes of tiles.

#![allow(unreachable_pub)]

use filter_summary::{Family, Storage, Target, wgpu};

/// All of a family.
pub fn of_family(family: Family) -> Vec<String> {
    match family {
        Family::Portable => portable_variants(),
        Family::Software => software_variants(),
        Family::Tiled => tiled_variants(),
        Family::Matrix => matrix_variants(),
        _ => panic!("{family:?} has no list of variants here"),
    }
}

/// What of a label names code that is put together differently, without the sizes of tiles.
pub fn shape_of_label(label: &str) -> String {
    let mut words = label.split('-');
    let kernel = words.next().unwrap_or_default();
    // Lanes of a subgroup are a size, too.
    let words = words.skip(1).filter(|word| !word.starts_with("terms") && !["s32", "s64"].contains(word));
    // The names of kernels say it, but for the accumulation of taps, which has two ways to load them.
    let words = words.filter(|word| !word.starts_with("row") || kernel == "fs_accumulate_taps");
    let rest: Vec<&str> = words
        .map(|word| match word.get(..3) {
            Some("sum") if word.contains('.') => "uneven sums",
            Some("sum") => "sums",
            Some("row") => "row",
            _ => word,
        })
        .collect();
    format!("{kernel} {}", rest.join(" "))
}

/// The ends of labels by epilogue. Where pixels are moved by twos, all of it and nothing,
/// with one way to load weights, stand for the rest.
fn tails(weights: &str, output: &str) -> Vec<String> {
    let everything = format!(" res{output} relu");
    match (output, weights) {
        ("2", "f4") => vec![String::new(), everything],
        ("2", _) => vec![String::new()],
        _ => vec![String::new(), " relu".into(), format!(" res{output}"), everything],
    }
}

/// Those of products that stay in workgroup memory, which two families have.
fn fused_variants() -> Vec<String> {
    let mut expected = Vec::new();
    for weights in ["f4", "f1", "f1zero", "f1wrap"] {
        expected.extend(["", " relu", " res1", " res1 relu"].map(|tail| format!("fs_fused in1 {weights} out1{tail}")));
        expected.extend(FILTERS.map(|filters| format!("fs_fused in1 {weights} {filters} out1")));
    }
    expected
}

/// What filters may be, other than segments.
const FILTERS: [&str; 3] = ["blend", "gains", "blend gains"];

/// The portable family's variants.
fn portable_variants() -> Vec<String> {
    let mut expected = fused_variants();
    for weights in ["f4", "f1", "f1zero", "f1wrap"] {
        expected.extend(["in1", "in2", "in4"].map(|input| format!("fs_products {input} {weights}")));
        expected.extend(["gains", "blend gains"].map(|filters| format!("fs_gather in1 {weights} {filters} out1")));
        for output in ["1", "2", "4"] {
            let tails = tails(weights, output);
            expected.extend(tails.iter().map(|tail| format!("fs_gather in1 {weights} out{output}{tail}")));
            expected.push(format!("fs_gather in{output} {weights} out{output}"));
            expected.push(format!("fs_gather in1 {weights} blend out{output}"));
            expected.push(format!("fs_gather in{output} {weights} blend out{output}"));
            if weights == "f4" {
                for kernel in ["fs_accumulate_rows", "fs_accumulate_taps", "fs_accumulate_taps row"] {
                    expected.extend(tails.iter().map(|tail| format!("{kernel} out{output}{tail}")));
                    expected.push(format!("{kernel} blend out{output}"));
                }
                // Sums of rows have no gains.
                for kernel in ["fs_accumulate_taps", "fs_accumulate_taps row"] {
                    expected.push(format!("{kernel} gains out{output}"));
                    expected.push(format!("{kernel} blend gains out1"));
                }
                expected.push(format!("fs_accumulate_plane gains out{output}"));
                expected.push(format!("fs_accumulate_plane gains out{output} res{output} relu"));
            }
        }
    }
    expected
}

/// The software family's variants; of its accumulations the plain form is the portable one.
fn software_variants() -> Vec<String> {
    let mut expected = Vec::new();
    for weights in ["f4", "f1", "f1zero", "f1wrap"] {
        // Which rows are summed is apart from how weights are loaded: one way stands for all.
        let uneven = (weights == "f4").then_some("uneven sums ");
        for sums in ["", "sums "].into_iter().chain(uneven) {
            // Rows of two and two in planes of whole quads, whatever loads weights.
            let planes = (weights == "f4" && !sums.is_empty()).then_some(("4", "2"));
            for (input, output) in [("1", "1"), ("2", "2"), ("4", "4")].into_iter().chain(planes) {
                expected.push(format!("fs_software_products {sums}in{input} {weights} out{output}"));
            }
        }
        for output in ["1", "2", "4"] {
            let tails = tails(weights, output);
            expected.extend(tails.iter().map(|tail| format!("fs_software_gather in1 {weights} out{output}{tail}")));
            expected.push(format!("fs_software_gather in{output} {weights} out{output}"));
            expected.push(format!("fs_software_gather in1 {weights} blend out{output}"));
            expected.push(format!("fs_software_gather in{output} {weights} blend out{output}"));
            let input = output;
            let rows = |tail| format!("fs_software_gather_rows in{input} {weights} out{output}{tail}");
            expected.extend(tails.iter().map(rows));
            expected.push(format!("fs_software_gather_rows in{input} {weights} blend out{output}"));
            if weights == "f4" {
                let few = |tail| format!("fs_software_gather_few in1 f4 out{output}{tail}");
                expected.extend(tails.iter().map(few));
                expected.push(format!("fs_software_gather_few in{output} f4 out{output}"));
                expected.push("fs_software_gather_rows in2 f4 out4".to_owned());
                let accumulations = ["fs_accumulate_rows", "fs_accumulate_taps row"];
                let ends = |kernel| tails.iter().map(move |tail| format!("{kernel} out{output}{tail}"));
                expected.extend(accumulations.into_iter().flat_map(ends));
            }
        }
    }
    // How weights are loaded and blended is a part of its own, which the kernel of few pixels has
    // in common with the others.
    expected.extend(
        ["f1", "f1zero", "f1wrap", "f4 blend", "f1wrap blend", "f4 gains"]
            .map(|weights| format!("fs_software_gather_few in1 {weights} out1")),
    );
    for weights in ["f4", "f1", "f1zero", "f1wrap"] {
        expected.push(format!("fs_software_gather in1 {weights} gains out1"));
    }
    expected.push("fs_software_gather in1 f4 blend gains out1".to_owned());
    // Whatever moves quads of f32 can move them as pairs of words.
    let moves_quads = |label: &&String| {
        let moved = |word| matches!(word, "in2" | "in4" | "f4" | "out2" | "out4" | "res2" | "res4");
        label.contains("accumulate") || label.split(' ').any(moved)
    };
    let pairs: Vec<String> = expected.iter().filter(moves_quads).map(|label| format!("{label} pairs")).collect();
    expected.extend(pairs);
    expected
}

/// Those of implicit GEMMs; `half` ends their labels where tensors are f16.
fn gemm_variants(family: &str, half: &str) -> Vec<String> {
    let mut expected = Vec::new();
    for weights in ["f4", "f1", "f1zero", "f1wrap"] {
        for output in ["1", "2", "4"] {
            expected
                .extend(tails(weights, output).iter().map(|tail| format!("gather in1 {weights} out{output}{tail}")));
            expected.push(format!("products in1 {weights} out{output}"));
        }
        expected.extend(FILTERS.map(|filters| format!("gather in1 {weights} {filters} out1")));
        // Steps of channels that all exist.
        expected.push(format!("gather whole in1 {weights} out1"));
        expected.push(format!("products whole in1 {weights} out1"));
    }
    expected.extend(tails("f4", "4").iter().map(|tail| format!("gather whole in4 f4 out4{tail}")));
    expected.push("products whole in4 f4 out4".to_owned());
    expected.iter().map(|shape| format!("fs_{family}_{shape}{half}")).collect()
}

/// The tiled family's variants.
fn tiled_variants() -> Vec<String> {
    let mut expected = fused_variants();
    expected.extend(gemm_variants("tiled", ""));
    for (terms, output) in [("", "1"), (" quads3x3", "4"), (" quads1x3", "4")] {
        let tails = tails("f4", output);
        expected.extend(tails.iter().map(|tail| format!("fs_tiled_accumulate{terms} out{output}{tail}")));
        expected.extend(FILTERS.map(|filters| format!("fs_tiled_accumulate{terms} {filters} out{output}")));
    }
    expected
}

/// The matrix family's variants.
fn matrix_variants() -> Vec<String> {
    gemm_variants("matrix", " f16")
}

/// A device for every family's kernels; plans need no more.
pub fn target_of(family: Family) -> (Target, Storage) {
    if family != Family::Matrix {
        let features = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_INT64;
        let lanes = Target::portable().with_subgroup_sizes(8, 8).with_features(features);
        return (lanes.with_software(true), Storage::F32);
    }
    let mut limits = Target::portable().limits;
    limits.max_compute_workgroup_storage_size = 49_152;
    let features =
        wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let [subgroup_min_size, subgroup_max_size] = [32; 2];
    let matrix_16x16x16 = true;
    (
        Target::portable()
            .with_subgroup_sizes(subgroup_min_size, subgroup_max_size)
            .with_limits(limits)
            .with_features(features)
            .with_matrix_16x16x16(matrix_16x16x16),
        Storage::F16,
    )
}
