//! `Einsum` of a value and a constant.

use super::model::{Is, Small, floats, node, ramp, words};
use crate::onnx::messages::Tensor;

fn x(at: usize) -> f32 {
    at as f32 / 8.0 - 1.0
}

/// Of `x` and `k`, or the other way round.
fn of(sizes: &[i64], inputs: [&str; 2], equation: &str, constant: Tensor) -> Small {
    let nodes = vec![node("Einsum", &inputs, &["y"], &[("equation", Is::Word(equation))])];
    Small::new(sizes, nodes, vec![constant])
}

#[test]
fn channels_of_every_place_are_a_matrix_product() {
    // Of `[1, 2, 2, 3]` and `[4, 2]`: x at a channel and a place, and the matrix's rows.
    let product = |out: usize, place: usize| (0..2).map(|c| x(c * 6 + place) * x(out * 2 + c)).sum::<f32>();
    let want: Vec<f32> = (0..24).map(|at| product(at / 6, at % 6)).collect();
    for (inputs, equation) in [(["x", "k"], "nchw,oc->nohw"), (["k", "x"], "oc, nchw -> nohw")] {
        let model = of(&[1, 2, 2, 3], inputs, equation, ramp("k", &[4, 2]));
        assert_eq!(model.run(), want, "{equation}");
        assert_eq!(words(&model.network()), ["Dense none"], "{equation}");
        assert_eq!(model.import().unwrap().outputs[0].sizes, [1, 4, 2, 3]);
    }
    // The matrix the other way, and what comes out as well.
    let turned = of(&[1, 2, 2, 3], ["x", "k"], "nchw,co->nhwo", ramp("k", &[2, 4]));
    let product = |out: usize, place: usize| (0..2).map(|c| x(c * 6 + place) * x(c * 4 + out)).sum::<f32>();
    assert_eq!(turned.run(), (0..24).map(|at| product(at % 4, at / 4)).collect::<Vec<_>>());
    // Of two axes that are added up, in the other order, and two new ones.
    let two = of(&[1, 2, 3], ["x", "k"], "bij,jiuv->bvu", ramp("k", &[3, 2, 2, 2]));
    let product =
        |v: usize, u: usize| -> f32 { (0..6).map(|at| x(at) * x((at % 3 * 2 + at / 3) * 4 + u * 2 + v)).sum() };
    assert_eq!(two.run(), [product(0, 0), product(0, 1), product(1, 0), product(1, 1)]);
    assert_eq!(two.import().unwrap().outputs[0].sizes, [1, 2, 2]);
    // Nothing new.
    let sums = of(&[1, 2, 3], ["x", "k"], "bij,j->bi", floats("k", &[3], &[1.0, 2.0, 4.0]));
    assert_eq!(sums.run(), [0, 3].map(|at| x(at) + 2.0 * x(at + 1) + 4.0 * x(at + 2)));
}

#[test]
fn other_equations_are_refused() {
    let refused =
        |equation: &str| of(&[1, 2, 2, 3], ["x", "k"], equation, ramp("k", &[4, 2])).import().unwrap_err().to_string();
    for (equation, reason) in [
        ("nchw,oc", "read are those whose constant is a matrix"),
        ("", "read are those whose constant is a matrix"),
        ("->", "read are those whose constant is a matrix"),
        ("nchw,oc->", "read are those whose constant is a matrix"),
        ("...c,oc->...o", "read are those whose constant is a matrix"),
        ("nccw,oc->now", "read are those whose constant is a matrix"),
        ("nchw,oc->nohwc", "read are those whose constant is a matrix"),
        ("nchw,oc->noh", "read are those whose constant is a matrix"),
        ("nchw,oc->nohh", "read are those whose constant is a matrix"),
        ("nchw,op->nchwop", "read are those whose constant is a matrix"),
        ("nchw,oc,oc->nohw", "read are those whose constant is a matrix"),
        ("nch,oc->noh", "of 1x2x2x3"),
        ("nchw,o->nohw", "of 4x2"),
        ("nchw,wo->nchw", "read are those whose constant is a matrix"),
        ("nchw,ow->noch", "of 1x2x2x3 and 4x2"),
        ("nchw,oc->onhw", "the first axis, the batch, must stay that"),
        ("nchw,on->ochw", "the first axis, the batch, must stay that"),
        ("nchw,nc->nhw", "the first axis, the batch, must stay that"),
    ] {
        let error = refused(equation);
        assert!(error.contains(reason) && !error.contains('\n'), "{equation}: {error}");
    }
    let nodes = vec![node("Einsum", &["x", "x"], &["y"], &[("equation", Is::Word("bij,bjk->bik"))])];
    let error = Small::new(&[1, 2, 2], nodes, vec![]).import().unwrap_err().to_string();
    assert!(error.contains("its operands are other than a computed value and a constant"), "{error}");
}
