//! What exporters write, and what it stands for.

use super::model::{Is, Small, floats, list, node, ramp, value, words};
use crate::onnx::messages::{Node, Tensor};

/// A 1x1 convolution of `x` to `c`, and nodes from `c` to `y`.
fn behind_convolution(mut nodes: Vec<Node>, mut constants: Vec<Tensor>) -> Small {
    nodes.insert(0, node("Conv", &["x", "w"], &["c"], &[]));
    constants.push(ramp("w", &[2, 2, 1, 1]));
    Small::new(&[1, 2, 3, 4], nodes, constants)
}

fn scalar(name: &str, value: f32) -> Tensor {
    floats(name, &[], &[value])
}

fn numbers() -> Vec<Tensor> {
    let named = [("half", 0.5), ("one", 1.0), ("three", 3.0), ("six", 6.0), ("sixth", 1.0 / 6.0), ("zero", 0.0)];
    let gelu = [("root", std::f32::consts::SQRT_2), ("cube", 0.044715), ("tanh", 0.797_884_6)];
    named.into_iter().chain(gelu).map(|(name, value)| scalar(name, value)).collect()
}

/// Nodes `OPERATOR(inputs) -> output`.
fn chain(steps: &[(&str, &[&str], &str)]) -> Vec<Node> {
    steps.iter().map(|(operator, input, output)| node(operator, input, &[output], &[])).collect()
}

#[test]
fn activations_in_pieces_are_one_with_the_convolution() {
    let clip: (&str, &[&str], &str) = ("Clip", &["a", "zero", "six"], "b");
    let cases: [(&str, Vec<Node>); 11] = [
        ("silu", chain(&[("Sigmoid", &["c"], "a"), ("Mul", &["c", "a"], "y")])),
        ("silu", chain(&[("Sigmoid", &["c"], "a"), ("Mul", &["a", "c"], "y")])),
        ("mish", chain(&[("Softplus", &["c"], "a"), ("Tanh", &["a"], "b"), ("Mul", &["c", "b"], "y")])),
        // Hard swish: divided at the end, in between, and by parts that ONNX has.
        (
            "hard_swish",
            chain(&[("Add", &["c", "three"], "a"), clip, ("Mul", &["c", "b"], "d"), ("Div", &["d", "six"], "y")]),
        ),
        (
            "hard_swish",
            chain(&[("Add", &["c", "three"], "a"), clip, ("Div", &["b", "six"], "d"), ("Mul", &["c", "d"], "y")]),
        ),
        (
            "hard_swish",
            chain(&[("Add", &["three", "c"], "a"), clip, ("Mul", &["b", "sixth"], "d"), ("Mul", &["d", "c"], "y")]),
        ),
        // Part of the convolution before it is told what it is.
        ("clip", chain(&[("Add", &["c", "three"], "a"), clip, ("Div", &["b", "six"], "y")])),
        (
            "gelu",
            chain(&[
                ("Div", &["c", "root"], "a"),
                ("Erf", &["a"], "b"),
                ("Add", &["b", "one"], "d"),
                ("Mul", &["c", "d"], "e"),
                ("Mul", &["e", "half"], "y"),
            ]),
        ),
        (
            "gelu",
            chain(&[
                ("Div", &["c", "root"], "a"),
                ("Erf", &["a"], "b"),
                ("Add", &["b", "one"], "d"),
                ("Mul", &["c", "half"], "e"),
                ("Mul", &["d", "e"], "y"),
            ]),
        ),
        (
            "gelu_tanh",
            chain(&[
                ("Mul", &["c", "c"], "a"),
                ("Mul", &["a", "c"], "b"),
                ("Mul", &["b", "cube"], "d"),
                ("Add", &["c", "d"], "e"),
                ("Mul", &["e", "tanh"], "f"),
                ("Tanh", &["f"], "g"),
                ("Add", &["g", "one"], "h"),
                ("Mul", &["c", "half"], "i"),
                ("Mul", &["i", "h"], "y"),
            ]),
        ),
        ("relu", chain(&[("Identity", &["c"], "a"), ("Relu", &["a"], "y")])),
    ];
    for (word, nodes) in cases {
        let network = behind_convolution(nodes.clone(), numbers()).network();
        assert_eq!(words(&network), [format!("Dense {word}")], "{nodes:?}");
        assert_eq!(network.output().name, "y");
    }
}

