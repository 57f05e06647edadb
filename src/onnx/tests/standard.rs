//! Numbers less their mean, over their deviation.

use super::model::{Is, Small, floats, node, ramp, words};

/// What comes out must be this much like numbers in f64.
const NEAR: f64 = 1e-5;

/// `(x - mean) / sqrt(variance + 1e-5)` of each of the lists of places.
fn standard(x: &[f64], lists: &[Vec<usize>]) -> Vec<f64> {
    let mut y = vec![f64::NAN; x.len()];
    for list in lists {
        let mean = list.iter().map(|&at| x[at]).sum::<f64>() / list.len() as f64;
        let variance = list.iter().map(|&at| (x[at] - mean).powi(2)).sum::<f64>() / list.len() as f64;
        list.iter().for_each(|&at| y[at] = (x[at] - mean) / (variance + 1e-5).sqrt());
    }
    y
}

/// Numbers as [`ramp`]'s, which are a network's input too.
fn numbers(count: usize) -> Vec<f64> {
    (0..count).map(|at| at as f64 / 8.0 - 1.0).collect()
}

fn check(model: &Small, want: impl Fn(&[f64]) -> Vec<f64>) {
    let got = model.run();
    let want = want(&numbers(got.len()));
    for (at, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((f64::from(*got) - want).abs() <= NEAR * want.abs().max(1.0), "{at}: {got}, not {want}");
    }
}

/// `weight[i] * y + bias[i]`, where `of` tells which of both a place has.
fn scaled(y: &[f64], count: usize, of: impl Fn(usize) -> usize) -> Vec<f64> {
    let numbers = numbers(count);
    y.iter().enumerate().map(|(at, y)| y * numbers[of(at)] + numbers[of(at)]).collect()
}

