//! Norms of windows, and numbers over their root mean square or deviation.

use super::model::{Is, Small, floats, node};

fn x(at: usize) -> f64 {
    at as f64 / 8.0 - 1.0
}

fn near(got: &[f32], want: impl Iterator<Item = f64>) {
    let want: Vec<f64> = want.collect();
    assert_eq!(got.len(), want.len());
    for (&got, want) in got.iter().zip(want) {
        // A few roundings of numbers below 8.
        assert!((f64::from(got) - want).abs() < 32.0 * f64::from(f32::EPSILON) * want.abs().max(1.0), "{got} {want}");
    }
}

#[test]
fn numbers_are_over_their_root_mean_square() {
    let of = |axis: i64, scale: &[i64]| {
        let attributes = [("axis", Is::Int(axis)), ("epsilon", Is::Float(0.25))];
        let numbers: Vec<f32> = (0..scale.iter().product()).map(|at: i64| at as f32 + 2.0).collect();
        let nodes = vec![node("RMSNormalization", &["x", "s"], &["y"], &attributes)];
        Small::new(&[1, 2, 3], nodes, vec![floats("s", scale, &numbers)]).with_opset(23)
    };
    let root = |of: std::ops::Range<usize>| {
        let count = of.len() as f64;
        (of.map(|at| x(at) * x(at)).sum::<f64>() / count + 0.25).sqrt()
    };
    near(&of(-1, &[3]).run(), (0..6).map(|at| x(at) / root(at / 3 * 3..at / 3 * 3 + 3) * (at % 3 + 2) as f64));
    near(&of(1, &[2, 3]).run(), (0..6).map(|at| x(at) / root(0..6) * (at + 2) as f64));
    // An only image is one of the axes.
    near(&of(0, &[1, 2, 3]).run(), (0..6).map(|at| x(at) / root(0..6) * (at + 2) as f64));
    let error = of(-1, &[4]).import().unwrap_err().to_string();
    assert!(error.contains("its constant is 4, which does not fit"), "{error}");
}

#[test]
fn numbers_less_their_mean_are_over_their_deviation() {
    let nodes = vec![node("MeanVarianceNormalization", &["x"], &["y"], &[("axes", Is::Ints(&[2, 3]))])];
    let got = Small::new(&[1, 2, 2, 3], nodes, vec![]).run();
    // Of six numbers an eighth apart.
    let deviation = (35.0f64 / 12.0 / 64.0).sqrt();
    near(&got, (0..12).map(|at| ((at % 6) as f64 - 2.5) / 8.0 / deviation));
    let all = vec![node("MeanVarianceNormalization", &["x"], &["y"], &[])];
    let error = Small::new(&[1, 2, 2, 3], all, vec![]).import().unwrap_err().to_string();
    assert!(error.contains("along the first axis, the batch"), "{error}");
}

#[test]
fn windows_have_norms() {
    let of = |p: i64, more: &[(&str, Is<'_>)]| {
        let mut node = node("LpPool", &["x"], &["y"], &[("kernel_shape", Is::Ints(&[2, 2])), ("p", Is::Int(p))]);
        node.attribute.extend(super::model::node("", &[], &[], more).attribute);
        Small::new(&[1, 1, 2, 3], vec![node], vec![])
    };
    let window = |at: usize, of: fn(f64) -> f64| [at, at + 1, at + 3, at + 4].map(|at| of(x(at))).iter().sum::<f64>();
    near(&of(1, &[]).run(), (0..2).map(|at| window(at, f64::abs)));
    near(&of(2, &[]).run(), (0..2).map(|at| window(at, |x| x * x).sqrt()));
    // A window of padding but for one number.
    let padded = of(2, &[("pads", Is::Ints(&[1, 1, 0, 0]))]).run();
    assert_eq!((padded.len(), padded[0]), (6, 1.0));
    let error = of(3, &[]).import().unwrap_err().to_string();
    assert!(error.contains("p is 3: it must be 1 or 2"), "{error}");
    let error = of(2, &[("ceil_mode", Is::Int(1))]).import().unwrap_err().to_string();
    assert!(error.contains("ceil_mode"), "{error}");
    let whole = vec![node("GlobalLpPool", &["x"], &["y"], &[])];
    near(
        &Small::new(&[1, 1, 2, 3], whole, vec![]).run(),
        [(0..6).map(|at| x(at) * x(at)).sum::<f64>().sqrt()].into_iter(),
    );
}

/// What an attribute says of weights must be so.
#[test]
fn kernels_are_those_of_their_weights() {
    let nodes = vec![node("Conv", &["x", "w"], &["y"], &[("kernel_shape", Is::Ints(&[2, 2]))])];
    let model =
        |kernel: i64| Small::new(&[1, 1, 3, 3], nodes.clone(), vec![super::model::ramp("w", &[1, 1, kernel, kernel])]);
    assert!(model(2).import().is_ok());
    let error = model(3).import().unwrap_err().to_string();
    assert!(error.contains("kernel_shape is [2, 2]: its weights have [3, 3]"), "{error}");
}
