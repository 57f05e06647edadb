//! What is odd, and must be told by its name.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::onnx::messages::Tensor;
use crate::onnx::{Options, import};

/// Every attribute of another kind than its operator has.
#[test]
fn attributes_of_another_kind_are_refused_by_name() {
    let with = |operator: &str, inputs: &[&str], attribute: &str, is| {
        let nodes = vec![node("Relu", &["x"], &["r"], &[]), node(operator, inputs, &["y"], &[(attribute, is)])];
        let constants = vec![ramp("w", &[2, 2, 1, 1]), list("l", &[1]), ramp("s", &[4])];
        Small::new(&[1, 2, 3, 4], nodes, constants).import().unwrap_err().to_string()
    };
    for (operator, inputs, attribute) in [
        ("Concat", &["r", "r"][..], "axis"),
        ("Softmax", &["r"], "axis"),
        ("Flatten", &["r"], "axis"),
        ("Gather", &["r", "l"], "axis"),
        ("LayerNormalization", &["r", "s"], "axis"),
        ("LayerNormalization", &["r", "s"], "epsilon"),
        ("LeakyRelu", &["r"], "alpha"),
        ("Conv", &["r", "w"], "group"),
        ("Conv", &["r", "w"], "strides"),
        ("MaxPool", &["r"], "kernel_shape"),
        ("Transpose", &["r"], "perm"),
        ("ReduceMean", &["r", "l"], "keepdims"),
        ("ReduceL2", &["r"], "axes"),
        ("LpNormalization", &["r"], "p"),
        ("Clip", &["r"], "min"),
        ("DepthToSpace", &["r"], "blocksize"),
        ("LRN", &["r"], "size"),
        ("Cast", &["r"], "to"),
    ] {
        // A graph, which is not read at all, is none either.
        for is in [Is::Kind(5), Is::Kind(8)] {
            let error = with(operator, inputs, attribute, is);
            assert!(error.contains(&format!("its attribute {attribute} is a graph, or a list of")), "{error}");
            assert!(error.contains(&format!("node y ({operator})")), "{error}");
        }
        let word = with(operator, inputs, attribute, Is::Word("channels"));
        let is_told = word.contains(&format!("its attribute {attribute} is a word: it must be"));
        assert!(is_told || (operator == "Cast" && word.contains("its data type is \"channels\"")), "{word}");
    }
    let attributes = [("kernel_shape", Is::Ints(&[2, 2])), ("auto_pad", Is::Int(3))];
    let pool = vec![node("MaxPool", &["x"], &["y"], &attributes)];
    let error = Small::new(&[1, 2, 3, 4], pool, vec![]).import().unwrap_err().to_string();
    assert!(error.contains("its attribute auto_pad is an integer: it must be a word"), "{error}");
    let error = with("DepthToSpace", &["r"], "mode", Is::Ints(&[1]));
    assert!(error.contains("its attribute mode is a list of integers: it must be a word"), "{error}");
    let error = with("Softmax", &["r"], "axis", Is::Float(1.0));
    assert!(error.contains("its attribute axis is a number: it must be an integer"), "{error}");
}

#[test]
fn versions_of_operators_that_nobody_knows_are_refused() {
    let of = |opset| Small::new(&[1, 2], vec![node("Relu", &["x"], &["y"], &[])], vec![]).with_opset(opset).import();
    assert!(of(1).is_ok() && of(28).is_ok());
    for opset in [0, -1, 29, 1 << 60, i64::MIN] {
        let error = of(opset).unwrap_err().to_string();
        assert!(
            error.contains(&format!("it imports version {opset} of ONNX's operators: 1 to 28 are known")),
            "{error}"
        );
    }
}