#[test]
fn scales_biases_and_residuals_join_the_convolution() {
    let channels = |name: &str, values: [f32; 2]| floats(name, &[2], &values);
    let nodes = vec![
        node("BatchNormalization", &["c", "g", "b", "m", "v"], &["n"], &[("epsilon", Is::Float(0.0))]),
        node("Mul", &["n", "k"], &["s"], &[]),
        node("Add", &["s", "x"], &["r"], &[]),
        node("Relu", &["r"], &["y"], &[]),
    ];
    let constants = vec![
        channels("g", [2.0, 3.0]),
        channels("b", [1.0, -1.0]),
        channels("m", [0.5, 0.25]),
        channels("v", [4.0, 1.0]),
        floats("k", &[2, 1, 1], &[2.0, 4.0]),
    ];
    let network = behind_convolution(nodes, constants).network();
    assert_eq!(words(&network), ["Dense relu"]);
    let crate::network::Op::Conv(conv) = &network.nodes()[0].op else { panic!("{network:?}") };
    // gamma / sqrt(v) and beta - mean * that, times k.
    assert_eq!(conv.scale.as_deref(), Some(&[2.0, 12.0][..]));
    assert_eq!(conv.bias.as_deref(), Some(&[1.0, -7.0][..]));
    assert_eq!(network.nodes()[0].inputs.len(), 2);
}

#[test]
fn a_value_that_others_read_stays() {
    // The convolution's value is an output of the sum and of the product too.
    let nodes = chain(&[("Relu", &["c"], "a"), ("Add", &["a", "c"], "y")]);
    assert_eq!(words(&behind_convolution(nodes, vec![]).network()), ["Dense none", "relu", "Add none"]);
}

#[test]
fn transpositions_and_reshapes_come_to_one_operation_or_none() {
    let of = |input: &[i64], steps: &[(&str, &[i64])]| {
        let (mut nodes, mut constants) = (Vec::new(), Vec::new());
        for (at, (operator, numbers)) in steps.iter().enumerate() {
            let from = if at == 0 { "x".to_owned() } else { format!("v{at}") };
            let to = if at + 1 == steps.len() { "y".to_owned() } else { format!("v{}", at + 1) };
            if *operator == "Transpose" {
                nodes.push(node(operator, &[&from], &[&to], &[("perm", Is::Ints(numbers))]));
            } else {
                constants.push(list(&format!("l{at}"), numbers));
                nodes.push(node(operator, &[&from, &format!("l{at}")], &[&to], &[]));
            }
        }
        Small::new(input, nodes, constants)
    };
    let cases: [(&str, Small); 6] = [
        (
            "DepthToSpace",
            of(
                &[1, 8, 2, 3],
                &[("Reshape", &[1, 2, 2, 2, 2, 3]), ("Transpose", &[0, 1, 4, 2, 5, 3]), ("Reshape", &[1, 2, 4, 6])],
            ),
        ),
        (
            "SpaceToDepth",
            of(
                &[1, 2, 4, 6],
                &[("Reshape", &[1, 2, 2, 2, 3, 2]), ("Transpose", &[0, 1, 3, 5, 2, 4]), ("Reshape", &[1, 8, 2, 3])],
            ),
        ),
        (
            "ChannelShuffle",
            of(
                &[1, 6, 2, 2],
                &[("Reshape", &[1, 2, 3, 2, 2]), ("Transpose", &[0, 2, 1, 3, 4]), ("Reshape", &[1, -1, 2, 2])],
            ),
        ),
        ("Permute", of(&[1, 2, 3, 4], &[("Transpose", &[0, 2, 3, 1])])),
        ("Reshape", of(&[1, 2, 3, 4], &[("Reshape", &[0, 6, -1])])),
        ("Reshape", of(&[1, 4, 1, 1], &[("Unsqueeze", &[0]), ("Squeeze", &[0]), ("Reshape", &[1, 2, 2])])),
    ];
    for (word, model) in cases {
        assert_eq!(words(&model.network()), [word], "{model:?}");
    }
    // There and back again is nothing, for which a network has a node all the same.
    let model = of(&[1, 2, 3, 4], &[("Transpose", &[0, 2, 3, 1]), ("Transpose", &[0, 3, 1, 2])]);
    assert_eq!(words(&model.network()), ["none"]);
}

/// Any order of any axes is carried out right, by however many operations.
#[test]
fn every_order_of_five_axes_is_right() {
    let sizes = [2usize, 3, 2, 2, 3];
    let mut order = [0, 1, 2, 3, 4];
    let mut orders = Vec::new();
    permutations(&mut order, 0, &mut orders);
    for order in orders {
        let perm: Vec<i64> = std::iter::once(0).chain(order.iter().map(|&axis| axis as i64 + 1)).collect();
        let dims: Vec<i64> = std::iter::once(1).chain(sizes.iter().map(|&size| size as i64)).collect();
        let nodes = vec![
            node("Relu", &["x"], &["r"], &[]),
            node("Reshape", &["r", "dims"], &["a"], &[]),
            node("Transpose", &["a"], &["b"], &[("perm", Is::Ints(&perm))]),
            node("Reshape", &["b", "flat"], &["y"], &[]),
        ];
        let got = Small::new(&[1, 72], nodes, vec![list("dims", &dims), list("flat", &[1, 72])]).run();
        let strides = [36, 12, 6, 3, 1];
        let mut want = vec![0];
        for &axis in &order {
            want = want
                .iter()
                .flat_map(|&at: &usize| (0..sizes[axis]).map(move |more| at + more * strides[axis]))
                .collect();
        }
        let want: Vec<f32> = want.into_iter().map(|at| (at as f32 / 8.0 - 1.0).max(0.0)).collect();
        assert_eq!(got, want, "{order:?}");
    }
}

