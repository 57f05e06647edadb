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
    ] {
        let error = gathered(axis, indices).import().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let first = vec![node("Gather", &["x", "i"], &["y"], &[])];
    let error = Small::new(&[2, 3], first, vec![number(0)]).import().unwrap_err().to_string();
    assert!(error.contains("along the first axis, the batch"), "{error}");
}

/// As PyTorch writes `x[:, [2, 1, 0]]`: channels in the batch's place, picked, and back in theirs.
#[test]
fn axes_that_are_picked_of_in_front_stay_where_they_are() {
    let model = |back: &[i64], indices: Tensor, last: &str| {
        let swap = [("perm", Is::Ints(&[1, 0, 2]))];
        let nodes = vec![
            node("Transpose", &["x"], &["front"], &swap),
            node("GatherND", &["front", "i"], &["picked"], &[("batch_dims", Is::Int(0))]),
            node("Transpose", &["picked"], &["back"], &[("perm", Is::Ints(back))]),
            node("Relu", &[last], &["y"], &[]),
        ];
        Small::new(&[1, 3, 9], nodes, vec![indices])
    };
    let picked = |places: &[i64]| Tensor { dims: vec![places.len() as i64, 1], ..list("i", places) };
    let reversed = model(&[1, 0, 2], picked(&[2, 1, 0]), "back");
    assert_eq!(reversed.import().unwrap().outputs[0].sizes, [1, 3, 9]);
    let want = |channels: &[usize]| {
        let all = channels.iter().flat_map(|channel| (0..9).map(move |at| channel * 9 + at));
        numbers(all).into_iter().map(|number| number.max(0.0)).collect::<Vec<f32>>()
    };
    assert_eq!(reversed.run(), want(&[2, 1, 0]));
    assert_eq!(model(&[1, 0, 2], picked(&[2, -2]), "back").run(), want(&[2, 1]));
    // The only image may be anywhere.
    assert_eq!(model(&[2, 0, 1], picked(&[1]), "back").run(), want(&[1]));
    assert_eq!(model(&[1, 0, 2], picked(&[1]), "picked").run(), want(&[1]));
}

/// Rows and columns in one go, as older interpolation is written.
#[test]
fn grids_are_picked_along_both_axes() {
    let turned = |perm: &'static [i64]| [("perm", Is::Ints(perm))];
    let model = |grid: &[i64], batch: i64| {
        let nodes = vec![
            node("Transpose", &["x"], &["front"], &turned(&[2, 3, 0, 1])),
            node("GatherND", &["front", "grid"], &["picked"], &[]),
            node("Transpose", &["picked"], &["y"], &turned(&[2, 3, 0, 1])),
        ];
        let grid = Tensor { dims: vec![2, 3, 2], ..list("grid", grid) };
        Small::new(&[batch, 2, 2, 3], nodes, vec![grid])
    };
    // Rows 1 and 0, columns 2, 0 and 0.
    let grid = [1, 2, 1, 0, 1, 0, 0, 2, 0, 0, 0, 0];
    let want: Vec<f32> = numbers([5, 3, 3, 2, 0, 0].into_iter().chain([11, 9, 9, 8, 6, 6])).into_iter().collect();
    for batch in [0, 1] {
        assert_eq!(model(&grid, batch).run(), want);
    }
    // With an axis of size 1 behind each, as adaptive pools have them.
    let mut spread = model(&grid, 0);
    spread.graph.initializer[0].dims = vec![2, 1, 3, 1, 2];
    spread.graph.node[2] = node("Transpose", &["picked"], &["y"], &turned(&[4, 5, 0, 2, 1, 3]));
    assert_eq!(spread.run(), want);
    // Two windows of rows, and the columns as they are.
    let windows = [0, 1, 1, 0].iter().flat_map(|&row| [0, 1, 2].map(|column| [row, column])).flatten();
    let mut pooled = model(&[], 0);
    pooled.graph.initializer[0] = Tensor { dims: vec![2, 2, 3, 2], ..list("grid", &windows.collect::<Vec<i64>>()) };
    pooled.graph.node[2] = node("Transpose", &["picked"], &["y"], &turned(&[3, 4, 0, 1, 2]));
    let rows = |image: usize| [0, 1, 1, 0].into_iter().flat_map(move |row| (0..3).map(move |at| image + row * 3 + at));
    assert_eq!(pooled.run(), numbers(rows(0).chain(rows(6))).into_iter().collect::<Vec<f32>>());
    let error = model(&[1, 2, 1, 0, 1, 0, 0, 2, 0, 0, 0, 1], 1).import().unwrap_err().to_string();
    assert!(error.contains("networks pick the same places in all rows"), "{error}");
}