#[test]
fn instances_and_groups_are_made_standard() {
    let dims = [1, 4, 3, 2];
    let model = |operator, attributes: &[(&str, Is<'_>)], scales| {
        let nodes = vec![node(operator, &["x", "w", "b"], &["y"], attributes)];
        Small::new(&dims, nodes, vec![ramp("w", &[scales]), ramp("b", &[scales])])
    };
    let rows = |count: usize| -> Vec<Vec<usize>> {
        (0..24 / count).map(|row| (row * count..(row + 1) * count).collect()).collect()
    };
    check(&model("InstanceNormalization", &[], 4), |x| scaled(&standard(x, &rows(6)), 4, |at| at / 6));
    let groups = [("num_groups", Is::Int(2))];
    let old = model("GroupNormalization", &groups, 2);
    check(&old, |x| scaled(&standard(x, &rows(12)), 2, |at| at / 12));
    let new = model("GroupNormalization", &groups, 4).with_opset(21);
    check(&new, |x| scaled(&standard(x, &rows(12)), 4, |at| at / 6));
    let refused = model("GroupNormalization", &[("num_groups", Is::Int(3))], 3).import().unwrap_err().to_string();
    assert!(refused.contains("num_groups is 3: it must divide 4, the channels"), "{refused}");
    let refused = model("InstanceNormalization", &[], 3).import().unwrap_err().to_string();
    assert!(refused.contains("its operand 1 is 3: it must have 4 numbers"), "{refused}");
}

#[test]
fn layers_are_made_standard_over_their_last_axes() {
    let last = vec![node("LayerNormalization", &["x", "w", "b"], &["y"], &[])];
    let model = Small::new(&[1, 3, 2, 4], last, vec![ramp("w", &[4]), ramp("b", &[4])]);
    let rows: Vec<Vec<usize>> = (0..6).map(|row| (row * 4..row * 4 + 4).collect()).collect();
    check(&model, |x| scaled(&standard(x, &rows), 4, |at| at % 4));
    // All axes of an image, without a bias.
    let all = vec![node("LayerNormalization", &["x", "w"], &["y"], &[("axis", Is::Int(1))])];
    let model = Small::new(&[1, 3, 2, 4], all, vec![ramp("w", &[3, 2, 4])]);
    check(&model, |x| {
        let standard = standard(x, &[(0..24).collect()]);
        standard.iter().zip(numbers(24)).map(|(y, weight)| y * weight).collect()
    });
    let other = vec![node("LayerNormalization", &["x", "w"], &["y"], &[])];
    let refused = Small::new(&[1, 3, 2, 4], other, vec![ramp("w", &[2, 4])]).import().unwrap_err().to_string();
    assert!(refused.contains("its operand of 2x4 has other axes than it is computed over"), "{refused}");
}

/// Scales and biases with sizes of 1, which repeat their numbers.
#[test]
fn scales_of_layers_are_repeated() {
    let model = |scale: &[i64], bias: &[i64]| {
        let nodes = vec![node("LayerNormalization", &["x", "w", "b"], &["y"], &[("axis", Is::Int(1))])];
        Small::new(&[1, 3, 2, 4], nodes, vec![ramp("w", scale), ramp("b", bias)])
    };
    let want = |x: &[f64], of: fn(usize) -> usize, and: fn(usize) -> usize| {
        let standard = standard(x, &[(0..24).collect()]);
        let numbers = numbers(24);
        standard.iter().enumerate().map(|(at, y)| y * numbers[of(at)] + numbers[and(at)]).collect()
    };
    check(&model(&[3, 1, 1], &[1]), |x| want(x, |at| at / 8, |_| 0));
    check(&model(&[1, 3, 2, 4], &[1, 1, 2, 1]), |x| want(x, |at| at, |at| at / 4 % 2));
    check(&model(&[4], &[3, 1, 4]), |x| want(x, |at| at % 4, |at| at / 8 * 4 + at % 4));
}

#[test]
fn channels_behind_the_others_are_not_moved() {
    // As ConvNeXt has it: channels last, made standard, and first again.
    let nodes = vec![
        node("Transpose", &["x"], &["a"], &[("perm", Is::Ints(&[0, 2, 3, 1]))]),
        node("LayerNormalization", &["a", "w", "b"], &["c"], &[]),
        node("Transpose", &["c"], &["y"], &[("perm", Is::Ints(&[0, 3, 1, 2]))]),
    ];
    let model = Small::new(&[1, 4, 3, 2], nodes, vec![ramp("w", &[4]), ramp("b", &[4])]);
    let columns: Vec<Vec<usize>> = (0..6).map(|pixel| (0..4).map(|channel| channel * 6 + pixel).collect()).collect();
    check(&model, |x| scaled(&standard(x, &columns), 4, |at| at / 6));
    let words = words(&model.network());
    assert!(!words.iter().any(|word| word == "Permute" || word == "Reshape"), "{words:?}");
}

#[test]
fn roots_and_quotients_are_of_every_number() {
    let nodes = |last: &str, inputs: &[&str]| {
        let square = node("Mul", &["x", "x"], &["a"], &[]);
        Small::new(&[1, 2, 3, 4], vec![square, node(last, inputs, &["y"], &[])], vec![])
    };
    check(&nodes("Sqrt", &["a"]), |x| x.iter().map(|x| x.abs()).collect());
    // Of numbers below 0, where it has no value, 0.
    let of_all = Small::new(&[1, 2, 3, 4], vec![node("Sqrt", &["x"], &["y"], &[])], vec![]);
    check(&of_all, |x| x.iter().map(|x| x.max(0.0).sqrt()).collect());
    // No number is divided by zero here.
    let with = |last: &str, inputs: &[&str], constants: Vec<_>| {
        let above = node("Add", &["x", "nine"], &["a"], &[]);
        let constants = [constants, vec![floats("nine", &[], &[9.0])]].concat();
        Small::new(&[1, 2, 3, 4], vec![above, node(last, inputs, &["y"], &[])], constants)
    };
    check(&with("Reciprocal", &["a"], vec![]), |x| x.iter().map(|x| 1.0 / (x + 9.0)).collect());
    let three = vec![floats("three", &[], &[3.0])];
    check(&with("Div", &["three", "a"], three), |x| x.iter().map(|x| 3.0 / (x + 9.0)).collect());
    let of_rows = vec![ramp("w", &[3, 1])];
    let divided = |x: &[f64]| (0..24).map(|at| numbers(3)[at / 4 % 3] / (x[at] + 9.0)).collect();
    check(&with("Div", &["w", "a"], of_rows), divided);
}
