//! Constants: how they lie beside computed values, and what is folded of them.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::onnx::messages::{Node, Tensor};

/// What comes out of `y = x * k` for an x of 1, with k as these nodes compute it.
fn folded(mut nodes: Vec<Node>, constants: Vec<Tensor>) -> Vec<f32> {
    nodes.push(node("Cast", &["k"], &["f"], &[("to", Is::Int(1))]));
    nodes.push(node("Mul", &["x", "f"], &["y"], &[]));
    let network = Small::new(&[1, 4], nodes, constants).network();
    crate::network::CpuNetwork::new(&network, 1, None).unwrap().run(&[1.0; 4]).unwrap()
}

/// A constant of one number that would make the value larger, or of more axes than it has.
#[test]
fn constants_that_would_enlarge_the_value_are_refused() {
    let beside = |operator: &str, dims: &[i64]| {
        let count = dims.iter().product::<i64>() as usize;
        let constants = vec![floats("k", dims, &vec![2.0; count])];
        Small::new(&[3, 2, 3, 4], vec![node(operator, &["x", "k"], &["y"], &[])], constants).import()
    };
    for operator in ["Min", "Max", "Pow", "PRelu", "Add", "Mul"] {
        for fits in [&[][..], &[1], &[1, 1], &[1, 1, 1, 1], &[2, 1, 1], &[1, 2, 3, 4], &[4]] {
            assert!(beside(operator, fits).is_ok(), "{operator} {fits:?}");
        }
        for other in [&[1, 1, 1, 1, 1][..], &[5, 1, 1, 1], &[7, 1, 1], &[3], &[2]] {
            let error = beside(operator, other).unwrap_err().to_string();
            assert!(error.contains("constant is") || error.contains("operand"), "{operator} {other:?}: {error}");
        }
    }
}

/// Slopes of as many numbers as there are channels, which lie along another axis.
#[test]
fn slopes_lie_where_their_shape_says() {
    let slopes = |dims: &[i64]| {
        let model = Small::new(
            &[1, 2, 2, 2],
            vec![node("PRelu", &["x", "k"], &["y"], &[])],
            vec![floats("k", dims, &[0.5, 2.0])],
        );
        model.run()
    };
    let ramp: Vec<f32> = (0..8).map(|at| at as f32 / 8.0 - 1.0).collect();
    let want = |slope: fn(usize) -> f32| (0..8).map(|at| ramp[at] * slope(at)).collect::<Vec<f32>>();
    assert_eq!(slopes(&[2, 1, 1]), want(|at| [0.5, 2.0][at / 4]));
    assert_eq!(slopes(&[2, 1]), want(|at| [0.5, 2.0][at / 2 % 2]));
    assert_eq!(slopes(&[2]), want(|at| [0.5, 2.0][at % 2]));
}

#[test]
fn integers_stay_what_they_are() {
    let large = (1 << 40) + 1;
    let one = |operator: &'static str| node(operator, &["a"], &["b"], &[]);
    // What f32 could not tell apart is taken away again.
    for (operator, number) in [("Neg", -large), ("Abs", -large), ("Identity", large)] {
        let nodes = vec![one(operator), node("Sub", &["b", "c"], &["k"], &[])];
        assert_eq!(folded(nodes, vec![list("a", &[number]), list("c", &[large - 3])]), [3.0; 4], "{operator}");
    }
    let power = |base: Tensor, exponent: Tensor| {
        let nodes = vec![node("Pow", &["a", "b"], &["p"], &[]), node("Div", &["p", "c"], &["k"], &[])];
        folded(nodes, vec![base, exponent, list("c", &[2])])
    };
    // 9 / 2 as integers; 2 to the half is 1.
    assert_eq!(power(list("a", &[3]), floats("b", &[1], &[2.0])), [4.0; 4]);
    assert_eq!(power(list("a", &[3]), list("b", &[2])), [4.0; 4]);
    assert_eq!(power(list("a", &[3]), floats("b", &[1], &[0.5])), [0.0; 4]);
    // UINT8, INT8, UINT16, INT16, INT32, BOOL of integers and of floats.
    for (to, number, want) in [
        (2, 300, 44.0),
        (2, -1, 255.0),
        (3, 200, -56.0),
        (4, 65_537, 1.0),
        (5, 40_000, -25_536.0),
        (6, (1 << 32) + 5, 5.0),
        (7, 300, 300.0),
        (9, 256, 1.0),
    ] {
        let cast = |from: &'static str| vec![node("Cast", &[from], &["k"], &[("to", Is::Int(to))])];
        assert_eq!(folded(cast("a"), vec![list("a", &[number])]), [want; 4], "{to}: {number}");
        if number < 1 << 24 {
            assert_eq!(folded(cast("a"), vec![floats("a", &[1], &[number as f32])]), [want; 4], "{to}: {number}");
        }
    }
}

