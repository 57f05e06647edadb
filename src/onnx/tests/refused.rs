//! What is refused, and how it is told.

use super::model::{Is, Small, floats, node, ramp};
use crate::error::Error;
use crate::onnx::{Options, import};

#[test]
fn all_nodes_are_refused_in_one_go() {
    let nodes = vec![
        node("Relu", &["x"], &["a"], &[]),
        node("TopK", &["a", "k"], &["b"], &[]),
        // What reads it says nothing new.
        node("Relu", &["b"], &["c"], &[]),
        node("Sin", &["a"], &["d"], &[]),
        node("Add", &["c", "d"], &["y"], &[]),
    ];
    let model = Small::new(&[1, 2, 3, 4], nodes, vec![super::model::list("k", &[1])]);
    let Err(Error::Import { nodes }) = model.import() else { panic!("it was imported") };
    let told: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "node b (TopK): the format has no such operation; end the network before it (--end VALUE) and do the rest \
             in your program",
            "node d (Sin): the format has no such operation; end the network before it (--end VALUE) and do the rest \
             in your program",
        ]
    );
    let error = Error::Import { nodes }.to_string();
    assert!(error.starts_with("2 of the model's nodes cannot be imported, the first: node b (TopK)"), "{error}");
    // Before them it is a network.
    let before = import(model.bytes(), &Options::default().with_ends(vec!["a".to_owned()])).unwrap();
    assert_eq!(before.network.output().name, "a");
}

/// A node of an operator with one operand or with two, and what is said of it.
#[test]
fn reasons_name_what_is_wrong() {
    let one = |operator, attributes: &[(&str, Is<'_>)]| {
        Small::new(&[3, 2, 3, 4], vec![node(operator, &["x"], &["y"], attributes)], vec![])
    };
    let with = |operator, dims: &[i64]| {
        Small::new(&[3, 2, 3, 4], vec![node(operator, &["x", "w"], &["y"], &[])], vec![ramp("w", dims)])
    };
    let cases = [
        (one("Transpose", &[("perm", Is::Ints(&[0, 1, 1, 3]))]), "is no order of 4 axes"),
        (one("Softmax", &[("axis", Is::Int(0))]), "along the first axis, the batch"),
        (one("Softmax", &[("axis", Is::Int(9))]), "axis 9 is none of a tensor of 4"),
        (one("MaxPool", &[("kernel_shape", Is::Ints(&[2, 2])), ("dilations", Is::Ints(&[2, 2]))]), "pools have none"),
        (one("MaxPool", &[("kernel_shape", Is::Ints(&[9, 9]))]), "it must fit in the padded input of 3"),
        (one("Cast", &[("to", Is::Int(7))]), "it rounds computed values to integers"),
        (one("Erf", &[]), "outside GELU in pieces the format has no error function"),
        (one("If", &[]), "onnxsim"),
        (with("Conv", &[4, 3, 1, 1]), "channels / groups of the input"),
        (with("Conv", &[4, 2, 1]), "its weights are 4x2x1"),
        (with("Add", &[3, 1, 1, 1]), "varies with the batch"),
        (with("Add", &[5]), "5"),
        (with("Div", &[0]), "0"),
        (with("PRelu", &[2, 3, 4]), "slope"),
        (with("Reshape", &[2]), "a list of integers is expected"),
    ];
    for (model, reason) in cases {
        let error = model.import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}: {reason}");
    }
}

#[test]
fn models_are_checked_before_their_nodes() {
    let relu = || node("Relu", &["x"], &["y"], &[]);
    let mut twice = Small::new(&[1, 2], vec![relu(), relu()], vec![]);
    let circle =
        Small::new(&[1, 2], vec![node("Add", &["x", "y"], &["a"], &[]), node("Relu", &["a"], &["y"], &[])], vec![]);
    let mut nowhere = Small::new(&[1, 2], vec![relu()], vec![]);
    nowhere.graph.output[0].name = "z".to_owned();
    let mut two = Small::new(&[1, 2], vec![node("Add", &["x", "z"], &["y"], &[])], vec![]);
    two.graph.input.push(super::model::value("z", &[1, 2]));
    let open = Small::new(&[0, 2, 0, 0], vec![relu()], vec![]);
    let large = Small::new(&[1, 1 << 40, 1 << 40], vec![relu()], vec![]);
    let lost = Small::new(&[1, 2], vec![node("Add", &["x", "q"], &["y"], &[])], vec![]);
    let short =
        Small::new(&[1, 2], vec![node("Add", &["x", "w"], &["y"], &[])], vec![floats("w", &[3, 1 << 40], &[1.0])]);
    let cases = [
        (&twice, "the value \"y\" is computed or given twice"),
        (&circle, "its nodes read each other in a circle"),
        (&nowhere, "no node computes the output \"z\""),
        (&two, "2 inputs are read (x, z): a network has one"),
        (&open, "its sizes are ?x2x?x?: say which (--input 1x3x224x224)"),
        (&large, "its sizes are 1x1099511627776x1099511627776"),
        (&lost, "it reads \"q\", which nothing computes"),
        (&short, "more than 2147483647 values"),
    ];
    for (model, reason) in cases {
        let error = model.import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}: {reason}");
    }
    // A name given twice, as an input and by a node.
    twice.graph.node.pop();
    twice.graph.node[0].output[0] = "x".to_owned();
    assert!(twice.import().unwrap_err().to_string().contains("computed or given twice"));
    // Sizes that are left open are taken from the caller, others must be as they are.
    let sizes = |sizes: &[usize]| import(open.bytes(), &Options::default().with_size("x", sizes.to_vec()));
    assert_eq!(sizes(&[5, 2, 3, 4]).unwrap().network.input().shape, [2, 3, 4]);
    assert!(sizes(&[5, 3, 3, 4]).unwrap_err().to_string().contains("its sizes are ?x2x?x?, not 5x3x3x4"));
}

