//! Operators along the first axis, the batch, of which a network takes any: refused by name, whatever they do there;
//! an only image is another matter (`batch`).

use super::model::{Is, Small, floats, list, node};
use crate::onnx::messages::{Node, Tensor};

fn constants() -> Vec<Tensor> {
    let lists = [
        ("first", &[-1][..]),
        ("least", &[i64::MIN]),
        ("zero", &[0]),
        ("minus", &[-1]),
        ("two", &[-2]),
        ("one", &[1]),
        ("both", &[0, 2]),
        ("ends", &[-1, -1]),
        ("leasts", &[-9, -9]),
        ("minuses", &[-1, -1]),
        ("pads", &[1, 0, 0, 0, 1, 0, 0, 0]),
        ("times", &[2, 1, 1, 1]),
        ("to", &[6, 2, 3, 4]),
        ("reversed", &[2, 1, 0]),
    ];
    let lists = lists.into_iter().map(|(name, numbers)| list(name, numbers));
    lists.chain([floats("k", &[3, 2, 3, 4], &(0..72).map(|at| at as f32).collect::<Vec<_>>())]).collect()
}

fn nodes() -> Vec<Node> {
    let axis = || [("axis", Is::Int(0))];
    let axes = || [("axes", Is::Ints(&[0]))];
    let slice = |names: [&str; 4]| node("Slice", &[&["x"], &names[..]].concat(), &["y"], &[]);
    vec![
        slice(["first", "least", "zero", "minus"]),
        slice(["first", "least", "zero", "two"]),
        slice(["ends", "leasts", "both", "minuses"]),
        node("Gather", &["x", "reversed"], &["y"], &axis()),
        node("Gather", &["x", "zero"], &["y"], &axis()),
        node("Split", &["x"], &["y", "z"], &axis()),
        node("Concat", &["x", "x"], &["y"], &axis()),
        node("Pad", &["x", "pads"], &["y"], &[("mode", Is::Word("wrap"))]),
        node("Pad", &["x", "pads"], &["y"], &[]),
        node("Tile", &["x", "times"], &["y"], &[]),
        node("Expand", &["x", "to"], &["y"], &[]),
        node("LpNormalization", &["x"], &["y"], &axis()),
        node("Softmax", &["x"], &["y"], &axis()),
        node("LogSoftmax", &["x"], &["y"], &[("axis", Is::Int(-4))]),
        node("LayerNormalization", &["x", "one"], &["y"], &axis()),
        node("ReduceMin", &["x"], &["y"], &axes()),
        node("ReduceMax", &["x"], &["y"], &axes()),
        node("ReduceL1", &["x"], &["y"], &axes()),
        node("ReduceL2", &["x"], &["y"], &axes()),
        node("ReduceSumSquare", &["x"], &["y"], &axes()),
        node("Max", &["x", "k"], &["y"], &[]),
        node("Where", &["k", "x", "k"], &["y"], &[]),
    ]
}

#[test]
fn nothing_is_done_along_the_batch() {
    for batch in [3, 0] {
        for node in nodes() {
            let told = format!("{batch}: {} {:?}", node.op_type, node.input);
            let imported = Small::new(&[batch, 2, 3, 4], vec![node], constants()).import();
            let error = imported.map_or_else(|error| error.to_string(), |imported| format!("{:?}", imported.network));
            assert!(error.contains("node y (") && !error.contains('\n'), "{told}: {error}");
        }
    }
    let of = |batch| {
        let turned = node("Slice", &["x", "first", "least", "zero", "minus"], &["y"], &[]);
        Small::new(&[batch, 2, 3, 4], vec![turned], constants()).import().unwrap_err().to_string()
    };
    for batch in [3, 0] {
        let error = of(batch);
        assert!(error.contains("it takes some of the batch"), "{batch}: {error}");
    }
}
