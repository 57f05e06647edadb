//! Files that mean harm.

use std::fs;

use super::model::{Is, Small, floats, list, node, ramp};
use crate::onnx::messages::{StringPair, Tensor};
use crate::onnx::{Options, import, load};

fn classifier() -> Small {
    let nodes = vec![
        node("Conv", &["x", "w"], &["c"], &[("pads", Is::Ints(&[1, 1, 1, 1]))]),
        node("Relu", &["c"], &["r"], &[]),
        node("GlobalAveragePool", &["r"], &["p"], &[]),
        node("Flatten", &["p"], &["f"], &[]),
        node("Gemm", &["f", "k"], &["y"], &[("transB", Is::Int(1))]),
    ];
    Small::new(&[1, 2, 5, 5], nodes, vec![ramp("w", &[4, 2, 3, 3]), ramp("k", &[3, 4])])
}

#[test]
fn a_model_cut_off_anywhere_is_read_or_refused() {
    let bytes = classifier().bytes();
    assert!(import(bytes.clone(), &Options::default()).is_ok());
    let read = (0..bytes.len()).filter(|&end| import(bytes[..end].to_vec(), &Options::default()).is_ok()).count();
    // Without the version of operators at its end it is no model.
    assert_eq!(read, 0);
}

#[test]
fn constants_cannot_ask_for_more_than_there_is() {
    let huge = i64::from(i32::MAX);
    let grown = |nodes| {
        Small::new(&[1, 2], nodes, vec![list("l", &[huge]), list("t", &[1 << 14, 1 << 14]), floats("f", &[1], &[0.0])])
    };
    let cases = [
        // A tensor that takes no memory may be large; copies of it may not.
        grown(vec![node("ConstantOfShape", &["l"], &["c"], &[]), node("Add", &["x", "c"], &["y"], &[])]),
        grown(vec![
            node("ConstantOfShape", &["t"], &["c"], &[]),
            node("Exp", &["c"], &["e"], &[]),
            node("MatMul", &["x", "e"], &["y"], &[]),
        ]),
        grown(vec![
            node("Expand", &["f", "t"], &["c"], &[]),
            node("Concat", &["c", "c", "c"], &["e"], &[("axis", Is::Int(0))]),
            node("MatMul", &["x", "e"], &["y"], &[]),
        ]),
        grown(vec![node("Range", &["f", "l", "f"], &["c"], &[]), node("Add", &["x", "c"], &["y"], &[])]),
        grown(vec![node("Pad", &["x", "t"], &["y"], &[])]),
    ];
    for model in cases {
        let error = model.import().unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
    }
    // Powers of two of a constant.
    let mut nodes = vec![node("Concat", &["f", "f"], &["c0"], &[("axis", Is::Int(0))])];
    for at in 0..40 {
        let (from, to) = (format!("c{at}"), format!("c{}", at + 1));
        nodes.push(node("Concat", &[&from, &from], &[&to], &[("axis", Is::Int(0))]));
    }
    nodes.push(node("Add", &["x", "c40"], &["y"], &[]));
    assert!(
        grown(nodes).import().unwrap_err().to_string().contains("more than constants of a file of this size may take")
    );
}

/// A model of one weight, which lies in another file.
fn outside(location: &str, offset: &str, length: &str) -> Small {
    let pair = |key: &str, value: &str| StringPair { key: key.to_owned(), value: value.to_owned() };
    let external_data = vec![pair("location", location), pair("offset", offset), pair("length", length)];
    let weight = Tensor { float_data: Vec::new(), external_data, data_location: 1, ..floats("w", &[2], &[]) };
    Small::new(&[1, 2], vec![node("Mul", &["x", "w"], &["y"], &[])], vec![weight])
}

