//! Slices of a value that are written to.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::onnx::messages::{Node, Tensor};

fn x(at: usize) -> f32 {
    at as f32 / 8.0 - 1.0
}

/// The indices of `ScatterND` that take each of all combinations of places along the first axes.
fn grid(places: &[&[i64]]) -> Tensor {
    let mut all: Vec<Vec<i64>> = vec![Vec::new()];
    for along in places {
        all = all.iter().flat_map(|so_far| along.iter().map(|&at| [&so_far[..], &[at]].concat())).collect();
    }
    let dims = places.iter().map(|along| along.len() as i64).chain([places.len() as i64]).collect();
    Tensor { dims, ..list("i", &all.concat()) }
}

/// Of `x`, `[1, 4, 2, 3]`, with ten times its own values at places.
fn written(places: &[&[i64]], sizes: &[i64]) -> Small {
    let axes: Vec<usize> = (1..places.len()).filter(|&axis| places[axis].len() < [1, 4, 2, 3][axis]).collect();
    let mut nodes = Vec::new();
    let mut last = "x".to_owned();
    let mut constants = vec![grid(places), list("sizes", sizes), floats("ten", &[], &[10.0])];
    for axis in axes {
        let (name, indices) = (format!("s{axis}"), format!("i{axis}"));
        nodes.push(node("Gather", &[&last, &indices], &[&name], &[("axis", Is::Int(axis as i64))]));
        constants.push(list(&indices, places[axis]));
        last = name;
    }
    nodes.push(node("Mul", &[&last, "ten"], &["m"], &[]));
    nodes.push(node("Reshape", &["m", "sizes"], &["u"], &[]));
    nodes.push(node("ScatterND", &["x", "i", "u"], &["y"], &[]));
    Small::new(&[1, 4, 2, 3], nodes, constants)
}

fn want(is_new: impl Fn([usize; 3]) -> bool) -> Vec<f32> {
    (0..24).map(|at| if is_new([at / 6, at / 3 % 2, at % 3]) { 10.0 * x(at) } else { x(at) }).collect()
}

#[test]
fn slices_of_any_axes_are_written_to() {
    let (one, all) = (&[0][..], &[0, 1, 2, 3][..]);
    assert_eq!(written(&[one, &[0]], &[1, 1, 2, 3]).run(), want(|[c, ..]| c == 0));
    // In any order, and from behind.
    assert_eq!(written(&[one, &[-1, 1]], &[1, 2, 2, 3]).run(), want(|[c, ..]| c == 3 || c == 1));
    assert_eq!(written(&[one, all, &[1]], &[1, 4, 1, 3]).run(), want(|[_, h, _]| h == 1));
    assert_eq!(written(&[one, all, &[0, 1], &[0, 2]], &[1, 4, 2, 2]).run(), want(|[.., w]| w != 1));
    // Of two axes at once.
    let some = written(&[one, &[2, 0], &[0, 1], &[1]], &[1, 2, 2, 1]);
    assert_eq!(some.run(), want(|[c, _, w]| (c == 2 || c == 0) && w == 1));
    assert_eq!(written(&[one, all], &[1, 4, 2, 3]).run(), want(|_| true));
}

#[test]
fn numbers_are_written_too() {
    let of = |data: &str, places: &[&[i64]], new: Tensor| {
        let nodes = vec![node("ScatterND", &[data, "i", "u"], &["w"], &[]), node("Add", &["w", "x"], &["y"], &[])];
        let zeros = floats("zeros", &[1, 4, 2, 3], &[0.0; 24]);
        Small::new(&[1, 4, 2, 3], nodes, vec![grid(places), new, zeros])
    };
    let new = ramp("u", &[1, 1, 2, 3]);
    let want = |data: fn(usize) -> f32| -> Vec<f32> {
        (0..24).map(|at| x(at) + if at / 6 == 2 { x(at % 6) } else { data(at) }).collect()
    };
    assert_eq!(of("x", &[&[0], &[2]], new.clone()).run(), want(x));
    let nodes = vec![node("ScatterND", &["zeros", "i", "x"], &["y"], &[])];
    let into = Small::new(&[1, 1, 2, 3], nodes, vec![grid(&[&[0], &[2]]), floats("zeros", &[1, 4, 2, 3], &[0.5; 24])]);
    let all: Vec<f32> = (0..24).map(|at| if at / 6 == 2 { x(at % 6) } else { 0.5 }).collect();
    assert_eq!(into.run(), all);
    // All of it, which is a constant then but for the sum.
    let all = of("x", &[&[0]], ramp("u", &[1, 4, 2, 3]));
    assert_eq!(all.run(), (0..24).map(|at| 2.0 * x(at)).collect::<Vec<_>>());
}