#[test]
fn constants_are_folded_through_what_is_known() {
    let one = |operator: &str, attributes: &[(&str, Is<'_>)]| {
        folded(vec![node(operator, &["a"], &["k"], attributes)], vec![floats("a", &[4], &[-2.0, -0.5, 0.0, 3.0])])
    };
    let sigmoid = |value: f64| 1.0 / (1.0 + (-value).exp());
    assert_eq!(one("Relu", &[]), [0.0, 0.0, 0.0, 3.0]);
    assert_eq!(one("LeakyRelu", &[("alpha", Is::Float(0.25))]), [-0.5, -0.125, 0.0, 3.0]);
    assert_eq!(one("Sign", &[]), [-1.0, -1.0, 0.0, 1.0]);
    assert_eq!(one("Sigmoid", &[]), [-2.0, -0.5, 0.0, 3.0].map(|value| sigmoid(value) as f32));
    assert_eq!(one("HardSwish", &[])[3], 3.0);
    assert_eq!(one("Clip", &[("min", Is::Float(-1.0)), ("max", Is::Float(1.0))]), [-1.0, -0.5, 0.0, 1.0]);
    // From opset 11 on the bounds are operands, of which either may be left out.
    let nodes = vec![node("Clip", &["a", "", "most"], &["k"], &[])];
    assert_eq!(folded(nodes, vec![ramp("a", &[4]), floats("most", &[], &[-0.75])]), [-1.0, -0.875, -0.75, -0.75]);
    let nodes = vec![node("Mean", &["a", "b", "b"], &["k"], &[])];
    assert_eq!(folded(nodes, vec![floats("a", &[1], &[1.0]), floats("b", &[4], &[1.0, 2.5, 4.0, 1.0])])[1], 2.0);
}

#[test]
fn constants_are_reduced_along_axes() {
    let reduced = |operator: &str, axis: i64| {
        let attributes = [("axes", Is::Ints(&[axis])), ("keepdims", Is::Int(0))];
        let nodes = vec![node(operator, &["a"], &["k"], &attributes)];
        folded(nodes, vec![floats("a", &[4, 2], &[3.0, 4.0, 1.0, 1.0, 0.5, -0.5, -2.0, 2.0])])
    };
    assert_eq!(reduced("ReduceMean", -1), [3.5, 1.0, 0.0, 0.0]);
    assert_eq!(reduced("ReduceSum", 1), [7.0, 2.0, 0.0, 0.0]);
    assert_eq!(reduced("ReduceMax", 1), [4.0, 1.0, 0.5, 2.0]);
    assert_eq!(reduced("ReduceProd", 1), [12.0, 1.0, -0.25, -4.0]);
    assert_eq!(reduced("ReduceL1", 1), [7.0, 2.0, 1.0, 4.0]);
    assert_eq!(reduced("ReduceL2", 1)[0], 5.0);
    assert_eq!(reduced("ReduceSumSquare", 1), [25.0, 2.0, 0.5, 8.0]);
}

#[test]
fn constants_without_axes_are_reduced_one_by_one() {
    let nodes = vec![node("ReduceL1", &["l"], &["k"], &[("noop_with_empty_axes", Is::Int(1))])];
    assert_eq!(folded(nodes, vec![floats("l", &[4], &[-1.0, 2.0, -3.0, 4.0])]), [1.0, 2.0, 3.0, 4.0]);
}

/// Integers that f32 does not have.
#[test]
fn ranges_of_large_integers_have_their_steps() {
    let number = |name, value| Tensor { dims: Vec::new(), ..list(name, &[value]) };
    let constants = vec![number("a", 16_777_217), number("b", 16_777_221), number("c", 1), list("m", &[16_777_217])];
    let nodes = vec![node("Range", &["a", "b", "c"], &["r"], &[]), node("Sub", &["r", "m"], &["k"], &[])];
    assert_eq!(folded(nodes, constants), [0.0, 1.0, 2.0, 3.0]);
}

/// Protocol buffers leave out what is 0.
#[test]
fn an_attribute_without_a_value_is_0() {
    let mut reduce = node("ReduceMean", &["x", "axes"], &["y"], &[("keepdims", Is::Int(0))]);
    reduce.attribute[0].i = None;
    let model = Small::new(&[1, 2, 3, 4], vec![reduce], vec![list("axes", &[2, 3])]);
    assert_eq!(model.import().unwrap().outputs[0].sizes, [1, 2]);
}

#[test]
fn resized_batches_are_refused() {
    let nodes = vec![node("Resize", &["x", "", "", "sizes"], &["y"], &[])];
    let model = Small::new(&[1, 2, 3, 4], nodes, vec![list("sizes", &[5, 2, 6, 8])]);
    assert!(model.import().unwrap_err().to_string().contains("it makes 5 images of 1"));
}

/// Axes put behind themselves, empty ones too, and no more than memory holds.
#[test]
fn constants_are_tiled() {
    let tiled = |dims: &[i64], times: &[i64]| {
        let nodes = vec![
            node("Tile", &["k", "times"], &["t"], &[]),
            node("Reshape", &["t", "flat"], &["f"], &[]),
            node("Clip", &["x"], &["z"], &[("min", Is::Float(0.0)), ("max", Is::Float(0.0))]),
            node("Add", &["z", "f"], &["y"], &[]),
        ];
        let count: i64 = dims.iter().chain(times).product();
        let constants = vec![ramp("k", dims), list("times", times), list("flat", &[1, -1])];
        Small::new(&[1, count.max(1)], nodes, constants)
    };
    let x = |at: usize| at as f32 / 8.0 - 1.0;
    // Of rows 0 1 2 and 3 4 5.
    let want = [[0, 1, 2, 0, 1, 2], [3, 4, 5, 3, 4, 5]].concat();
    let want: Vec<f32> = want.repeat(3).into_iter().map(x).collect();
    assert_eq!(tiled(&[2, 3], &[3, 2]).run(), want);
    assert_eq!(tiled(&[1, 2, 1], &[2, 1, 2]).run(), [0, 0, 1, 1, 0, 0, 1, 1].map(x));
    for (times, reason) in [
        (&[1][..], "its repeats are [1], of 2x3"),
        (&[1, -1], "its repeats are [1, -1], of 2x3"),
        (&[1 << 20, 1 << 20], "more than 2147483647 values"),
        (&[1 << 14, 1 << 14], "bytes are more than constants of a file of this size may take"),
    ] {
        let nodes = vec![node("Tile", &["k", "times"], &["t"], &[]), node("Add", &["x", "t"], &["y"], &[])];
        let model = Small::new(&[1, 2], nodes, vec![ramp("k", &[2, 3]), list("times", times)]);
        let error = model.import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

/// Constants may stand first, and many of them.
#[test]
fn sums_of_constants_and_values_are_in_any_order() {
    let of = |operator: &str, inputs: &[&str]| {
        let constants =
            vec![floats("a", &[1, 3], &[0.5, 1.0, 1.5]), floats("b", &[], &[2.0]), floats("c", &[3], &[0.25; 3])];
        Small::new(&[1, 3], vec![node(operator, inputs, &["y"], &[])], constants)
    };
    for inputs in [["a", "b", "x", "c"], ["x", "a", "b", "c"], ["c", "b", "a", "x"], ["b", "x", "c", "a"]] {
        assert_eq!(of("Sum", &inputs).run(), [1.75, 2.375, 3.0], "{inputs:?}");
        assert_eq!(of("Mean", &inputs).run(), [0.4375, 0.59375, 0.75], "{inputs:?}");
    }
    for operator in ["Sum", "Mean", "Max", "Min"] {
        let nodes = vec![node(operator, &["a"], &["s"], &[]), node("Add", &["x", "s"], &["y"], &[])];
        let model = Small::new(&[1, 3], nodes, vec![floats("a", &[1, 3], &[0.5, 1.0, 1.5])]);
        assert_eq!(model.run(), [-0.5, 0.125, 0.75], "{operator}");
    }
    let error = of("Sum", &["a", "", "x"]).import().unwrap_err().to_string();
    assert!(error.contains("its operand 1 is missing"), "{error}");
}

/// As PyTorch counted before there was `Range`.
#[test]
fn places_of_what_is_not_0_are_folded() {
    let counted = vec![
        node("ConstantOfShape", &["four"], &["c"], &[]),
        node("Add", &["c", "half"], &["d"], &[]),
        node("NonZero", &["d"], &["n"], &[]),
        node("Transpose", &["n"], &["t"], &[("perm", Is::Ints(&[1, 0]))]),
        node("Squeeze", &["t"], &["k"], &[("axes", Is::Ints(&[1]))]),
    ];
    assert_eq!(folded(counted, vec![list("four", &[4]), floats("half", &[], &[0.5])]), [0.0, 1.0, 2.0, 3.0]);
    let nodes = vec![node("NonZero", &["a"], &["n"], &[]), node("Reshape", &["n", "four"], &["k"], &[])];
    let constants = vec![floats("a", &[2, 2], &[0.0, 0.25, f32::NAN, 0.0]), list("four", &[4])];
    assert_eq!(folded(nodes, constants), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn floats_are_what_their_type_holds() {
    let nodes = vec![
        node("Cast", &["a"], &["h"], &[("to", Is::Int(10))]),
        node("Cast", &["a"], &["b"], &[("to", Is::Int(16))]),
        node("Sub", &["h", "b"], &["k"], &[]),
    ];
    // 2049 is between two of 11 bits, and of 8.
    assert_eq!(folded(nodes, vec![floats("a", &[1], &[2051.0])]), [2052.0 - 2048.0; 4]);
    // Networks' own exponential ends below the largest number.
    let nodes = vec![node("Exp", &["a"], &["e"], &[]), node("Reciprocal", &["e"], &["k"], &[])];
    assert_eq!(folded(nodes, vec![floats("a", &[1], &[100.0])]), [0.0; 4]);
}
