//! Values whose first axis is not the batch, on the way from one that is to another.

use super::model::{Is, Small, floats, list, node};
use crate::network::CpuNetwork;
use crate::onnx::messages::{Node, Tensor};

fn x(at: usize) -> f32 {
    at as f32 / 8.0 - 1.0
}

/// A network of a model of any number of images, for two of them.
fn of_two(model: &Small) -> Vec<f32> {
    let network = model.network();
    let count = 2 * network.input().shape.iter().product::<usize>();
    let input: Vec<f32> = (0..count).map(x).collect();
    CpuNetwork::new(&network, 2, None).unwrap().run(&input).unwrap()
}

fn constants() -> Vec<Tensor> {
    let zero = Tensor { dims: Vec::new(), ..list("first", &[0]) };
    vec![
        zero,
        list("one", &[1]),
        list("two", &[2]),
        list("three", &[3]),
        floats("k", &[2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ]
}

/// `[N, 2, 3]` with the batch in the middle: `[2, N, 3]`.
fn moved(mut nodes: Vec<Node>) -> Small {
    nodes.insert(0, node("Transpose", &["x"], &["m"], &[("perm", Is::Ints(&[1, 0, 2]))]));
    Small::new(&[0, 2, 3], nodes, constants())
}

fn back(of: &str) -> Node {
    node("Transpose", &[of], &["y"], &[("perm", Is::Ints(&[1, 0, 2]))])
}

#[test]
fn what_is_picked_of_an_axis_before_the_batch_is_a_value() {
    let row = |row: usize| [0, 6].map(|image| [0, 1, 2].map(|at| x(image + row * 3 + at))).concat();
    assert_eq!(of_two(&moved(vec![node("Gather", &["m", "first"], &["y"], &[])])), row(0));
    let squeezed = |first: Node| {
        of_two(&moved(vec![first, node("Squeeze", &["s", "zeros"], &["y"], &[])]).with(list("zeros", &[0])))
    };
    assert_eq!(squeezed(node("Slice", &["m", "one", "two"], &["s"], &[])), row(1));
    assert_eq!(squeezed(node("Split", &["m"], &["r", "s"], &[])), row(1));
}

impl Small {
    fn with(mut self, constant: Tensor) -> Self {
        self.graph.initializer.push(constant);
        self
    }
}

#[test]
fn numbers_are_computed_wherever_the_batch_lies() {
    let same = |nodes: Vec<Node>, of: &dyn Fn(usize) -> f32| {
        assert_eq!(of_two(&moved(nodes)), (0..12).map(of).collect::<Vec<f32>>());
    };
    same(vec![node("Neg", &["m"], &["n"], &[]), back("n")], &|at| -x(at));
    same(vec![node("Mul", &["m", "k"], &["n"], &[]), back("n")], &|at| x(at) * (at % 6 + 1) as f32);
    same(vec![node("Add", &["m", "m"], &["n"], &[]), back("n")], &|at| 2.0 * x(at));
    let soft = of_two(&moved(vec![node("Softmax", &["m"], &["s"], &[("axis", Is::Int(0))]), back("s")]));
    for (at, soft) in soft.into_iter().enumerate() {
        let other = if at / 3 % 2 == 0 { at + 3 } else { at - 3 };
        // Of exponentials and a quotient, each rounded once or twice.
        assert!((soft - 1.0 / (1.0 + (x(other) - x(at)).exp())).abs() < 8.0 * f32::EPSILON, "{at}: {soft}");
    }
}

/// As `[2, N, 1, 3]` and `[2, N, 3]` again.
#[test]
fn axes_beside_the_batch_are_put_together() {
    let nodes = vec![
        node("Unsqueeze", &["m", "two"], &["u"], &[]),
        node("Concat", &["u", "u"], &["c"], &[("axis", Is::Int(2))]),
        node("Reshape", &["c", "to"], &["r"], &[]),
        back("r"),
    ];
    let mut model = moved(nodes).with(list("to", &[2, -1, 6]));
    model.graph.input[0] = super::model::value("x", &[5, 2, 3]);
    let row = |row: usize| [row, row + 1, row + 2, row, row + 1, row + 2].map(x);
    assert_eq!(of_two(&model), [0, 3, 6, 9].map(row).concat());
}

#[test]
fn other_operators_are_refused_where_the_batch_is_moved() {
    for (nodes, reason) in [
        (vec![node("Neg", &["m"], &["y"], &[])], "its images do not lie one behind the other"),
        (
            vec![node("GlobalAveragePool", &["m"], &["y"], &[])],
            "node y (GlobalAveragePool): the first axis of what it reads is not the batch alone",
        ),
        (vec![node("Add", &["m", "x"], &["y"], &[])], "the batch lies otherwise in one of its operands"),
        (
            vec![node("Concat", &["m", "k"], &["y"], &[("axis", Is::Int(0))])],
            "varies with the images, which are axis 1",
        ),
        (vec![node("Gather", &["m", "first"], &["y"], &[("axis", Is::Int(1))])], "the batch"),
        (vec![node("Softmax", &["m"], &["s"], &[("axis", Is::Int(1))]), back("s")], "the batch"),
        (vec![node("Reshape", &["m", "six"], &["y"], &[])], "its images do not lie one behind the other"),
    ] {
        let error = moved(nodes).with(list("six", &[-1])).import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

/// One image would be any axis of size 1.
#[test]
fn images_that_lie_in_one_way_are_found_by_more_of_them() {
    let nodes = vec![
        node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        node("Reshape", &["t", "apart"], &["a"], &[]),
        node("Relu", &["a"], &["r"], &[]),
        node("Reshape", &["r", "together"], &["s"], &[]),
        node("Transpose", &["s"], &["y"], &[("perm", Is::Ints(&[1, 0, 2]))]),
    ];
    let constants = vec![list("apart", &[1, 2, -1, 3]), list("together", &[2, -1, 3])];
    let model = Small::new(&[0, 2, 3], nodes, constants);
    let imported = model.import().unwrap();
    assert_eq!((&imported.input.sizes[..], &imported.outputs[0].sizes[..]), (&[1, 2, 3][..], &[1, 2, 3][..]));
    assert_eq!(of_two(&model), (0..12).map(|at| x(at).max(0.0)).collect::<Vec<_>>());
}
