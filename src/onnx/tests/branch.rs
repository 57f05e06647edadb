//! `If` whose condition is known.

use prost::Message as _;

use super::model::{Is, Small, floats, list, node, value, words};
use crate::onnx::messages::{Attribute, Graph, Node, Tensor};
use crate::onnx::{Options, import};

/// A branch's value is `z`.
fn graph(node: Vec<Node>, initializer: Vec<Tensor>) -> Attribute {
    let graph = Graph { node, initializer, output: vec![value("z", &[])], ..Graph::default() };
    Attribute { g: Some(graph.encode_to_vec().into()), r#type: 5, ..Attribute::default() }
}

fn branches(condition: &str, output: &str, yes: Attribute, no: Attribute) -> Node {
    let named = |name: &str, graph| Attribute { name: name.to_owned(), ..graph };
    let attribute = vec![named("then_branch", yes), named("else_branch", no)];
    Node { attribute, ..node("If", &[condition], &[output], &[]) }
}

/// Whether an axis has size 1, as exporters ask before they drop it.
fn is_one(value: &str) -> Vec<Node> {
    vec![
        node("Shape", &[value], &["shape"], &[]),
        node("Gather", &["shape", "two"], &["size"], &[]),
        node("Equal", &["size", "one"], &["is"], &[]),
    ]
}

fn lists() -> Vec<Tensor> {
    vec![list("two", &[2]), list("one", &[1]), floats("k", &[], &[3.0])]
}

fn squeezed(sizes: &[i64]) -> Small {
    let drop = graph(vec![node("Squeeze", &["a", "two"], &["z"], &[])], vec![]);
    // What it reads of its own has the name of something around it.
    let keep = graph(vec![node("Mul", &["a", "k"], &["z"], &[])], vec![floats("k", &[], &[5.0])]);
    let mut nodes = vec![node("Mul", &["x", "k"], &["a"], &[])];
    nodes.extend(is_one("a"));
    nodes.extend([branches("is", "b", drop, keep), node("Neg", &["b"], &["y"], &[])]);
    Small::new(sizes, nodes, lists())
}

#[test]
fn the_branch_that_is_taken_is_in_its_place() {
    let dropped = squeezed(&[1, 2, 1, 4]);
    assert_eq!(dropped.import().unwrap().outputs[0].sizes, [1, 2, 4]);
    let times = |factor: f32| (0..8).map(|at| (at as f32 / 8.0 - 1.0) * factor).collect::<Vec<f32>>();
    assert_eq!(dropped.run(), times(-3.0));
    let kept = squeezed(&[1, 2, 2, 2]);
    assert_eq!(kept.import().unwrap().outputs[0].sizes, [1, 2, 2, 2]);
    assert_eq!(kept.run(), times(-15.0));
}

/// A branch may do nothing, give a value from around it, or be behind another.
#[test]
fn branches_are_behind_each_other() {
    let through = || Attribute {
        g: Some(Graph { output: vec![value("x", &[])], ..Graph::default() }.encode_to_vec().into()),
        r#type: 5,
        ..Attribute::default()
    };
    let relu = |of: &str| {
        let first = node("Neg", &[of], &["inner"], &[]);
        graph(vec![first, node("Relu", &["inner"], &["z"], &[])], vec![])
    };
    let model = |sizes: &[i64]| {
        let mut nodes = is_one("x");
        nodes.extend([branches("is", "b", relu("x"), through()), branches("is", "c", relu("b"), relu("b"))]);
        nodes.push(node("Add", &["b", "c"], &["y"], &[]));
        Small::new(sizes, nodes, lists())
    };
    let run = |sizes: &[i64], of: fn(f32) -> f32| {
        let want: Vec<f32> = (0..4).map(|at| of(at as f32 / 8.0 - 1.0)).collect();
        assert_eq!(model(sizes).run(), want);
    };
    run(&[1, 2, 1, 2], |x| (-x).max(0.0) + (-(-x).max(0.0)).max(0.0));
    run(&[1, 2, 2, 1], |x| x + (-x).max(0.0));
    assert_eq!(words(&model(&[1, 2, 2, 1]).network()).len(), 2);
}

#[test]
fn other_branches_are_refused() {
    let relu = || graph(vec![node("Relu", &["x"], &["z"], &[])], vec![]);
    let refused = |condition: &str, yes: Attribute| {
        let mut nodes = is_one("x");
        nodes.push(branches(condition, "y", yes, relu()));
        Small::new(&[1, 2, 1, 2], nodes, [lists(), vec![list("several", &[1, 0])]].concat()).import()
    };
    let inner = graph(vec![branches("is", "z", relu(), relu())], vec![]);
    let twice = graph(vec![node("Relu", &["x"], &["z"], &[]), node("Neg", &["x"], &["z"], &[])], vec![]);
    let sine = graph(vec![node("Sin", &["x"], &["z"], &[])], vec![]);
    let broken = Attribute { g: Some(vec![0xff; 8].into()), ..Attribute::default() };
    let none = Attribute { g: Some(Vec::new().into()), ..Attribute::default() };
    for (condition, yes, reason) in [
        ("x", relu(), "node y (If): which branch it takes is computed when the network runs; simplify"),
        ("several", relu(), "node y (If): its condition is no single truth"),
        ("is", inner, "node y (If): its then_branch has a graph within it: node z (If)"),
        ("is", twice, "node y (If): the value \"z\" of its branch is computed or given twice"),
        ("is", sine, "node y (Sin): the format has no such operation"),
        ("is", broken, "node y (If): its then_branch cannot be read"),
        ("is", none, "node y (If): it has 1 values, its then_branch 0"),
        ("is", Attribute::default(), "node y (If): it has no then_branch"),
    ] {
        let error = refused(condition, yes).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

/// Other sizes may take the other branch.
#[test]
fn what_a_size_decides_ties_the_network_to_it() {
    let mut model = squeezed(&[1, 2, 2, 4]);
    model.graph.input = vec![value("x", &[1, 2, 0, 4])];
    let of = |height: usize| import(model.bytes(), &Options::default().with_size("x", vec![1, 2, height, 4])).unwrap();
    let other = |height: usize, to: usize| of(height).network.with_input_size([to, 4]);
    assert!(other(1, 2).is_err(), "with two rows nothing is dropped");
    assert!(other(2, 3).is_ok());
}

/// Each of many asks for the branches before it.
#[test]
fn long_chains_of_branches_are_refused() {
    let chain = |count: usize| {
        let mut nodes = Vec::new();
        let mut last = "x".to_owned();
        for at in 0..count {
            let mut ask = is_one(&last);
            for node in &mut ask {
                node.output[0] = format!("{}{at}", node.output[0]);
                if node.op_type != "Shape" {
                    node.input[0] = format!("{}{at}", node.input[0]);
                }
            }
            nodes.extend(ask);
            let relu = || graph(vec![node("Relu", &[&last], &["z"], &[])], vec![]);
            let next = if at + 1 == count { "y".to_owned() } else { format!("v{at}") };
            nodes.push(branches(&format!("is{at}"), &next, relu(), relu()));
            last = next;
        }
        Small::new(&[1, 2, 1, 2], nodes, lists()).import()
    };
    assert!(chain(20).is_ok());
    let error = chain(40).unwrap_err().to_string();
    assert!(error.contains("more than 32 branches (If) are behind each other"), "{error}");
}

/// A name of a megabyte in place of short ones.
#[test]
fn names_of_branches_are_paid_for() {
    let long = "y".repeat(1 << 20);
    let mut nodes = is_one("x");
    let readers = (0..2000).map(|at| node("Relu", &["z"], &[&format!("r{at}")], &[]));
    let inner = graph([node("Relu", &["x"], &["z"], &[])].into_iter().chain(readers).collect(), vec![]);
    nodes.push(branches("is", &long, inner.clone(), inner));
    let mut model = Small::new(&[1, 2, 1, 2], nodes, lists());
    model.graph.output = vec![value(&long, &[])];
    let error = model.import().unwrap_err().to_string();
    assert!(error.contains("more than constants of a file of this size may take"), "{error}");
}

/// What is not taken may be anything.
#[test]
fn the_other_branch_is_not_looked_at() {
    let hidden = graph(vec![node("NonZero", &["t"], &["z"], &[("axis", Is::Int(3))])], vec![]);
    let mut nodes = is_one("x");
    nodes.push(node("Sin", &["x"], &["t"], &[]));
    nodes.push(branches("is", "y", graph(vec![node("Relu", &["x"], &["z"], &[])], vec![]), hidden));
    assert_eq!(words(&Small::new(&[1, 2, 1, 2], nodes, lists()).network()), ["relu"]);
}