fn permutations(order: &mut [usize; 5], from: usize, all: &mut Vec<[usize; 5]>) {
    if from == order.len() {
        all.push(*order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        permutations(order, from + 1, all);
        order.swap(from, at);
    }
}

#[test]
fn shapes_are_folded_and_channels_last_are_put_first() {
    // x [1, 3, 4, 2] with channels last; resized to twice the size that Shape tells.
    let nodes = vec![
        node("Sub", &["x", "one"], &["a"], &[]),
        node("Transpose", &["a"], &["b"], &[("perm", Is::Ints(&[0, 3, 1, 2]))]),
        node("Shape", &["b"], &["s"], &[]),
        node("Slice", &["s", "two", "four"], &["size"], &[]),
        node("Mul", &["size", "two"], &["double"], &[]),
        node("Slice", &["s", "zero", "two"], &["front"], &[]),
        node("Concat", &["front", "double"], &["sizes"], &[("axis", Is::Int(0))]),
        node(
            "Resize",
            &["b", "", "", "sizes"],
            &["y"],
            &[
                ("mode", Is::Word("nearest")),
                ("nearest_mode", Is::Word("floor")),
                ("coordinate_transformation_mode", Is::Word("asymmetric")),
            ],
        ),
    ];
    let constants = vec![scalar("one", 1.0), list("zero", &[0]), list("two", &[2]), list("four", &[4])];
    let imported = Small::new(&[1, 3, 4, 2], nodes, constants).import().unwrap();
    assert!(imported.input.channels_last);
    assert_eq!((imported.network.input().shape, imported.network.output().shape), ([2, 3, 4], [2, 6, 8]));
    assert_eq!(words(&imported.network), ["BatchNorm", "Resize"]);
    assert_eq!((imported.folded, imported.outputs[0].sizes.as_slice()), (5, &[1, 2, 6, 8][..]));
}

#[test]
fn slopes_go_along_channels() {
    let model = |dims| {
        Small::new(&[1, 2, 1, 4], vec![node("PRelu", &["x", "s"], &["y"], &[])], vec![floats("s", dims, &[2.0, 4.0])])
    };
    // From -1 on, in steps of 1/8: all below 0.
    assert_eq!(model(&[2, 1, 1]).run(), [-2.0, -1.75, -1.5, -1.25, -2.0, -1.5, -1.0, -0.5]);
    assert!(model(&[2]).import().unwrap_err().to_string().contains("which does not fit its operand of 1x2x1x4"));
}

#[test]
fn several_outputs_are_nodes_each() {
    let split = node("Split", &["c"], &["a", "b"], &[("axis", Is::Int(1)), ("num_outputs", Is::Int(2))]);
    let mut model = behind_convolution(vec![split, node("Identity", &["a"], &["y"], &[])], vec![]);
    model.graph.output = ["y", "b", "a"].map(|name| value(name, &[])).to_vec();
    let imported = model.import().unwrap();
    assert_eq!(words(&imported.network), ["Dense none", "Slice", "Slice", "none"]);
    let names: Vec<&str> = imported.network.outputs().map(|node| node.name.as_str()).collect();
    let told: Vec<&str> = imported.outputs.iter().map(|output| output.node.as_str()).collect();
    assert_eq!((names.as_slice(), told.as_slice()), (&["y", "b", "a"][..], &["y", "b", "a"][..]));
    assert_eq!(imported.outputs[1].sizes, [1, 1, 3, 4]);
}

#[test]
fn softmax_was_over_all_axes_once() {
    let model =
        |axis| Small::new(&[1, 2, 3], vec![node("Softmax", &["x"], &["y"], &[("axis", Is::Int(axis))])], vec![]);
    let sum = |values: &[f32]| values.iter().sum::<f32>();
    let (old, new) = (model(1).with_opset(11).run(), model(1).run());
    assert!((sum(&old) - 1.0).abs() < 1e-5, "{old:?}");
    assert!((sum(&new) - 3.0).abs() < 1e-5, "{new:?}");
}

/// `log(sigmoid(x))`, by which exporters write a log-sigmoid, is no logarithm; any other is.
#[test]
fn logarithms_of_sigmoids_are_a_softplus() {
    let model = Small::new(&[1, 1, 1, 3], chain(&[("Sigmoid", &["x"], "a"), ("Log", &["a"], "y")]), vec![]);
    for (at, got) in model.run().into_iter().enumerate() {
        let want = -f64::exp(1.0 - at as f64 / 8.0).ln_1p();
        assert!((f64::from(got) - want).abs() < 1e-6, "{at}: {got} for {want}");
    }
    let error = Small::new(&[1, 1, 1, 3], chain(&[("Log", &["x"], "y")]), vec![]).import().unwrap_err().to_string();
    assert!(error.contains("node y (Log): the format has logarithms of sigmoids"), "{error}");
}
