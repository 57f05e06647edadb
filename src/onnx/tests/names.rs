//! Nodes have the name of the model's value only where they hold it as the model does.

use super::model::{Is, Small, list, node};
use crate::network::{CpuNetwork, Network, Op};
use crate::onnx::messages::{Node, Tensor};

/// A model whose value `v` is computed of a transposed x, channels last.
fn transposed(mut nodes: Vec<Node>) -> Network {
    let [to_last, to_first] = [[0, 2, 3, 1], [0, 3, 1, 2]];
    nodes.insert(0, node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(&to_last))]));
    nodes.push(node("Transpose", &["v"], &["w"], &[("perm", Is::Ints(&to_first))]));
    nodes.push(node("Relu", &["w"], &["y"], &[]));
    Small::new(&[1, 2, 3, 4], nodes, vec![list("start", &[0]), list("end", &[1]), list("axis", &[3])]).network()
}

#[test]
fn values_in_another_order_have_another_name() {
    let cases = [
        vec![node("Softmax", &["t"], &["v"], &[("axis", Is::Int(3))])],
        vec![node("Concat", &["t", "t"], &["v"], &[("axis", Is::Int(3))])],
        vec![node("Slice", &["t", "start", "end", "axis"], &["v"], &[])],
        vec![node("Split", &["t"], &["v", "r"], &[("axis", Is::Int(3))])],
    ];
    for nodes in cases {
        let operator = nodes[0].op_type.clone();
        let network = transposed(nodes);
        let names: Vec<&str> = network.nodes().iter().map(|node| node.name.as_str()).collect();
        assert!(!names.contains(&"v") && !names.contains(&"t") && names.contains(&"y"), "{operator}: {names:?}");
    }
}

/// In order they are called as the value.
#[test]
fn values_in_order_have_their_name() {
    let nodes = vec![
        node("Softmax", &["x"], &["v"], &[("axis", Is::Int(3))]),
        node("Concat", &["v", "v"], &["w"], &[("axis", Is::Int(3))]),
        node("Relu", &["w"], &["y"], &[]),
    ];
    let network = Small::new(&[1, 2, 3, 4], nodes, vec![]).network();
    assert!(["v", "w", "y"].iter().all(|name| network.nodes().iter().any(|node| node.name == *name)));
}

/// Every node that is called as a value of the model holds as many numbers as that, in its order.
fn check_names(nodes: Vec<Node>, constants: Vec<Tensor>, sizes: &[(&str, usize)]) {
    let network = Small::new(&[1, 2, 3, 20], nodes, constants).network();
    for node in network.nodes() {
        let Some((name, size)) = sizes.iter().find(|(name, _)| *name == node.name) else { continue };
        assert_eq!(node.shape.iter().product::<usize>(), *size, "{name}: {:?}", node.shape);
    }
    assert!(network.nodes().iter().any(|node| node.name == "y"));
}

/// What an operator makes on the way is not called as what it reads.
#[test]
fn steps_on_the_way_have_names_of_their_own() {
    let five = || vec![node("Relu", &["x"], &["f"], &[]), node("Reshape", &["f", "five"], &["r"], &[])];
    let with = |last: Node, lists: &[(&str, &[i64])]| {
        let lists = lists.iter().map(|(name, numbers)| list(name, numbers)).chain([list("five", &[1, 2, 3, 4, 5])]);
        check_names([five(), vec![last]].concat(), lists.collect(), &[("f", 120), ("r", 120)]);
    };
    let slice = |to: &'static str| node("Slice", &["r", "from", to, "axes", "steps"], &["y"], &[]);
    with(slice("to"), &[("from", &[0, 0]), ("to", &[2, 3]), ("axes", &[2, 3]), ("steps", &[1, 1])]);
    with(slice("to"), &[("from", &[-1, -1]), ("to", &[-9, -9]), ("axes", &[2, 3]), ("steps", &[-1, -1])]);
    with(
        node("Pad", &["r", "pads"], &["y"], &[("mode", Is::Word("wrap"))]),
        &[("pads", &[0, 0, 1, 1, 1, 0, 0, 1, 1, 0])],
    );
    let mut ones = five();
    ones[1].input[1] = "ones".to_owned();
    let lists = [list("ones", &[1, 6, 1, 4, 5]), list("times", &[1, 2, 3, 2, 1])];
    ones.push(node("Tile", &["r", "times"], &["y"], &[]));
    check_names(ones, lists.to_vec(), &[("f", 120), ("r", 120)]);
    for operator in ["Min", "Max"] {
        let mean = node("ReduceMean", &["x"], &["m"], &[("axes", Is::Ints(&[1]))]);
        check_names(vec![mean, node(operator, &["x", "m"], &["y"], &[])], vec![], &[("m", 60)]);
    }
}

