//! Opsets before 7, which say where the second operand lies.

use super::model::{Is, Small, floats, node};

fn ramp() -> Vec<f32> {
    (0..8).map(|at| at as f32 / 8.0 - 1.0).collect()
}

fn model(operator: &str, k: &[i64], attributes: &[(&str, Is<'_>)]) -> Small {
    let nodes = vec![node(operator, &["x", "k"], &["y"], attributes)];
    let values = [0.5, 2.0, 4.0, 8.0];
    let count = k.iter().product::<i64>() as usize;
    Small::new(&[1, 2, 2, 2], nodes, vec![floats("k", k, &values[..count])]).with_opset(6)
}

#[test]
fn operands_lie_along_the_axis_that_is_named() {
    let product = |k: &[i64], axis: i64, of: fn(usize) -> f32| {
        let model = model("Mul", k, &[("broadcast", Is::Int(1)), ("axis", Is::Int(axis))]);
        let want: Vec<f32> = ramp().iter().enumerate().map(|(at, value)| value * of(at)).collect();
        assert_eq!(model.run(), want, "{k:?} along {axis}");
    };
    product(&[2], 1, |at| [0.5, 2.0][at / 4]);
    product(&[2], 2, |at| [0.5, 2.0][at / 2 % 2]);
    product(&[2], 3, |at| [0.5, 2.0][at % 2]);
    product(&[2, 2], 1, |at| [0.5, 2.0, 4.0, 8.0][at / 2]);
    product(&[1], 0, |_| 0.5);
}

#[test]
fn without_an_axis_they_end_together() {
    let suffix = model("Mul", &[2], &[("broadcast", Is::Int(1))]).run();
    assert_eq!(suffix[1], ramp()[1] * 2.0);
    let slopes = model("PRelu", &[2], &[]).run();
    assert_eq!(slopes, ramp().iter().enumerate().map(|(at, x)| x * [0.5, 2.0][at / 4]).collect::<Vec<f32>>());
}

#[test]
fn computed_operands_are_aligned_too() {
    let nodes = vec![
        node("GlobalAveragePool", &["x"], &["p"], &[]),
        node("Flatten", &["p"], &["f"], &[]),
        node("Mul", &["x", "f"], &["y"], &[("broadcast", Is::Int(1)), ("axis", Is::Int(0))]),
    ];
    let got = Small::new(&[1, 2, 2, 2], nodes, vec![]).with_opset(6).run();
    let mean = |at: usize| ramp()[at / 4 * 4..][..4].iter().sum::<f32>() / 4.0;
    assert_eq!(got, (0..8).map(|at| ramp()[at] * mean(at)).collect::<Vec<f32>>());
}

#[test]
fn what_does_not_fit_is_refused() {
    for (model, reason) in [
        (model("Mul", &[2], &[]), "without broadcast both are alike before opset 7"),
        (model("Add", &[2], &[("broadcast", Is::Int(1)), ("axis", Is::Int(9))]), "axis 9"),
        (model("Add", &[2, 2], &[("broadcast", Is::Int(1)), ("axis", Is::Int(3))]), "its second operand is 2x2"),
    ] {
        let error = model.import().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
}

/// Types were words before opset 6.
#[test]
fn types_are_words() {
    let cast = |to| {
        let nodes = vec![node("Cast", &["x"], &["y"], &[("to", Is::Word(to))])];
        Small::new(&[1, 2], nodes, vec![]).with_opset(5).import()
    };
    assert!(cast("FLOAT16").is_ok());
    assert!(cast("INT64").unwrap_err().to_string().contains("rounds computed values to integers"));
    assert!(cast("COMPLEX64").unwrap_err().to_string().contains("its data type is \"COMPLEX64\""));
}
