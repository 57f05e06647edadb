//! Constants that models compute as they compute values: tables of positions, and weights made standard.

use super::model::{Is, Small, floats, list, node};
use crate::network::CpuNetwork;
use crate::onnx::messages::{Node, Tensor};

/// The constant `k` that nodes make, beside an input of zeros of its sizes.
fn made(sizes: &[i64], mut nodes: Vec<Node>, constants: Vec<Tensor>) -> Vec<f32> {
    nodes.push(node("Add", &["x", "k"], &["y"], &[]));
    let network = Small::new(sizes, nodes, constants).network();
    let count = network.input().shape.iter().product();
    CpuNetwork::new(&network, 1, None).unwrap().run(&vec![0.0; count]).unwrap()
}

#[test]
fn sums_run_along_an_axis() {
    let numbers = || floats("n", &[1, 2, 3], &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
    let axis = |axis| Tensor { dims: Vec::new(), ..list("axis", &[axis]) };
    for (along, attributes, want) in [
        (-1, &[][..], [1.0, 3.0, 7.0, 8.0, 24.0, 56.0]),
        (2, &[("exclusive", Is::Int(1))], [0.0, 1.0, 3.0, 0.0, 8.0, 24.0]),
        (2, &[("reverse", Is::Int(1))], [7.0, 6.0, 4.0, 56.0, 48.0, 32.0]),
        (1, &[], [1.0, 2.0, 4.0, 9.0, 18.0, 36.0]),
    ] {
        let sums = node("CumSum", &["n", "axis"], &["k"], attributes);
        assert_eq!(made(&[1, 2, 3], vec![sums], vec![numbers(), axis(along)]), want, "{along}");
    }
}

#[test]
fn weights_are_made_standard() {
    let numbers = || floats("n", &[1, 2, 2], &[1.0, 3.0, -2.0, 6.0]);
    let vectors = || {
        [("s", [2.0, 1.0]), ("b", [1.0, 0.0]), ("m", [1.0, 2.0]), ("v", [4.0, 0.25])]
            .map(|(name, values)| floats(name, &[2], &values))
    };
    for (is_training, want) in [(0, [1.0, 3.0, -8.0, 8.0]), (1, [-1.0, 3.0, -1.0, 1.0])] {
        let attributes = [("epsilon", Is::Float(0.0)), ("training_mode", Is::Int(is_training))];
        let nodes = vec![node("BatchNormalization", &["n", "s", "b", "m", "v"], &["k"], &attributes)];
        assert_eq!(made(&[1, 2, 2], nodes, [vec![numbers()], vectors().to_vec()].concat()), want, "{is_training}");
    }
}

#[test]
fn masks_are_written_by_parts() {
    let nodes = vec![node("ScatterND", &["zeros", "rows", "new"], &["k"], &[])];
    let rows = Tensor { dims: vec![2, 2], ..list("rows", &[0, 1, 0, -3]) };
    let constants = vec![floats("zeros", &[1, 3, 2], &[0.0; 6]), rows, floats("new", &[2, 2], &[1.0, 2.0, 3.0, 4.0])];
    assert_eq!(made(&[1, 3, 2], nodes, constants), [3.0, 4.0, 1.0, 2.0, 0.0, 0.0]);
}

#[test]
fn pixels_of_tables_are_convolved() {
    let nodes = vec![node("Conv", &["t", "w", "b"], &["k"], &[("kernel_shape", Is::Ints(&[1, 1]))])];
    let constants = vec![
        floats("t", &[1, 2, 1, 2], &[1.0, 2.0, 10.0, 20.0]),
        floats("w", &[3, 2, 1, 1], &[1.0, 0.0, 0.0, 1.0, 2.0, -1.0]),
        floats("b", &[3], &[0.5, 0.0, 0.0]),
    ];
    assert_eq!(made(&[1, 3, 1, 2], nodes, constants), [1.5, 2.5, 10.0, 20.0, -8.0, -16.0]);
}

#[test]
fn matrices_are_multiplied() {
    let [one, other] = [("a", [1.0, 2.0, 3.0, 4.0]), ("b", [1.0, 10.0, 100.0, 1000.0])]
        .map(|(name, values)| floats(name, &[2, 2], &values));
    let constants = || vec![one.clone(), other.clone(), floats("c", &[2], &[0.5, 0.25]), list("one", &[1, 2, 2])];
    let shaped = || node("Reshape", &["p", "one"], &["k"], &[]);
    let of = |first: Node| made(&[1, 2, 2], vec![first, shaped()], constants());
    assert_eq!(of(node("MatMul", &["a", "b"], &["p"], &[])), [201.0, 2010.0, 403.0, 4030.0]);
    let turned = [("transB", Is::Int(1)), ("alpha", Is::Float(2.0)), ("beta", Is::Float(4.0))];
    assert_eq!(of(node("Gemm", &["a", "b", "c"], &["p"], &turned)), [44.0, 4201.0, 88.0, 8601.0]);
    // Of two in turn the same matrix.
    let two = Tensor { dims: vec![2, 1, 2], ..one.clone() };
    let nodes = vec![node("MatMul", &["two", "b"], &["p"], &[]), shaped()];
    let all = [constants(), vec![Tensor { name: "two".to_owned(), ..two }]].concat();
    assert_eq!(made(&[1, 2, 2], nodes, all), [201.0, 2010.0, 403.0, 4030.0]);
    // Too many products for a table.
    let large = |name: &str| node("ConstantOfShape", &["large"], &[name], &[]);
    let nodes = vec![large("d"), node("MatMul", &["d", "d"], &["k"], &[]), node("Add", &["x", "k"], &["y"], &[])];
    let error = Small::new(&[1, 2, 2], nodes, vec![list("large", &[4096, 4096])]).import().unwrap_err().to_string();
    assert!(error.contains("products of constants") || error.contains("bytes"), "{error}");
}
