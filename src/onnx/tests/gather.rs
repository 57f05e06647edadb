//! `Gather` of what is computed.

use super::model::{Is, Small, list, node, words};
use crate::onnx::messages::Tensor;

/// Of `x`, `[1, 2, 3, 4]` and up by 1/8 from -1 on.
fn gathered(axis: i64, indices: Tensor) -> Small {
    let nodes = vec![node("Gather", &["x", "i"], &["y"], &[("axis", Is::Int(axis))])];
    Small::new(&[1, 2, 3, 4], nodes, vec![indices])
}

fn number(index: i64) -> Tensor {
    Tensor { dims: Vec::new(), ..list("i", &[index]) }
}

fn numbers(places: impl Iterator<Item = usize>) -> Vec<f32> {
    places.map(|place| place as f32 / 8.0 - 1.0).collect()
}

#[test]
fn places_equally_far_apart_are_a_slice() {
    let rows = |row: usize| (0..2).flat_map(move |channel| (0..4).map(move |column| channel * 12 + row * 4 + column));
    let last = gathered(2, number(-1));
    assert_eq!(last.import().unwrap().outputs[0].sizes, [1, 2, 4]);
    assert_eq!(last.run(), numbers(rows(2)));
    assert_eq!(gathered(1, number(1)).run(), numbers(12..24));
    let columns = gathered(-1, list("i", &[1, 3]));
    assert_eq!(columns.import().unwrap().outputs[0].sizes, [1, 2, 3, 2]);
    assert_eq!(columns.run(), numbers((0..24).filter(|place| place % 2 == 1)));
    // All of them are what there is.
    let all = vec![node("Gather", &["x", "i"], &["a"], &[("axis", Is::Int(2))]), node("Relu", &["a"], &["y"], &[])];
    assert_eq!(words(&Small::new(&[1, 2, 3, 4], all, vec![list("i", &[0, 1, 2])]).network()), ["relu"]);
}

#[test]
fn other_places_are_refused() {
    for (axis, indices, reason) in [
        (2, number(3), "an index is none of an axis of 3"),
        (2, number(i64::MIN), "an index is none of an axis of 3"),
        (2, list("i", &[]), "it has no indices"),
        (0, number(0), "along the first axis, the batch"),
    ] {
        let error = gathered(axis, indices).import().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
