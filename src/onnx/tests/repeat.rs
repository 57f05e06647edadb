//! Values repeated along axes, and constants that are larger than the value beside them.

use super::model::{Is, Small, floats, list, node, ramp, words};
use crate::onnx::messages::Node;

/// The mean of every channel of `x`, `[1, 2, 3, 4]`, and what nodes make of it.
fn of_means(nodes: Vec<Node>) -> Small {
    let mean = node("GlobalAveragePool", &["x"], &["m"], &[]);
    let lists = vec![list("like", &[1, 2, 3, 4]), list("ones", &[1, 1, 3, 1]), list("times", &[1, 2, 1, 4])];
    Small::new(&[1, 2, 3, 4], [vec![mean], nodes].concat(), lists)
}

/// Of numbers from -1 on in steps of 1/8: that of place 5.5, and of 12 more.
const MEANS: [f32; 2] = [-0.3125, 1.1875];

#[test]
fn readers_repeat_by_themselves() {
    // As `y.expand_as(x)` is exported, the other way round, and of both.
    let expand = || node("Expand", &["m", "like"], &["e"], &[]);
    for inputs in [["x", "e"], ["e", "x"]] {
        let model = of_means(vec![expand(), node("Mul", &inputs, &["y"], &[])]);
        assert_eq!(words(&model.network()), ["GlobalPool", "Mul none"], "{inputs:?}");
        let want: Vec<f32> = (0..24).map(|at| (at as f32 / 8.0 - 1.0) * MEANS[at / 12]).collect();
        assert_eq!(model.run(), want);
    }
    let twice = node("Expand", &["m", "like"], &["f"], &[]);
    let model = of_means(vec![expand(), twice, node("Sub", &["e", "f"], &["y"], &[])]);
    assert_eq!(model.run(), [0.0; 24]);
}

#[test]
fn what_nobody_repeats_is_copied_by_itself() {
    let model = of_means(vec![node("Expand", &["m", "like"], &["y"], &[])]);
    assert_eq!(words(&model.network()), ["GlobalPool", "Resize"]);
    assert_eq!(model.network().parameters(), 0);
    assert_eq!(model.run(), [[MEANS[0]; 12], [MEANS[1]; 12]].concat());
    let rows = of_means(vec![node("Expand", &["m", "ones"], &["y"], &[])]);
    assert_eq!(rows.run(), [[MEANS[0]; 3], [MEANS[1]; 3]].concat());
    // Channels twice, and columns four times.
    let tiled = of_means(vec![node("Tile", &["m", "times"], &["y"], &[])]);
    assert_eq!(tiled.run(), [[MEANS[0]; 4], [MEANS[1]; 4], [MEANS[0]; 4], [MEANS[1]; 4]].concat());
    assert_eq!(tiled.import().unwrap().outputs[0].sizes, [1, 4, 1, 4]);
    let nothing = Small::new(&[1, 2, 3], vec![node("Tile", &["x", "t"], &["y"], &[])], vec![list("t", &[1, 1, 1])]);
    assert_eq!(nothing.run()[5], -0.375);
}

/// Sizes of 1 along any axes, of few channels and of more than are multiplied with ones.
#[test]
fn every_axis_is_repeated() {
    for (from, to) in [
        ([1, 1, 1], [3, 4, 5]),
        ([1, 3, 2], [4, 3, 2]),
        ([1, 3, 1], [2, 3, 5]),
        ([1, 1, 3], [2, 4, 3]),
        ([3, 1, 2], [3, 5, 2]),
        ([3, 2, 1], [3, 2, 7]),
        ([1, 1, 1], [70_000, 1, 1]),
        ([1, 1, 1], [70_000, 2, 3]),
        ([1, 2, 3], [70_000, 2, 3]),
        ([1, 2, 1], [70_000, 2, 2]),
        ([1, 1, 2], [70_000, 3, 2]),
    ] {
        let expand = vec![node("Expand", &["x", "like"], &["y"], &[])];
        let model = Small::new(&[&[1], &from[..]].concat(), expand, vec![list("like", &[&[1], &to[..]].concat())]);
        let at = |axis: usize, place: i64| if from[axis] == 1 { 0 } else { place };
        let mut want = Vec::new();
        for (channel, row) in (0..to[0]).flat_map(|channel| (0..to[1]).map(move |row| (channel, row))) {
            for column in 0..to[2] {
                let place = (at(0, channel) * from[1] + at(1, row)) * from[2] + at(2, column);
                want.push(place as f32 / 8.0 - 1.0);
            }
        }
        assert!(model.run() == want, "{from:?} to {to:?}");
        let stored = if from[0] == to[0] || to[0] > 65_536 { 0 } else { to[0] };
        assert_eq!(model.network().parameters(), stored as usize, "{from:?} to {to:?}");
    }
}

/// A number is computed with before values are repeated, and is not written down for each of them.
#[test]
fn one_number_that_repeats_a_value_is_one() {
    let nodes = vec![
        node("ConstantOfShape", &["like"], &["zeros"], &[]),
        node("Add", &["zeros", "two"], &["twos"], &[]),
        node("Sub", &["twos", "x"], &["y"], &[]),
    ];
    let model = Small::new(&[1, 1, 1, 2], nodes, vec![list("like", &[1, 2, 3, 2]), floats("two", &[1], &[2.0])]);
    assert_eq!(words(&model.network()), ["BatchNorm", "Mul none", "Resize"]);
    assert_eq!(model.run(), [3.0, 2.875].repeat(6));
}

