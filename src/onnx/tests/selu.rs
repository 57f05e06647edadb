//! `Selu`, of which each number that a node has not is ONNX's own.

use super::model::{Is, Small, floats, node, words};
use crate::onnx::messages::Node;

/// ONNX's, and those from before opset 6.
const OWN: [f64; 2] = [1.673_263_192_176_818_8, 1.050_701_022_148_132_3];
const OLD: [f64; 2] = [1.6732, 1.0507];

fn selu(input: &str, output: &str, [alpha, gamma]: [Option<f32>; 2]) -> Node {
    let numbers = [("alpha", alpha), ("gamma", gamma)];
    let attributes: Vec<_> =
        numbers.into_iter().filter_map(|(name, number)| Some((name, Is::Float(number?)))).collect();
    node("Selu", &[input], &[output], &attributes)
}

/// A sum of few roundings, of numbers up to 3.
const NEAR: f64 = 6e-7;

#[test]
fn each_number_that_is_left_out_is_the_operators_own() {
    for (opset, own) in [(1, OLD), (5, OLD), (6, OWN), (18, OWN)] {
        for given in [[None, None], [Some(0.5), None], [None, Some(2.0)], [Some(0.5), Some(2.0)], [Some(1.6732), None]]
        {
            let model = Small::new(&[1, 24], vec![selu("x", "y", given)], vec![]).with_opset(opset);
            let [alpha, gamma] = [0, 1].map(|at: usize| given[at].map_or(own[at], f64::from));
            // The same of a constant, beside which the network's input counts for nothing.
            let constant: Vec<f32> = (0..24).map(|at| at as f32 / 8.0 - 1.0).collect();
            let nodes = vec![
                selu("k", "s", given),
                node("Clip", &["x"], &["z"], &[("min", Is::Float(0.0)), ("max", Is::Float(0.0))]),
                node("Sum", &["z", "s"], &["y"], &[]),
            ];
            let folded = Small::new(&[1, 24], nodes, vec![floats("k", &[1, 24], &constant)]).with_opset(opset);
            for (at, (got, folded)) in model.run().into_iter().zip(folded.run()).enumerate() {
                let x = at as f64 / 8.0 - 1.0;
                let want = gamma * if x < 0.0 { alpha * x.exp_m1() } else { x };
                for got in [got, folded] {
                    assert!((f64::from(got) - want).abs() <= NEAR, "{opset} {given:?} {x}: {got}, not {want}");
                }
            }
        }
    }
}

/// Its own numbers are an activation, whoever writes them; others are a multiple of ELU, however near they are.
#[test]
fn only_its_own_numbers_are_the_activation() {
    let of =
        |given, opset| words(&Small::new(&[1, 4], vec![selu("x", "y", given)], vec![]).with_opset(opset).network());
    for (given, opset) in
        [([None, None], 18), ([Some(1.673_263_2), Some(1.050_701)], 18), ([Some(1.673_263_2), None], 6)]
    {
        assert_eq!(of(given, opset), ["selu"], "{given:?}");
    }
    for (given, opset) in [([None, None], 5), ([Some(1.6732), Some(1.0507)], 18), ([Some(1.673_265), None], 18)] {
        assert_eq!(of(given, opset), ["elu", "BatchNorm"], "{given:?}");
    }
    let error = |given| Small::new(&[1, 4], vec![selu("x", "y", given)], vec![]).import().unwrap_err().to_string();
    let [alpha, gamma] = [error([Some(f32::NAN), None]), error([None, Some(f32::INFINITY)])];
    assert!(alpha.contains("is NaN: it must be finite"), "{alpha}");
    assert!(gamma.contains("gamma is inf: it must be finite"), "{gamma}");
}
