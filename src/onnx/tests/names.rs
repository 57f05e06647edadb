//! Nodes have the name of the model's value only where they hold it as the model does.

use super::model::{Is, Small, list, node};
use crate::network::{CpuNetwork, Network};
use crate::onnx::messages::Node;

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
