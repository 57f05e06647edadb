//! Models whose numbers were once others: what comes out, by ONNX's text.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::network::CpuNetwork;

/// What comes out of a model of `[1, 1, 2, 4]` for 1 to 8.
fn output(nodes: Vec<crate::onnx::messages::Node>, constants: Vec<crate::onnx::messages::Tensor>) -> Vec<f32> {
    let network = Small::new(&[1, 1, 2, 4], nodes, constants).import().unwrap().network;
    let input: Vec<f32> = (1..=8).map(|value| value as f32).collect();
    CpuNetwork::new(&network, 1, None).unwrap().run(&input).unwrap()
}

#[test]
fn constants_are_reduced_as_what_they_are() {
    for (operator, values, want) in [
        ("ReduceSum", [0.5, 0.25, -1.0], -0.25),
        ("ReduceMax", [-0.5, -0.75, -2.0], -0.5),
        ("ReduceMin", [0.5, 0.75, 2.0], 0.5),
        ("ReduceProd", [0.5, 0.5, 3.0], 0.75),
    ] {
        let nodes = vec![node(operator, &["k"], &["s"], &[]), node("Mul", &["x", "s"], &["y"], &[])];
        assert_eq!(output(nodes, vec![floats("k", &[3], &values)])[3], 4.0 * want, "{operator}");
    }
}

#[test]
fn remainders_have_the_divisors_sign() {
    for ([number, divisor], want) in [([7, -3], -2.0), ([-7, 3], 2.0), ([7, 3], 1.0), ([-6, 3], 0.0)] {
        let nodes = vec![
            node("Mod", &["a", "b"], &["m"], &[]),
            node("Cast", &["m"], &["f"], &[("to", Is::Int(1))]),
            node("Mul", &["x", "f"], &["y"], &[]),
        ];
        assert_eq!(output(nodes, vec![list("a", &[number]), list("b", &[divisor])])[0], want, "{number} mod {divisor}");
    }
}

#[test]
fn valid_windows_have_no_padding() {
    let valid =
        [("auto_pad", Is::Word("VALID")), ("pads", Is::Ints(&[1, 1, 1, 1])), ("kernel_shape", Is::Ints(&[2, 2]))];
    assert_eq!(output(vec![node("MaxPool", &["x"], &["y"], &valid)], vec![]), [6.0, 7.0, 8.0]);
}

/// A scale that would overflow the weights is left where it is.
#[test]
fn linear_layers_that_cannot_be_scaled_stay() {
    let nodes = vec![
        node("Flatten", &["x"], &["f"], &[]),
        node("Gemm", &["f", "w"], &["g"], &[]),
        node("Mul", &["g", "k"], &["y"], &[]),
    ];
    let mut weights = vec![0.0; 16];
    weights[0] = 1e30;
    let constants = vec![floats("w", &[8, 2], &weights), floats("k", &[], &[1e9])];
    assert_eq!(output(nodes, constants), [f32::INFINITY, 0.0]);
}

/// Old images that shrink take the pixel after, by ONNX Runtime.
#[test]
fn old_images_shrink_upwards() {
    let scales = floats("s", &[4], &[1.0, 1.0, 1.0, 0.6]);
    let nodes = vec![node("Resize", &["x", "s"], &["y"], &[])];
    let model = Small { opset: 10, ..Small::new(&[1, 1, 2, 4], nodes, vec![scales]) };
    let network = model.import().unwrap().network;
    let input: Vec<f32> = (1..=8).map(|value| value as f32).collect();
    assert_eq!(CpuNetwork::new(&network, 1, None).unwrap().run(&input).unwrap(), [1.0, 3.0, 5.0, 7.0]);
}

/// A value that is asked for keeps its name, whatever another output is.
#[test]
fn outputs_keep_their_names() {
    let nodes = vec![node("Relu", &["x"], &["a"], &[]), node("Mul", &["a", "one"], &["y"], &[])];
    let mut model = Small::new(&[1, 1, 2, 4], nodes, vec![floats("one", &[], &[1.0])]);
    model.graph.output.push(super::model::value("a", &[1, 1, 2, 4]));
    let imported = model.import().unwrap();
    assert!(imported.network.nodes().iter().any(|node| node.name == "a"), "{:?}", imported.outputs);
}

/// What an output is made of in pieces would be called as it is, too.
#[test]
fn an_output_of_pieces_has_its_name() {
    let nodes = vec![
        node("Conv", &["x", "w"], &["c"], &[]),
        node("Transpose", &["c"], &["t"], &[("perm", Is::Ints(&[0, 2, 3, 1]))]),
        node("Reshape", &["t", "shape"], &["r"], &[]),
        node("Sigmoid", &["r"], &["y"], &[]),
    ];
    let constants = vec![ramp("w", &[1, 1, 1, 1]), list("shape", &[1, 8, 1])];
    let imported = Small::new(&[1, 1, 2, 4], nodes, constants).import().unwrap();
    let names: Vec<&str> = imported.network.nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!((names.as_slice(), imported.outputs[0].node.as_str()), (&["y.2", "y"][..], "y"));
}

/// What somebody else calls `Mul` is not ONNX's.
#[test]
fn operators_of_others_are_not_folded() {
    let mut others = node("Mul", &["k", "k"], &["s"], &[]);
    others.domain = "com.acme".to_owned();
    let nodes = vec![others, node("Mul", &["x", "s"], &["y"], &[])];
    let error = Small::new(&[1, 1, 2, 4], nodes, vec![ramp("k", &[1])]).import().unwrap_err().to_string();
    assert!(error.contains("operators of com.acme are not read"), "{error}");
    // Of quantized models, whose operators are ONNX Runtime's in part, the way out is always the same.
    for (domain, operator) in [("", "MatMulInteger"), ("", "QLinearMatMul"), ("com.microsoft", "QGemm")] {
        let mut quantized = node(operator, &["x", "k"], &["y"], &[]);
        quantized.domain = domain.to_owned();
        let model = Small::new(&[1, 1, 2, 4], vec![quantized], vec![ramp("k", &[1])]);
        let error = model.import().unwrap_err().to_string();
        assert!(error.contains("from before it was quantized"), "{error}");
    }
}

#[test]
fn cuts_of_nothing_are_nothing() {
    let nodes = vec![
        node("Slice", &["k", "start", "end", "axis", "step"], &["s"], &[]),
        node("Concat", &["s", "one"], &["t"], &[("axis", Is::Int(0))]),
        node("Mul", &["x", "t"], &["y"], &[]),
    ];
    let lists = [("start", -1), ("end", -9), ("axis", 0), ("step", -1)].map(|(name, value)| list(name, &[value]));
    let mut constants = vec![floats("k", &[0], &[]), floats("one", &[1], &[2.0])];
    constants.extend(lists);
    assert_eq!(output(nodes, constants)[7], 16.0);
}
