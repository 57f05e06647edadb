//! Malformed tensors; as in `malformed`, each case is a good file with one change.

use serde_json::json;

use super::malformed::{Case, check};
use crate::common::parts::{Tensor, floats, integers};

fn typed(dtype: safetensors::Dtype, shape: &[usize], bytes: usize) -> Tensor {
    (dtype, shape.to_vec(), vec![1; bytes])
}

#[test]
fn tensors() {
    use safetensors::Dtype::I32;
    let cases: &[Case] = &[
        (
            "summary missing",
            |p| drop(p.tensors.remove("stem.summary")),
            "node stem: tensor stem.summary: it is missing; the nearest names are cube.summary, stem.starts, stem.bias",
        ),
        (
            "starts missing",
            |p| drop(p.tensors.remove("stem.starts")),
            "node stem: tensor stem.starts: it is missing; the nearest names are cube.starts, stem.bias, norm.bias",
        ),
        (
            "weight missing",
            |p| drop(p.tensors.remove("dense.weight")),
            "node dense: tensor dense.weight: it is missing; the nearest names are fc.weight, fc.bias, norm.bias",
        ),
        (
            "linear weight missing",
            |p| drop(p.tensors.remove("fc.weight")),
            "node fc: tensor fc.weight: it is missing; the nearest names are fc.bias",
        ),
        (
            "nobody reads it",
            |p| p.tensor("dense.bais", floats(&[12])),
            "tensor dense.bais: no node reads it (is dense.bias meant?)",
        ),
        ("nor this", |p| p.tensor("extra.mean", floats(&[12])), "tensor extra.mean: no node reads it"),
        (
            "summary is I32",
            |p| p.tensor("stem.summary", typed(I32, &[92], 92 * 4)),
            "node stem: tensor stem.summary: its dtype is I32: it must be F32, F16, BF16, F64 or U8",
        ),
        (
            "batch norm without a bias",
            |p| drop(p.tensors.remove("norm.bias")),
            "node norm: tensor norm.bias: it is missing; the nearest names are fc.bias, fc.weight",
        ),
        (
            "batch norm of other channels",
            |p| p.tensor("norm.scale", floats(&[23])),
            "node norm: tensor norm.scale: its shape is [23]: it must be [24]",
        ),
        (
            "batch norm with NaN",
            |p| p.value("norm.scale", 7, f32::NAN),
            "node norm: tensor norm.scale: value 7 is NaN: it must be finite",
        ),
        (
            "batch norm with a key of others",
            |p| p.set("norm", "out_channels", json!(24)),
            "node norm: out_channels is not a key of batch_norm",
        ),
        (
            "bias is I32",
            |p| p.tensor("fc.bias", typed(I32, &[3], 12)),
            "node fc: tensor fc.bias: its dtype is I32: it must be F32, F16, BF16 or F64",
        ),
        (
            "starts are I32",
            |p| p.tensor("stem.starts", typed(I32, &[8], 32)),
            "node stem: tensor stem.starts: its dtype is I32: it must be I64, or F32 for learned positions",
        ),
        (
            "weight of another shape",
            |p| p.tensor("dense.weight", floats(&[12, 1, 1, 6])),
            "node dense: tensor dense.weight: its shape is [12, 1, 1, 6]: it must be [12, 6, 1, 1]",
        ),
        (
            "weight of another rank",
            |p| p.tensor("dense.weight", floats(&[12, 6])),
            "node dense: tensor dense.weight: its shape is [12, 6]: it must be [12, 6, 1, 1]",
        ),
        (
            "linear weight too small",
            |p| p.tensor("fc.weight", floats(&[3, 119])),
            "node fc: tensor fc.weight: its shape is [3, 119]: it must be [O, 120] for an input of [120, 1, 1]",
        ),
        (
            "linear weight of rank 4",
            |p| p.tensor("fc.weight", floats(&[3, 120, 1, 1])),
            "node fc: tensor fc.weight: its shape is [3, 120, 1, 1]: it must be [O, 120]",
        ),
        (
            "linear without outputs",
            |p| p.tensor("fc.weight", floats(&[0, 120])),
            "node fc: out_channels is 0: it must be between 1 and 4194304",
        ),
        (
            "linear bias too short",
            |p| p.tensor("fc.bias", floats(&[2])),
            "node fc: tensor fc.bias: its shape is [2]: it must be [3]",
        ),
        (
            "bias of rank 2",
            |p| p.tensor("stem.bias", floats(&[8, 1])),
            "node stem: tensor stem.bias: its shape is [8, 1]: it must be [8]",
        ),
        (
            "scale too long",
            |p| p.tensor("cube.scale", floats(&[7])),
            "node cube: tensor cube.scale: its shape is [7]: it must be [6]",
        ),
        (
            "summary of rank 2",
            |p| p.tensor("stem.summary", floats(&[46, 2])),
            "node stem: tensor stem.summary: its shape is [46, 2]: it must be [L] or [D, FH, FW]",
        ),
        (
            "summary empty",
            |p| p.tensor("stem.summary", floats(&[0])),
            "node stem: summary length is 0: it must be between 1 and 2147483647",
        ),
        (
            "cube empty",
            |p| p.tensor("cube.summary", floats(&[5, 0, 3])),
            "node cube: summary height is 0: it must be between 1 and 2147483647",
        ),
        (
            "starts of a line as triples",
            |p| p.tensor("stem.starts", integers(&[2, 3], 0..6)),
            "node stem: tensor stem.starts: its shape is [2, 3]: there must be 8, out_channels",
        ),
        (
            "starts of a cube as a line",
            |p| p.tensor("cube.starts", integers(&[18], 0..18)),
            "node cube: tensor cube.starts: its shape is [18]: there must be 6, out_channels",
        ),
        (
            "starts too few",
            |p| p.tensor("stem.starts", integers(&[7], 0..7)),
            "node stem: tensor stem.starts: its shape is [7]: there must be 8, out_channels",
        ),
        (
            "starts none",
            |p| p.tensor("stem.starts", integers(&[0], [])),
            "node stem: tensor stem.starts: its shape is [0]: there must be 8, out_channels",
        ),
        (
            "summary with NaN",
            |p| p.value("stem.summary", 3, f32::NAN),
            "node stem: tensor stem.summary: value 3 is NaN: it must be finite",
        ),
        (
            "weight with infinity",
            |p| p.value("dense.weight", 71, f32::INFINITY),
            "node dense: tensor dense.weight: value 71 is inf: it must be finite",
        ),
        (
            "linear weight with infinity",
            |p| p.value("fc.weight", 0, f32::NEG_INFINITY),
            "node fc: tensor fc.weight: value 0 is -inf: it must be finite",
        ),
        (
            "bias with NaN",
            |p| p.value("fc.bias", 2, f32::NAN),
            "node fc: tensor fc.bias: value 2 is NaN: it must be finite",
        ),
        (
            "scale with NaN",
            |p| p.value("cube.scale", 5, f32::NAN),
            "node cube: tensor cube.scale: value 5 is NaN: it must be finite",
        ),
        (
            "start beyond the end",
            |p| p.tensor("stem.starts", integers(&[8], (1..9).map(|i| i * 8))),
            "node stem: starts[7] is 64: its weights 64..=99 must lie in a summary of 92 with boundary none",
        ),
        (
            "start negative",
            |p| p.tensor("stem.starts", integers(&[8], -1..7)),
            "node stem: starts[0] is -1: its weights -1..=34 must lie in a summary of 92 with boundary none",
        ),
        (
            "start without end",
            |p| p.tensor("stem.starts", integers(&[8], [i64::MAX; 8])),
            "node stem: starts[0] is 9223372036854775807: its weights \
             9223372036854775807..=9223372036854775842 must lie in a summary of 92 with boundary none",
        ),
        (
            "cube outside",
            |p| p.set("cube", "boundary", json!("none")),
            "node cube: starts[0][0] is -20: its weights -20..=-17 must lie in a summary of 5 with boundary none",
        ),
    ];
    check(cases);
}