#[test]
fn elements_along_an_axis_are_written() {
    let of = |axis: i64, dims: &[i64], indices: &[i64]| {
        let nodes = vec![node("ScatterElements", &["x", "i", "u"], &["y"], &[("axis", Is::Int(axis))])];
        let indices = Tensor { dims: dims.to_vec(), ..list("i", indices) };
        Small::new(&[1, 2, 2, 2], nodes, vec![indices, ramp("u", dims)])
    };
    assert_eq!(of(1, &[1, 1, 2, 2], &[1; 4]).run(), [0, 1, 2, 3, 0, 1, 2, 3].map(x));
    assert_eq!(of(-1, &[1, 2, 2, 2], &[1, 0, 1, 0, 1, 0, 1, 0]).run(), [1, 0, 3, 2, 5, 4, 7, 6].map(x));
    // Only the first row.
    assert_eq!(of(3, &[1, 2, 1, 1], &[0, 0]).run(), [0, 1, 2, 3, 1, 5, 6, 7].map(x));
    for (dims, indices, reason) in [
        (&[1, 2, 1, 1][..], &[0, 1][..], "it writes to places that are no slices, or twice to one"),
        (&[1, 1, 1, 2], &[0, 0], "it writes to places that are no slices, or twice to one"),
        (&[1, 1, 1, 1], &[2], "an index is none of an axis of 2"),
        (&[1, 3, 1, 1], &[0, 0, 0], "its indices are 1x3x1x1, of 1x2x2x2"),
    ] {
        let error = of(3, dims, indices).import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

/// As PyTorch writes a slice along an axis: in front, where the batch was, written to, and back.
#[test]
fn slices_are_written_in_front() {
    let nodes = vec![
        node("Transpose", &["x"], &["front"], &[("perm", Is::Ints(&[2, 1, 0, 3]))]),
        node("Neg", &["front"], &["n"], &[]),
        node("Slice", &["n", "zero", "one"], &["u"], &[]),
        node("ScatterND", &["front", "i", "u"], &["w"], &[]),
        node("Transpose", &["w"], &["y"], &[("perm", Is::Ints(&[2, 1, 0, 3]))]),
    ];
    let constants = || vec![Tensor { dims: vec![1, 1], ..list("i", &[1]) }, list("zero", &[0]), list("one", &[1])];
    for batch in [1, 0] {
        let model = Small::new(&[batch, 2, 2, 2], nodes.clone(), constants());
        assert_eq!(
            model.run(),
            [0, 1, 8, 8, 4, 5, 8, 8]
                .map(x)
                .iter()
                .zip([0, 0, 0, 1, 0, 0, 4, 5])
                .enumerate()
                .map(|(at, (&kept, from))| if at / 2 % 2 == 0 { kept } else { -x(if at < 4 { at - 2 } else { from }) })
                .collect::<Vec<_>>()
        );
    }
}

/// The same into a constant, of which each image has its own.
#[test]
fn constants_are_written_to_in_front() {
    let of = |zeros: Tensor| {
        let nodes = vec![
            node("Transpose", &["x"], &["u"], &[("perm", Is::Ints(&[1, 0, 2]))]),
            node("ScatterND", &["zeros", "i", "u"], &["w"], &[]),
            node("Transpose", &["w"], &["y"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        ];
        Small::new(&[2, 1, 2], nodes, vec![Tensor { dims: vec![1, 1], ..list("i", &[1]) }, zeros])
    };
    assert_eq!(
        of(floats("zeros", &[2, 2, 2], &[0.5, 0.25, 0.5, 0.25, 7.0, 7.0, 7.0, 7.0])).run(),
        [0.5, 0.25, -1.0, -0.875]
    );
    let error = of(ramp("zeros", &[2, 2, 2])).import().unwrap_err().to_string();
    assert!(error.contains("its constant varies with the batch"), "{error}");
    let error = of(ramp("zeros", &[2])).import().unwrap_err().to_string();
    assert!(error.contains("node w (ScatterND)"), "{error}");
}

#[test]
fn other_places_are_refused() {
    let of = |indices: Tensor, attributes: &[(&str, Is<'_>)]| -> String {
        let nodes: Vec<Node> = vec![node("ScatterND", &["x", "i", "u"], &["y"], attributes)];
        let model = Small::new(&[2, 3, 2, 2], nodes, vec![indices, ramp("u", &[2, 1, 2, 2])]);
        model.import().unwrap_err().to_string()
    };
    let indices = |dims: &[i64], of: &[i64]| Tensor { dims: dims.to_vec(), ..list("i", of) };
    for (indices, reason) in [
        // Another channel of each image; one image; the same twice; too many.
        (indices(&[2, 1, 2], &[0, 0, 1, 1]), "places that are no slices"),
        (indices(&[1, 1, 2], &[0, 0]), "it writes to some of the batch"),
        (indices(&[2, 2, 2], &[0, 0, 0, 0, 1, 0, 1, 0]), "places that are no slices, or twice to one"),
        (indices(&[2, 1, 2], &[0, 3, 1, 3]), "an index is none of an axis of 3"),
        (indices(&[2, 1, 2], &[0, 0, 2, 0]), "an index is none of an axis of 2"),
        (indices(&[2, 2, 2], &[0, 0, 0, 1, 1, 0, 1, 1]), "its values are 2x1x2x2: it has places for 2x2x2x2"),
        (indices(&[2, 5], &[0; 10]), "its indices have 5 numbers, of 4 axes"),
    ] {
        let error = of(indices, &[]);
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
    let error = of(grid(&[&[0, 1], &[0]]), &[("reduction", Is::Word("add"))]);
    assert!(error.contains("its reduction is \"add\": values are only replaced"), "{error}");
}

/// One index for 2^28 places, of a few bytes.
#[test]
fn indices_are_paid_for() {
    let nodes = vec![
        node("ConstantOfShape", &["t"], &["c"], &[]),
        node("Cast", &["c"], &["i"], &[("to", Is::Int(7))]),
        node("ScatterND", &["x", "i", "x"], &["y"], &[]),
    ];
    let model = Small::new(&[1, 2], nodes, vec![list("t", &[1 << 28, 1])]);
    let error = model.import().unwrap_err().to_string();
    assert!(error.contains("more than constants of a file of this size may take"), "{error}");
}
