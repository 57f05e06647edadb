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
    // Constants of fewer axes lie along the last.
    let channels = floats("k", &[2, 1, 1], &[-0.75, 0.25]);
    assert_eq!(of("Max", &["x", "k"], vec![channels]).run(), all(&|at| x(at).max([-0.75, 0.25][at / 6])));
    let columns = floats("k", &[3], &[-0.5, 0.0, 0.5]);
    assert_eq!(of("Min", &["k", "x"], vec![columns]).run(), all(&|at| x(at).min((at % 3) as f32 / 2.0 - 0.5)));
    let rows = floats("k", &[2, 1], &[0.25, 0.75]);
    assert_eq!(of("Max", &["x", "n", "k"], vec![rows]).run(), all(&|at| x(at).abs().max([0.25, 0.75][at / 3 % 2])));
    let error = of("Max", &["x", "f"], vec![ramp("f", &[1, 2, 2, 2])]).import().unwrap_err().to_string();
    assert!(error.contains("1x2x2x2, which does not fit its operand of 1x2x2x3"), "{error}");
}

#[test]
fn limits_that_are_no_numbers_are_refused() {
    let limited = |operator: &str, limit: f32| of(operator, &["x", "k"], vec![floats("k", &[], &[limit])]);
    for operator in ["Max", "Min"] {
        let error = limited(operator, f32::NAN).import().unwrap_err().to_string();
        assert!(error.contains("its constant \"k\" is no number (NaN), and no limit"), "{error}");
    }
    let error = limited("Clip", f32::NAN).import().unwrap_err().to_string();
    assert!(error.contains("its min is no number (NaN), and no limit"), "{error}");
    let nodes = vec![node("Clip", &["x"], &["y"], &[("max", Is::Float(f32::NAN))])];
    let old = Small::new(&[1, 2], nodes, vec![]).with_opset(6);
    let error = old.import().unwrap_err().to_string();
    assert!(error.contains("its max is no number (NaN), and no limit"), "{error}");
    // Infinite ones end nothing.
    let all: Vec<f32> = (0..12).map(x).collect();
    for (operator, limit) in [("Max", f32::NEG_INFINITY), ("Min", f32::INFINITY), ("Clip", f32::NEG_INFINITY)] {
        assert_eq!(limited(operator, limit).run(), all, "{operator}");
    }
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

#[test]
fn axes_go_on_with_their_other_end() {
    let of = |pads: &[i64]| {
        let nodes = vec![node("Pad", &["x", "pads"], &["y"], &[("mode", Is::Word("wrap"))])];
        Small::new(&[1, 1, 2, 3], nodes, vec![list("pads", pads)])
    };
    // A row above, and two columns behind.
    let want = [[3, 4, 5, 3, 4], [0, 1, 2, 0, 1], [3, 4, 5, 3, 4]].concat();
    assert_eq!(of(&[0, 0, 1, 0, 0, 0, 0, 2]).run(), want.into_iter().map(x).collect::<Vec<_>>());
    let error = of(&[0, 0, 0, 4, 0, 0, 0, 0]).import().unwrap_err().to_string();
    assert!(error.contains("it wraps [4, 0] around an axis of 3: 0 to 3 can be"), "{error}");
}

#[test]
fn computed_values_are_multiplied_by_computed_vectors() {
    let of = |inputs: &[&str]| {
        let one = [("axes", Is::Ints(&[2])), ("keepdims", Is::Int(1))];
        let nodes = vec![
            // Of 2 rows and 3 columns the largest of each row, and of each column.
            node("ReduceMax", &["x"], &["rows"], &one),
            node("ReduceMax", &["x"], &["columns"], &[("axes", Is::Ints(&[1])), ("keepdims", Is::Int(1))]),
            node("Transpose", &["columns"], &["turned"], &[("perm", Is::Ints(&[0, 2, 1]))]),
            node("Transpose", &["rows"], &["flat"], &[("perm", Is::Ints(&[0, 2, 1]))]),
            node("MatMul", inputs, &["y"], &[]),
        ];
        Small::new(&[1, 2, 3], nodes, vec![])
    };
    let column = |at: usize| x(3 + at);
    let by_columns = [0, 1].map(|row| (0..3).map(|at| x(row * 3 + at) * column(at)).sum::<f32>());
    assert_eq!(of(&["x", "turned"]).run(), by_columns);
    let by_rows: Vec<f32> = (0..3).map(|at| x(2) * x(at) + x(5) * x(3 + at)).collect();
    assert_eq!(of(&["flat", "x"]).run(), by_rows);
    // Every row by every column.
    let outer = [0, 1].map(|row| [0, 1, 2].map(|at| x(row * 3 + 2) * column(at))).concat();
    assert_eq!(of(&["rows", "columns"]).run(), outer);
}
