//! Products of computed values, as attention has them.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::onnx::messages::Node;

fn x(at: usize) -> f32 {
    at as f32 / 8.0 - 1.0
}

/// `x` by its transpose, over the last two of its axes.
fn gram(sizes: &[i64], perm: &[i64]) -> Vec<Node> {
    let _ = sizes;
    vec![node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(perm))]), node("MatMul", &["x", "t"], &["y"], &[])]
}

#[test]
fn matrices_are_multiplied() {
    let dot = |one: usize, other: usize, many: usize| (0..many).map(|at| x(one + at) * x(other + at)).sum::<f32>();
    let model = Small::new(&[1, 3, 4], gram(&[], &[0, 2, 1]), vec![]);
    assert_eq!(model.import().unwrap().outputs[0].sizes, [1, 3, 3]);
    let want: Vec<f32> = (0..9).map(|at| dot(at / 3 * 4, at % 3 * 4, 4)).collect();
    assert_eq!(model.run(), want);
    // Of several heads each by its own.
    let heads = Small::new(&[1, 2, 3, 4], gram(&[], &[0, 1, 3, 2]), vec![]);
    assert_eq!(heads.import().unwrap().outputs[0].sizes, [1, 2, 3, 3]);
    let head = |at: usize| at / 9 * 12;
    let want: Vec<f32> = (0..18).map(|at| dot(head(at) + at / 3 % 3 * 4, head(at) + at % 3 * 4, 4)).collect();
    assert_eq!(heads.run(), want);
    assert!(heads.network().nodes().len() < 10);
}

/// More products than are written down at once: some rows at a time, the last fewer.
#[test]
fn many_products_are_taken_in_parts() {
    let model = Small::new(&[1, 2, 730, 8], gram(&[], &[0, 1, 3, 2]), vec![]);
    let made = model.run();
    let head = 730 * 730;
    assert_eq!(made.len(), 2 * head);
    for at in [0, 1, 729, 718 * 730 + 5, 719 * 730 + 7, head - 1, head, head + 718 * 730 + 2, 2 * head - 1] {
        let (base, row, column) = (at / head * 730 * 8, at % head / 730 * 8, at % head % 730 * 8);
        let want: f64 = (0..8).map(|k| f64::from(x(base + row + k)) * f64::from(x(base + column + k))).sum();
        assert!((f64::from(made[at]) - want).abs() <= 1e-6 * want.abs().max(1e6), "{at}: {} for {want}", made[at]);
    }
}

#[test]
fn constants_stand_first() {
    let of = |sizes: &[i64], matrix: &[i64]| {
        Small::new(sizes, vec![node("MatMul", &["w", "x"], &["y"], &[])], vec![ramp("w", matrix)])
    };
    let plain = of(&[1, 2, 3], &[2, 2]);
    let sum = |row: usize, column: usize, from: usize| (0..2).map(|k| x(row * 2 + k) * x(from + k * 3 + column)).sum();
    let want: Vec<f32> = (0..6).map(|at| sum(at / 3, at % 3, 0)).collect();
    assert_eq!(plain.run(), want);
    let more = of(&[1, 2, 2, 3], &[1, 1, 2, 2]);
    assert_eq!(more.import().unwrap().outputs[0].sizes, [1, 2, 2, 3]);
    let want: Vec<f32> = (0..12).map(|at| sum(at / 3 % 2, at % 3, at / 6 * 6)).collect();
    assert_eq!(more.run(), want);
    for (sizes, matrix, reason) in [
        (&[2, 2][..], &[2, 2][..], "it multiplies along the first axis, the batch"),
        (&[1, 2, 2, 3], &[2, 2, 2], "its weights are 2x2x2: networks have one matrix for all"),
        (&[1, 2, 3], &[2, 3], "its weights are 2x3, which 2x3 does not fit"),
        (&[1, 2, 3], &[2], "its weights are 2: no matrix"),
    ] {
        let error = of(sizes, matrix).import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn products_are_counted() {
    let error =
        |sizes: &[i64], perm: &[i64]| Small::new(sizes, gram(sizes, perm), vec![]).import().unwrap_err().to_string();
    let many = error(&[1, 8192, 8], &[0, 2, 1]);
    assert!(many.contains("it takes 536870912 products of each image, 65536 for a row"), "{many}");
    let long = error(&[1, 2, 1 << 23], &[0, 2, 1]);
    assert!(long.contains("16777216 for a row: at most 268435456 are taken, 8388608 at once"), "{long}");
    let nodes = vec![node("Reshape", &["x", "to"], &["t"], &[]), node("MatMul", &["x", "t"], &["y"], &[])];
    let other = Small::new(&[1, 2, 6], nodes, vec![list("to", &[1, 3, 4])]).import().unwrap_err().to_string();
    assert!(other.contains("it multiplies 2x6 by 3x4 of each image, which do not fit"), "{other}");
}

/// A constant vector by matrices, and by itself: a row before, a column behind, and no axis for it after.
#[test]
fn vectors_of_constants_are_multiplied() {
    let of = |one: &str, other: &str| {
        let nodes = vec![node("MatMul", &[one, other], &["k"], &[]), node("Add", &["x", "k"], &["y"], &[])];
        let numbers = |name, dims: &[i64], from: usize| {
            let count = dims.iter().product::<i64>() as usize;
            floats(name, dims, &(from..from + count).map(|at| at as f32).collect::<Vec<_>>())
        };
        let constants = vec![numbers("v", &[2], 1), numbers("m", &[3, 2], 0), numbers("n", &[2, 3], 0)];
        let network = Small::new(&[1, 1, 2, 3], nodes, constants);
        network.run().iter().enumerate().map(|(at, y)| y - x(at)).collect::<Vec<f32>>()
    };
    // [3, 2] by [2], [2] by [2, 3], and [2] by [2]: of 1 and 2.
    assert_eq!(of("m", "v"), [2.0, 8.0, 14.0, 2.0, 8.0, 14.0]);
    assert_eq!(of("v", "n"), [6.0, 9.0, 12.0, 6.0, 9.0, 12.0]);
    assert_eq!(of("v", "v"), [5.0; 6]);
    let nodes = vec![node("MatMul", &["m", "v"], &["k"], &[]), node("Add", &["x", "k"], &["y"], &[])];
    let constants = vec![floats("m", &[2, 2], &[0.0; 4]), floats("v", &[3], &[0.0; 3])];
    let error = Small::new(&[1, 1, 2, 3], nodes, constants).import().unwrap_err().to_string();
    assert!(error.contains("it multiplies 2x2 by 3x1"), "{error}");
}