/// What people give as a model that is none.
#[test]
fn other_files_are_named_for_what_they_are() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n";
    for (bytes, what, way_out) in [
        (&b""[..], "it is empty, no ONNX model", "download it again"),
        (b"<!DOCTYPE html>\n<html lang=\"en\"><head>", "it is a web page (HTML)", "download the file itself"),
        (pointer.as_bytes(), "it is a Git LFS pointer (to 12345 bytes)", "git lfs pull"),
        (b"PK\x03\x04 and more", "it is a zip archive", "torch.onnx.export"),
        (b"\x10\0\0\0\0\0\0\0{\"a\":{\"dtype\":1}}", "it is safetensors", "name the model"),
    ] {
        let error = import(bytes.to_vec(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(way_out) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn squeezed_and_expanded_batches_are_told() {
    let lists = || {
        vec![
            super::model::list("zero", &[0]),
            super::model::list("two", &[1, 2, 3, 4]),
            super::model::list("more", &[2, 2, 3, 4]),
        ]
    };
    let model = |operator, batch, inputs: &[&str]| {
        let small = Small::new(&[batch, 2, 3, 4], vec![node(operator, inputs, &["y"], &[])], lists());
        import(small.bytes(), &Options::default().with_size("x", vec![1, 2, 3, 4]))
    };
    for (operator, batch, inputs, reason) in [
        (
            "Squeeze",
            0,
            &["x"][..],
            "it depends on the batch, of which a network takes any: it drops all axes of size 1",
        ),
        ("Squeeze", 0, &["x", "zero"], "it drops axis 0 of 1x2x3x4, the batch; let it name"),
        ("Expand", 1, &["x", "more"], "it repeats a value of 1x2x3x4 to [2, 2, 3, 4]"),
    ] {
        let error = model(operator, batch, inputs).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
    // It repeats nothing.
    assert_eq!(model("Expand", 1, &["x", "two"]).unwrap().network.output().shape, [2, 3, 4]);
}

/// Sizes beside a 0, which is all that there are.
#[test]
fn empty_constants_of_huge_sizes_are_refused() {
    let empty = floats("k", &[0, 1 << 40, 1 << 40], &[]);
    for nodes in [
        vec![node("Identity", &["k"], &["i"], &[]), node("Add", &["x", "i"], &["y"], &[])],
        vec![node("Transpose", &["k"], &["i"], &[]), node("Add", &["x", "i"], &["y"], &[])],
        vec![node("Gather", &["k", "j"], &["i"], &[]), node("Add", &["x", "i"], &["y"], &[])],
        vec![node("ReduceSum", &["k"], &["i"], &[]), node("Add", &["x", "i"], &["y"], &[])],
        vec![node("Gemm", &["x", "k"], &["y"], &[])],
    ] {
        let error = Small::new(&[1, 2], nodes, vec![empty.clone(), super::model::list("j", &[])]).import().unwrap_err();
        assert!(error.to_string().contains("more than 2147483647 values"), "{error}");
    }
}

#[test]
fn operators_without_operands_are_refused() {
    for operator in crate::onnx::operators() {
        for inputs in [&[][..], &[""], &["", ""], &["x"], &["x", ""]] {
            let nodes = vec![node("Relu", &["x"], &["r"], &[]), node(operator, inputs, &["y"], &[])];
            let result = Small::new(&[1, 2, 3, 4], nodes, vec![]).import();
            let is_left_out = inputs.iter().all(|input| input.is_empty());
            assert!(result.is_err() || !is_left_out, "{operator} {inputs:?}");
        }
    }
}

#[test]
fn values_of_the_batch_alone_have_no_channels() {
    let one = |name| floats(name, &[1], &[1.0]);
    let nodes = vec![node("BatchNormalization", &["x", "a", "b", "c", "d"], &["y"], &[])];
    let model = Small::new(&[1], nodes, ["a", "b", "c", "d"].map(one).to_vec());
    let error = model.import().unwrap_err().to_string();
    assert!(error.contains("no axis of channels"), "{error}");
}

/// What is behind a refused node and could not be imported whatever it reads.
#[test]
fn nodes_behind_a_refused_one_are_named_too() {
    let nodes = vec![
        node("Log", &["x"], &["a"], &[]),
        node("Relu", &["a"], &["b"], &[]),
        node("CumSum", &["b"], &["c"], &[]),
        node("LSTM", &["c"], &["y"], &[]),
    ];
    let Err(Error::Import { nodes }) = Small::new(&[1, 2], nodes, vec![]).import() else { panic!("it is read") };
    let operators: Vec<&str> = nodes.iter().map(|node| node.operator.as_str()).collect();
    // `CumSum` is computed where its numbers are known, as they might be.
    assert_eq!(operators, ["Log", "LSTM"]);
    assert!(nodes.iter().all(|node| node.way_out.is_some()));
}

#[test]
fn pixels_that_all_become_alike_are_refused() {
    let mut preprocess = crate::network::Preprocess::new(2).unwrap();
    preprocess.scale = 0.0;
    let model = Small::new(&[1, 2, 3, 4], vec![node("Relu", &["x"], &["y"], &[])], vec![]);
    let error = import(model.bytes(), &Options::default().with_preprocess(preprocess)).unwrap_err().to_string();
    assert_eq!(error, "preprocess.scale is 0: it must not be zero: all pixels would be alike");
}