#[test]
fn inputs_are_floats_or_bytes_that_become_floats() {
    let of = |kind, nodes: Vec<_>| {
        let mut model = Small::new(&[1, 2, 2, 3], nodes, vec![]);
        model.graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = kind;
        model.import()
    };
    let relu = || vec![node("Relu", &["x"], &["y"], &[])];
    let cast = || {
        let perm = [("perm", Is::Ints(&[0, 1, 3, 2]))];
        vec![node("Transpose", &["x"], &["t"], &perm), node("Cast", &["t"], &["y"], &[("to", Is::Int(1))])]
    };
    for kind in [0, 1, 10, 11, 16] {
        assert!(of(kind, relu()).is_ok(), "{kind}");
    }
    assert!(of(2, cast()).is_ok());
    for (kind, nodes, reason) in [
        (2, relu(), "it is UINT8, and node y (Relu) computes with it: a network reads floats"),
        (3, cast(), "it is INT8: a network reads floats, or UINT8 of which a Cast makes them"),
        (7, cast(), "it is INT64"),
        (9, relu(), "it is BOOL"),
        (8, relu(), "its data type is number 8, which is not read"),
    ] {
        let error = of(kind, nodes).unwrap_err().to_string();
        assert!(error.contains("input \"x\"") && error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn constants_that_are_no_numbers_are_named() {
    let channels = |name: &str, value: f32| floats(name, &[2], &[1.0, value]);
    let normal = |name: &str| channels(name, 2.0);
    let of = |operator: &str, inputs: &[&str], constants: Vec<Tensor>| {
        let nodes = vec![node(operator, inputs, &["y"], &[])];
        Small::new(&[1, 2], nodes, constants).import().unwrap_err().to_string()
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let weights = floats("layer.weight", &[2, 2], &[1.0, 2.0, value, 4.0]);
        let matrices = of("MatMul", &["x", "layer.weight"], vec![weights]);
        assert!(matrices.contains("node y (MatMul): its constant \"layer.weight\" has a number at 2"), "{matrices}");
        for operator in ["Add", "Mul", "Sub", "Div"] {
            let error = of(operator, &["x", "k"], vec![channels("k", value)]);
            assert!(error.contains("its constant \"k\" has a number at 1 that is infinite or none"), "{error}");
        }
        let names = ["x", "gamma", "beta", "mean", "var"];
        let others = || names.iter().skip(1).filter(|&&name| name != "mean").map(|name| normal(name));
        let norm = of("BatchNormalization", &names, others().chain([channels("mean", value)]).collect());
        assert!(norm.contains("its constant \"mean\" has a number at 1"), "{norm}");
    }
}

#[test]
fn names_near_to_one_that_is_not_there_are_told() {
    let nodes = vec![node("Relu", &["x"], &["features"], &[]), node("Add", &["features", "featured"], &["y"], &[])];
    let model = Small::new(&[1, 2], nodes, vec![]);
    let error = model.import().unwrap_err().to_string();
    assert!(error.contains("it reads \"featured\", which nothing computes (near: \"features\""), "{error}");
    let end = Options::default().with_ends(vec!["featuers".to_owned()]);
    let error = import(model.bytes(), &end).unwrap_err().to_string();
    assert!(error.contains("no node computes the output \"featuers\" (near: \"features\""), "{error}");
}

/// Axes that are named twice are one; operands that do not fit are told.
#[test]
fn axes_that_are_there_twice_are_one() {
    let turned = |nodes: Vec<_>, constants: Vec<Tensor>, perm: &[i64]| {
        let nodes = [vec![node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(perm))])], nodes].concat();
        Small::new(&[0, 2, 3, 1], nodes, constants)
    };
    let sum = |of: &[i64]| {
        let nodes = vec![
            node("ReduceSum", &["t", "axes"], &["s"], &[("keepdims", Is::Int(0))]),
            node("Transpose", &["s"], &["y"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        ];
        turned(nodes, vec![list("axes", of)], &[1, 2, 0, 3]).run()
    };
    assert_eq!(sum(&[0, 0]), sum(&[0]));
    assert_eq!(sum(&[0, -4]), [-1.625, -1.375, -1.125]);
    let squeeze = |of: &[i64]| {
        let nodes = vec![
            node("Squeeze", &["t", "axes"], &["s"], &[]),
            node("Transpose", &["s"], &["y"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        ];
        turned(nodes, vec![list("axes", of)], &[3, 1, 0, 2]).run()
    };
    assert_eq!(squeeze(&[0, 0]), squeeze(&[0, -4]));
    let nodes =
        vec![node("Reshape", &["x", "to"], &["r"], &[]), node("Concat", &["r", "x"], &["y"], &[("axis", Is::Int(4))])];
    let joined = Small::new(&[0, 2, 3, 1], nodes, vec![list("to", &[-1, 2, 3, 1, 1])]).import();
    let error = joined.unwrap_err().to_string();
    assert!(error.contains("it joins 2x3x1x1 and 2x3x1 along axis 4, which do not fit"), "{error}");
}
