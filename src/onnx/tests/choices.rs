//! The larger of values, those that a mask chooses, and places in another order.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::onnx::messages::Tensor;

fn x(at: usize) -> f32 {
    at as f32 / 8.0 - 1.0
}

/// Of `x`, `[1, 2, 2, 3]`, its negative, and constants.
fn of(operator: &str, inputs: &[&str], constants: Vec<Tensor>) -> Small {
    let nodes = vec![
        node("Neg", &["x"], &["n"], &[]),
        node("GlobalAveragePool", &["x"], &["m"], &[]),
        node(operator, inputs, &["y"], &[]),
    ];
    Small::new(&[1, 2, 2, 3], nodes, constants)
}

#[test]
fn the_largest_of_values_is_found() {
    let all = |of: &dyn Fn(usize) -> f32| (0..12).map(of).collect::<Vec<f32>>();
    assert_eq!(of("Max", &["x", "n"], vec![]).run(), all(&|at| x(at).abs()));
    assert_eq!(of("Min", &["n", "x"], vec![]).run(), all(&|at| -x(at).abs()));
    // A mean of each channel, which is repeated, and a number that ends it all.
    let mean = |at: usize| x(at / 6 * 6) + 2.5 / 8.0;
    let half = floats("half", &[], &[-0.5]);
    assert_eq!(of("Max", &["x", "m", "half"], vec![half]).run(), all(&|at| x(at).max(mean(at)).max(-0.5)));
    // A constant that varies, and one that is repeated.
    let turned: Vec<f32> = (0..12).map(|at| x(11 - at)).collect();
    let turned = floats("k", &[1, 2, 2, 3], &turned);
    assert_eq!(of("Min", &["x", "k"], vec![turned]).run(), all(&|at| x(at).min(x(11 - at))));
    let columns = ramp("k", &[1, 1, 1, 3]);
    assert_eq!(of("Max", &["k", "x"], vec![columns]).run(), all(&|at| x(at).max(x(at % 3))));
    assert_eq!(of("Max", &["x"], vec![]).run(), all(&x));
    let error = of("Max", &["x", "f"], vec![ramp("f", &[1, 2, 2, 2])]).import().unwrap_err().to_string();
    assert!(error.contains("1x2x2x2, which does not fit its operand of 1x2x2x3"), "{error}");
}

#[test]
fn known_masks_choose() {
    let mask = || list("mask", &[1, 0, 1]);
    let run = |yes, no, constants: Vec<Tensor>| of("Where", &["mask", yes, no], constants).run();
    let chosen = |yes: &dyn Fn(usize) -> f32, no: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..12).map(|at| if at % 3 == 1 { no(at) } else { yes(at) }).collect()
    };
    let two = || floats("two", &[], &[2.0]);
    assert_eq!(run("x", "two", vec![mask(), two()]), chosen(&x, &|_| 2.0));
    assert_eq!(run("two", "x", vec![mask(), two()]), chosen(&|_| 2.0, &x));
    assert_eq!(run("x", "n", vec![mask()]), chosen(&x, &|at| -x(at)));
    // What is not chosen may be anything; what is must be a number.
    let infinite = |at: usize| {
        let numbers: Vec<f32> = (0..3).map(|column| if column == at { f32::NEG_INFINITY } else { 1.0 }).collect();
        of("Where", &["mask", "x", "k"], vec![mask(), floats("k", &[3], &numbers)])
    };
    assert_eq!(infinite(0).run(), chosen(&x, &|_| 1.0));
    let error = infinite(1).import().unwrap_err().to_string();
    assert!(error.contains("it puts numbers that are infinite or none"), "{error}");
    let error = of("Where", &["x", "x", "n"], vec![]).import().unwrap_err().to_string();
    assert!(error.contains("which values it chooses is computed when the network runs"), "{error}");
}

#[test]
fn places_in_any_order_are_slices_one_behind_the_other() {
    let gathered = |indices: Tensor| {
        let nodes = vec![node("Gather", &["x", "i"], &["y"], &[("axis", Is::Int(2))])];
        Small::new(&[1, 2, 6], nodes, vec![indices])
    };
    let of = |places: &[usize]| [0, 6].map(|row| places.iter().map(|at| x(row + at)).collect::<Vec<_>>()).concat();
    for places in [&[0, 1, 3][..], &[1, 0], &[2, 2], &[5, 0, 2, 4, 1, 3]] {
        let indices: Vec<i64> = places.iter().map(|&place| place as i64).collect();
        assert_eq!(gathered(list("i", &indices)).run(), of(places), "{places:?}");
    }
    // A table of places makes an axis more.
    let table = Tensor { dims: vec![2, 2], ..list("i", &[0, 3, 1, 4]) };
    assert_eq!(gathered(table.clone()).run(), of(&[0, 3, 1, 4]));
    assert_eq!(gathered(table).import().unwrap().outputs[0].sizes, [1, 2, 2, 2]);
    // From the last to the first, and every second of those.
    for (step, places) in [(-1, &[5, 4, 3, 2, 1, 0][..]), (-2, &[5, 3, 1])] {
        let nodes = vec![node("Slice", &["x", "from", "to", "axis", "step"], &["y"], &[])];
        let lists = [("from", -1), ("to", i64::MIN), ("axis", 2), ("step", step)];
        let lists = lists.map(|(name, number)| list(name, &[number])).to_vec();
        assert_eq!(Small::new(&[1, 2, 6], nodes, lists).run(), of(places), "{step}");
    }
    let many: Vec<i64> = (0..300).map(|at| at * 7 % 300).rev().collect();
    let nodes = vec![node("Gather", &["x", "i"], &["y"], &[("axis", Is::Int(1))])];
    let error = Small::new(&[1, 300], nodes, vec![list("i", &many)]).import().unwrap_err().to_string();
    assert!(error.contains("slices: at most 256"), "{error}");
}