#[test]
fn weights_in_other_files_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    fs::create_dir_all(inside.join("more")).unwrap();
    let bytes: Vec<u8> = [0.0f32, 2.0, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    for file in [folder.path().join("secret"), inside.join("weights"), inside.join("more/weights")] {
        fs::write(file, &bytes).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
    let model = inside.join("model.onnx");
    let of = |location: &str, offset: &str, length: &str| {
        fs::write(&model, outside(location, offset, length).bytes()).unwrap();
        load(&model, &Options::default())
    };
    assert!(of("weights", "4", "8").is_ok() && of("more/weights", "0", "8").is_ok());
    let absolute = folder.path().join("secret").display().to_string();
    for (location, offset, length, reason) in [
        ("../secret", "0", "8", "outside the model's folder"),
        ("more/../../secret", "0", "8", "outside the model's folder"),
        (absolute.as_str(), "0", "8", "outside the model's folder"),
        ("..\\secret", "0", "8", "outside the model's folder"),
        #[cfg(unix)]
        ("link", "0", "8", "a link that leads out"),
        ("more", "0", "8", "do not lie in"),
        ("nothing", "0", "8", "external data \"nothing\""),
        ("weights", "8", "8", "do not lie in"),
        ("weights", "18446744073709551615", "8", "do not lie in"),
        ("weights", "-1", "8", "offset of its external data is no number"),
        ("weights", "0", "12", "12 bytes: its dimensions take 8"),
    ] {
        let error = of(location, offset, length).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{location}: {error}");
    }
    let error = import(outside("weights", "0", "8").bytes(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("bytes alone have not"), "{error}");
}

/// One value by many names that are alike.
#[test]
fn outputs_are_counted() {
    let of = |count: usize| {
        let mut model = Small::new(&[1, 2], vec![node("Relu", &["x"], &["y"], &[])], vec![]);
        model.graph.output = vec![super::model::value("y", &[1, 2]); count];
        model.import()
    };
    let imported = of(4096).unwrap();
    let last = &imported.outputs[4095];
    assert_eq!((last.name.as_str(), last.node.as_str()), ("y", "y.4096"));
    assert!(of(4097).unwrap_err().to_string().contains("it has 4097 outputs: at most 4096 are imported"));
}

#[test]
fn deep_and_wide_graphs_take_no_stack() {
    // A chain of many nodes, and a value read by as many.
    let mut nodes = vec![node("Relu", &["x"], &["v0"], &[])];
    for at in 0..20_000 {
        let (from, to) = (format!("v{at}"), format!("v{}", at + 1));
        nodes.push(node("Abs", &[&from], &[&to], &[]));
    }
    nodes.push(node("Add", &["v20000", "v20000"], &["y"], &[]));
    assert!(Small::new(&[1, 2], nodes, vec![]).import().is_ok());
}

#[test]
fn values_of_too_many_numbers_are_refused_where_they_are_made() {
    // The mean over rows and channels asks for another order of numbers that nobody can count.
    let pads = list("pads", &[0, 0, 3_997_697, 2_293_762, 0, 32_768, 0, 1]);
    let nodes = vec![
        node("Pad", &["x", "pads"], &["p"], &[("mode", Is::Word("edge"))]),
        node("ReduceMean", &["p", "axes"], &["y"], &[("keepdims", Is::Int(0))]),
    ];
    let model = Small::new(&[1, 2, 3, 5], nodes, vec![pads, list("axes", &[2, 1])]);
    let error = model.import().unwrap_err().to_string();
    assert!(error.contains("node p (Pad)") && error.contains("output shape"), "{error}");
}

/// A file of an axis turned around, which is a slice a place, so many times; and names of so many bytes.
fn turned(size: i64, times: usize, name: usize) -> Small {
    let mut nodes = Vec::new();
    let mut last = "x".to_owned();
    for at in 0..times {
        let next = format!("{}{at}", "v".repeat(name));
        nodes.push(node("Slice", &[&last, "start", "end", "axis", "step"], &[&next], &[]));
        last = next;
    }
    nodes.push(node("Relu", &[&last], &["y"], &[]));
    let lists = [("start", -1), ("end", i64::MIN), ("axis", 2), ("step", -1)].map(|(name, of)| list(name, &[of]));
    Small::new(&[1, 1, size, 1], nodes, lists.to_vec())
}

#[test]
fn operations_are_counted_where_they_are_made() {
    assert!(turned(256, 2, 1).import().is_ok());
    let error = turned(256, 400, 1).import().unwrap_err().to_string();
    assert!(error.contains("(Slice): with it the model has more than 100000 operations"), "{error}");
    // As many as there are places, none of which is looked at.
    let error = turned(i64::from(i32::MAX), 1, 1).import().unwrap_err().to_string();
    assert!(error.contains("it takes 2147483647 places in too many slices: at most 256"), "{error}");
}

#[test]
fn names_of_operations_take_memory_too() {
    assert!(turned(256, 1, 1 << 10).import().is_ok());
    let error = turned(256, 1, 1 << 20).import().unwrap_err().to_string();
    assert!(error.contains("more than constants of a file of this size may take"), "{error}");
}

/// What a few bytes ask for is paid for before it is made: a mean over 2^28 channels is a convolution of as many ones.
#[test]
fn ones_that_add_up_channels_are_paid_for() {
    let mean = |channels: i64| {
        let nodes = vec![
            node("Reshape", &["x", "shape"], &["r"], &[]),
            node("GlobalAveragePool", &["r"], &["p"], &[]),
            node("Transpose", &["p"], &["t"], &[("perm", Is::Ints(&[0, 2, 3, 1]))]),
            node("LayerNormalization", &["t", "one"], &["y"], &[]),
        ];
        let constants = vec![list("shape", &[1, channels, 1, 1]), floats("one", &[1], &[1.0])];
        Small::new(&[1, 1, channels, 1], nodes, constants).import()
    };
    assert!(mean(256).is_ok());
    let error = mean(1 << 28).unwrap_err().to_string();
    assert!(error.contains("node y (LayerNormalization): its 1073741824 bytes are more than constants"), "{error}");
}

/// What is only gone through takes time, too.
#[test]
fn reductions_and_indices_of_many_numbers_are_paid_for() {
    let size = 20_000_000;
    let mut nodes =
        vec![node("ConstantOfShape", &["l"], &["c"], &[]), node("Cast", &["c"], &["d"], &[("to", Is::Int(7))])];
    for at in 0..1000 {
        nodes.push(node("ReduceMax", &["d"], &[&format!("m{at}")], &[("keepdims", Is::Int(0))]));
        nodes.push(node("Add", &["x", &format!("m{at}")], &[&format!("s{at}")], &[]));
    }
    let sums: Vec<String> = (0..1000).map(|at| format!("s{at}")).collect();
    nodes.push(node("Sum", &sums.iter().map(String::as_str).collect::<Vec<_>>(), &["y"], &[]));
    let many = Small::new(&[1, 2], nodes, vec![list("l", &[size])]).import().unwrap_err().to_string();
    assert!(many.contains("more than constants of a file of this size may take"), "{many}");
    let nodes = vec![node("ConstantOfShape", &["l"], &["c"], &[]), node("GatherND", &["x", "c"], &["y"], &[])];
    let deep = Small::new(&[0, 3], nodes, vec![list("l", &[1, size])]).import().unwrap_err().to_string();
    assert!(deep.contains("its indices have 20000000 numbers, of 2 axes"), "{deep}");
}