/// A model may have any names, also those that steps would be given.
#[test]
fn steps_are_not_called_as_values_of_the_model() {
    let sum = || node("ReduceSum", &["v"], &["y"], &[("axes", Is::Ints(&[2])), ("keepdims", Is::Int(1))]);
    let named = |taken: &'static str, last: Node| {
        let mut last = last;
        last.input[0] = taken.to_owned();
        let network = Small::new(&[1, 2, 3, 20], vec![node("Relu", &["x"], &[taken], &[]), last], vec![]).network();
        let found: Vec<&str> = network.nodes().iter().map(|node| node.name.as_str()).collect();
        let held = network.nodes().iter().filter(|node| node.name == taken).collect::<Vec<_>>();
        assert!(held.len() == 1 && held[0].shape == [2, 3, 20], "{taken}: {found:?}");
        assert!(found.iter().any(|name| name.starts_with(&format!("{taken}.2"))), "{found:?}");
    };
    named("y.mean", sum());
    named("y.rows", sum());
    let squares = node("ReduceL2", &["v"], &["y"], &[("axes", Is::Ints(&[1])), ("keepdims", Is::Int(1))]);
    named("y.step0", squares);
    // Of one that nobody reads somebody may have the numbers too.
    let nodes = vec![
        node("Transpose", &["x"], &["y.rows"], &[("perm", Is::Ints(&[0, 3, 2, 1]))]),
        node("Relu", &["x"], &["v"], &[]),
        sum(),
    ];
    let network = Small::new(&[1, 2, 3, 20], nodes, vec![]).network();
    assert!(network.nodes().iter().all(|node| node.name != "y.rows"), "{:?}", network.nodes());
}

/// A second node of a name gets a number, which is no value's name.
#[test]
fn numbers_behind_names_are_not_those_of_values() {
    let slice = |axis: &str, output: &str| node("Slice", &["v", "start", "end", axis], &[output], &[]);
    let nodes = vec![
        node("Relu", &["x"], &["f"], &[]),
        // Brought into two orders, to be cut along two axes.
        node("Reshape", &["f", "five"], &["v"], &[]),
        slice("two", "a"),
        slice("three", "b"),
        node("Sigmoid", &["b"], &["v.2"], &[]),
        node("Flatten", &["a"], &["c"], &[]),
        node("Flatten", &["v.2"], &["d"], &[]),
        node("Concat", &["c", "d"], &["y"], &[("axis", Is::Int(1))]),
    ];
    let lists = [("five", &[1, 4, 3, 2, 5][..]), ("start", &[0]), ("end", &[1]), ("two", &[2]), ("three", &[3])];
    let lists = lists.map(|(name, numbers)| list(name, numbers)).to_vec();
    let network = Small::new(&[1, 2, 3, 20], nodes, lists).network();
    let names: Vec<&str> = network.nodes().iter().map(|node| node.name.as_str()).collect();
    assert!(names.contains(&"v") && names.contains(&"v.3"), "{names:?}");
    let held: Vec<_> = network.nodes().iter().filter(|node| node.name == "v.2").collect();
    assert!(held.len() == 1 && matches!(held[0].op, Op::Activation(_)), "{names:?}");
}

/// Many operands are added up one after another, also where they lie in different ways.
#[test]
fn sums_have_many_operands() {
    let turned = node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(&[0, 2, 1]))]);
    let sum = node("Sum", &["x", "t", "x"], &["y"], &[]);
    let network = Small::new(&[1, 2, 2], vec![turned, sum], vec![]).network();
    let got = CpuNetwork::new(&network, 1, None).unwrap().run(&[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(got, [3.0, 7.0, 8.0, 12.0]);
    let many = Small::new(&[1, 2], vec![node("Sum", &vec!["x"; 100_001], &["y"], &[])], vec![]);
    assert!(many.import().unwrap_err().to_string().contains("it has 100001 operands"));
    for operator in ["Sum", "Mean"] {
        let operands = vec!["x"; 20_000];
        let model = Small::new(&[1, 2], vec![node(operator, &operands, &["y"], &[])], vec![]);
        let start = std::time::Instant::now();
        assert_eq!(model.network().output().name, "y");
        // Seconds where every addition would go through all before it.
        assert!(start.elapsed().as_secs_f64() < 10.0, "{operator}: {:?}", start.elapsed());
    }
}