/// `ConstantOfShape`, `Equal` and `Where` with a shape that has -1 for sizes as they are.
#[test]
fn shapes_of_expansions_are_folded() {
    let nodes = vec![
        node("Shape", &["x"], &["s"], &[]),
        node("ConstantOfShape", &["four"], &["zeros"], &[]),
        node("Equal", &["asked", "zeros"], &["is"], &[]),
        node("Where", &["is", "s", "asked"], &["t"], &[]),
        node("Expand", &["m", "t"], &["e"], &[]),
        node("Add", &["x", "e"], &["y"], &[]),
    ];
    let mut model = of_means(nodes);
    model.graph.initializer.extend([list("four", &[4]), list("asked", &[1, 2, 0, 0])]);
    assert_eq!(words(&model.network()), ["GlobalPool", "Add none"]);
}

#[test]
fn repetitions_that_no_network_has_are_refused() {
    let with = |operator: &str, numbers: &[i64]| {
        let nodes = vec![node(operator, &["x", "k"], &["y"], &[])];
        Small::new(&[1, 2, 3, 4], nodes, vec![list("k", numbers)]).import().unwrap_err().to_string()
    };
    for (operator, numbers, reason) in [
        ("Expand", &[2, 2, 3, 4][..], "only sizes of 1 behind the batch can be; a network takes any batch"),
        ("Expand", &[4, 3, 4], "it repeats a value of 1x2x3x4 to [4, 3, 4]"),
        ("Expand", &[1, 1, 2, 3, 4], "only sizes of 1 behind the batch can be"),
        ("Expand", &[1, 2, -1, 4], "to [1, 2, -1, 4]"),
        ("Tile", &[2, 1, 1, 1], "it repeats the batch"),
        ("Tile", &[1, 1, 1], "its repeats are [1, 1, 1], of a value of 1x2x3x4"),
        ("Tile", &[1, 0, 1, 1], "its repeats are [1, 0, 1, 1]"),
        ("Tile", &[1, 257, 1, 1], "it repeats axis 1 257 times: at most 256"),
    ] {
        let error = with(operator, numbers);
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn constants_may_be_larger_than_the_value() {
    let nodes = vec![node("GlobalMaxPool", &["x"], &["m"], &[]), node("Add", &["m", "k"], &["y"], &[])];
    let model = Small::new(&[1, 2, 2, 2], nodes, vec![ramp("k", &[2, 3])]);
    // The largest of -1 to -5/8, and to -1/8.
    let want = [-0.625, -0.125].map(|most| (0..6).map(|at| most + at as f32 / 8.0 - 1.0).collect::<Vec<_>>());
    assert_eq!(model.run(), want.concat());
}

/// A constant may stand where a value is asked for.
#[test]
fn constants_are_put_beside_values() {
    let join = |inputs: &[&str]| {
        let nodes = vec![node("Concat", inputs, &["y"], &[("axis", Is::Int(1))])];
        Small::new(&[1, 1, 2, 2], nodes, vec![ramp("k", &[1, 2, 2, 2]), floats("two", &[2, 1, 2, 2], &[0.0; 8])])
    };
    let ramp: Vec<f32> = (0..8).map(|at| at as f32 / 8.0 - 1.0).collect();
    assert_eq!(join(&["x", "k"]).run(), [&ramp[..4], &ramp].concat());
    assert_eq!(join(&["k", "x", "k"]).run(), [&ramp, &ramp[..4], &ramp].concat());
    let error = join(&["x", "two"]).import().unwrap_err().to_string();
    assert!(error.contains("its constant is 2x1x2x2: of 1 images"), "{error}");
}

/// Of five axes two or three groups are left, of which one value or the other repeats its numbers.
#[test]
fn values_of_more_axes_are_repeated_too() {
    let nodes = |operand: &'static str| {
        vec![
            node("Reshape", &["x", "five"], &["a"], &[]),
            node("GlobalAveragePool", &["x"], &["m"], &[]),
            node("Reshape", &["m", "means"], &["b"], &[]),
            node("Mul", &["a", operand], &["y"], &[]),
        ]
    };
    let constants = || vec![list("five", &[1, 2, 2, 3, 2]), list("means", &[1, 2, 2, 1, 1]), ramp("k", &[2, 1, 1, 2])];
    let x = |at: usize| at as f32 / 8.0 - 1.0;
    let by_means = Small::new(&[1, 4, 3, 2], nodes("b"), constants());
    let mean = |channel: usize| x(channel * 6) + 2.5 / 8.0;
    for (at, got) in by_means.run().into_iter().enumerate() {
        assert!((got - x(at) * mean(at / 6)).abs() <= 1e-6, "{at}: {got}");
    }
    let by_constant = Small::new(&[1, 4, 3, 2], nodes("k"), constants());
    let want: Vec<f32> = (0..24).map(|at| x(at) * x(at / 12 * 2 + at % 2)).collect();
    assert_eq!(by_constant.run(), want);
    assert_eq!(by_constant.import().unwrap().outputs[0].sizes, [1, 2, 2, 3, 2]);
}
