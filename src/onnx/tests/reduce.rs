//! Reductions, norms and powers.

use super::model::{Is, Small, floats, list, node, words};

/// What comes out must be this much like numbers in f64.
const NEAR: f64 = 1e-6;

fn x(at: usize) -> f64 {
    at as f64 / 8.0 - 1.0
}

fn check(model: &Small, want: &[f64]) {
    let got = model.run();
    assert_eq!(got.len(), want.len());
    for (at, (&got, want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() <= NEAR * want.abs().max(1.0), "{at}: {got}, not {want}");
    }
}

#[test]
fn values_are_reduced_along_axes() {
    let reduced = |operator: &str, of: &dyn Fn(&[f64]) -> f64| {
        for (axis, keeps) in [(1, 1), (1, 0), (2, 0), (-1, 1)] {
            let attributes = [("keepdims", Is::Int(keeps))];
            let nodes = vec![node(operator, &["x", "a"], &["y"], &attributes)];
            let model = Small::new(&[1, 2, 3, 4], nodes, vec![list("a", &[axis])]);
            let (steps, count, size) =
                [(12, 12, 2), (4, 4, 3), (1, 1, 4)][if axis == -1 { 2 } else { axis as usize - 1 }];
            let first = (0..24).filter(|at| at / steps % size == 0);
            let want: Vec<f64> =
                first.map(|at| of(&(0..size).map(|more| x(at + more * count)).collect::<Vec<_>>())).collect();
            check(&model, &want);
            let mut sizes = vec![1, 2, 3, 4];
            let at = if axis == -1 { 3 } else { axis as usize };
            sizes[at] = 1;
            if keeps == 0 {
                sizes.remove(at);
            }
            assert_eq!(model.import().unwrap().outputs[0].sizes, sizes, "{operator} {axis}");
        }
    };
    let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    reduced("ReduceMin", &|x| x.iter().copied().fold(f64::INFINITY, f64::min));
    reduced("ReduceMax", &|x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    reduced("ReduceL1", &|x| x.iter().map(|x| x.abs()).sum());
    reduced("ReduceSumSquare", &squares);
    reduced("ReduceL2", &|x| squares(x).sqrt());
}

/// As `torch.nn.functional.normalize` is exported, and as an operator.
#[test]
fn values_are_divided_by_their_norm() {
    let pieces = vec![
        node("ReduceL2", &["x"], &["n"], &[("axes", Is::Ints(&[1])), ("keepdims", Is::Int(1))]),
        node("Clip", &["n", "least"], &["c"], &[]),
        node("Shape", &["x"], &["s"], &[]),
        node("Expand", &["c", "s"], &["e"], &[]),
        node("Div", &["x", "e"], &["y"], &[]),
    ];
    let pieces = Small::new(&[1, 2, 3, 4], pieces, vec![floats("least", &[], &[1e-12])]);
    let norm = |at: usize| x(at % 12).hypot(x(at % 12 + 12));
    let want: Vec<f64> = (0..24).map(|at| x(at) / norm(at)).collect();
    check(&pieces, &want);
    assert_eq!(words(&pieces.network()).iter().filter(|word| word.starts_with("Mul")).count(), 1);
    let whole = |attributes: &[(&str, Is<'_>)], dims: &[i64]| {
        Small::new(dims, vec![node("LpNormalization", &["x"], &["y"], attributes)], vec![])
    };
    check(&whole(&[("axis", Is::Int(1))], &[1, 2, 3, 4]), &want);
    let sum = |at: usize| x(at % 12).abs() + x(at % 12 + 12).abs();
    let want: Vec<f64> = (0..24).map(|at| x(at) / sum(at)).collect();
    check(&whole(&[("axis", Is::Int(1)), ("p", Is::Int(1))], &[1, 2, 3, 4]), &want);
    // The ninth number is zero.
    let want: Vec<f64> = (0..9).map(|at| if at == 8 { 0.0 } else { -1.0 }).collect();
    check(&whole(&[("axis", Is::Int(2))], &[1, 9, 1]), &want);
    // Of what is so short that nothing is left of its squares, no more than there is.
    for (p, size) in [(2, 1e-25), (2, 1e-30), (1, 1e-30), (2, 0.0)] {
        let tiny = vec![
            node("Mul", &["x", "size"], &["t"], &[]),
            node("LpNormalization", &["t"], &["y"], &[("axis", Is::Int(1)), ("p", Is::Int(p))]),
        ];
        let got = Small::new(&[1, 3], tiny, vec![floats("size", &[], &[size])]).run();
        assert!(got.iter().all(|value| value.abs() <= 1.0), "{p} {size}: {got:?}");
    }
    let error = whole(&[("p", Is::Int(3))], &[1, 4]).import().unwrap_err().to_string();
    assert!(error.contains("p is 3: it must be 1 or 2"), "{error}");
}

#[test]
fn powers_are_of_any_exponent() {
    let powered = |exponent: f32, above: f32| {
        let nodes = vec![node("Add", &["x", "above"], &["a"], &[]), node("Pow", &["a", "k"], &["y"], &[])];
        Small::new(&[1, 2, 3, 4], nodes, vec![floats("k", &[], &[exponent]), floats("above", &[], &[above])])
    };
    for exponent in [0.0, -0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 32.0, 33.0] {
        let want: Vec<f64> = (0..24).map(|at| x(at).powf(exponent)).collect();
        check(&powered(exponent as f32, 0.0), &want);
    }
    // Of numbers above zero.
    for exponent in [0.5, 1.0 / 3.0, 2.5, -0.5, -1.0, -2.0] {
        let want: Vec<f64> = (0..24).map(|at| (x(at) + 1.5).powf(f64::from(exponent))).collect();
        check(&powered(exponent, 1.5), &want);
    }
    let error = powered(f32::INFINITY, 0.0).import().unwrap_err().to_string();
    assert!(error.contains("its exponent is inf"), "{error}");
}

#[test]
fn exponentials_are_quotients_of_sigmoids() {
    let model = Small::new(&[1, 40], vec![node("Exp", &["x"], &["y"], &[])], vec![]);
    let want: Vec<f64> = (0..40).map(|at| x(at).exp()).collect();
    check(&model, &want);
}
