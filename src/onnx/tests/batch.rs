//! Models that leave the batch open, and compute with it.

use super::model::{Is, Small, floats, list, node};
use crate::network::CpuNetwork;
use crate::onnx::messages::{Node, Tensor};
use crate::onnx::{Options, import};

/// `n` is the batch, as a list.
fn batch_of(value: &str) -> Vec<Node> {
    vec![node("Shape", &[value], &["s"], &[]), node("Slice", &["s", "zero", "one"], &["n"], &[])]
}

fn constants() -> Vec<Tensor> {
    let lists =
        [("zero", &[0][..]), ("one", &[1]), ("rest", &[-1]), ("all", &[3, 4, 6]), ("two", &[2]), ("eight", &[8])];
    lists.into_iter().map(|(name, values)| list(name, values)).collect()
}

fn model(nodes: Vec<Node>) -> Small {
    Small::new(&[0, 3, 2, 2], [batch_of("x"), nodes].concat(), constants())
}

#[test]
fn shapes_with_the_batch_in_front_hold_for_every_batch() {
    let nodes = vec![
        node("Concat", &["n", "rest"], &["t"], &[("axis", Is::Int(0))]),
        node("Reshape", &["x", "t"], &["f"], &[]),
        node("Relu", &["f"], &["y"], &[]),
    ];
    for batch in [None, Some(5), Some(6)] {
        let size = |options: Options, batch| options.with_size("x", vec![batch, 3, 2, 2]);
        let options = batch.map_or_else(Options::default, |batch| size(Options::default(), batch));
        let network = import(model(nodes.clone()).bytes(), &options).unwrap().network;
        let input: Vec<f32> = (0..36).map(|at| at as f32 - 18.0).collect();
        let want: Vec<f32> = input.iter().map(|value| value.max(0.0)).collect();
        assert_eq!(CpuNetwork::new(&network, 3, None).unwrap().run(&input).unwrap(), want, "{batch:?}");
    }
}

/// As `weight.expand_as(x)` is exported.
#[test]
fn constants_that_are_the_same_for_every_image_hold_for_every_batch() {
    let scaled = |weight: Tensor| {
        let nodes = vec![node("Expand", &["w", "s"], &["e"], &[]), node("Mul", &["x", "e"], &["y"], &[])];
        let mut model = model(nodes);
        model.graph.initializer.push(weight);
        model
    };
    let want: Vec<f32> = (0..12).map(|at| (at as f32 / 8.0 - 1.0) * [2.0, 3.0, 4.0][at / 4]).collect();
    assert_eq!(scaled(floats("w", &[1, 3, 1, 1], &[2.0, 3.0, 4.0])).run(), want);
    // Two images of which each has its own.
    let own = floats("w", &[2, 1, 1, 1], &[2.0, 3.0]);
    let nodes = vec![node("Mul", &["x", "w"], &["y"], &[])];
    let error = Small::new(&[2, 3, 2, 2], nodes, vec![own]).import().unwrap_err().to_string();
    assert!(error.contains("its constant varies with the batch"), "{error}");
}

/// As exporters write an image of another size: its batch and channels, and new rows and columns.
#[test]
fn sizes_with_the_batch_in_front_hold_for_every_batch() {
    let nodes = vec![
        node("Slice", &["s", "zero", "two"], &["nc"], &[]),
        node("Concat", &["nc", "two", "two"], &["t"], &[("axis", Is::Int(0))]),
        node("Add", &["t", "t"], &["u"], &[]),
        node("Slice", &["u", "two", "four"], &["hw"], &[]),
        node("Concat", &["nc", "hw"], &["v"], &[("axis", Is::Int(0))]),
        node("Resize", &["x", "", "", "v"], &["y"], &[("mode", Is::Word("nearest"))]),
    ];
    let mut model = model(nodes);
    model.graph.initializer.push(list("four", &[4]));
    assert_eq!(model.network().output().shape, [3, 4, 4]);
}

#[test]
fn what_would_bake_the_batch_in_is_refused() {
    let cases = [
        // A factor, a shape that holds for one image only, and sizes that are folded.
        vec![node("Cast", &["n"], &["f"], &[("to", Is::Int(1))]), node("Mul", &["x", "f"], &["y"], &[])],
        vec![
            node("Concat", &["one", "n", "rest"], &["t"], &[("axis", Is::Int(0))]),
            node("Reshape", &["x", "t"], &["y"], &[]),
        ],
        vec![
            node("Mul", &["n", "two"], &["d"], &[]),
            node("Concat", &["n", "d", "rest"], &["t"], &[("axis", Is::Int(0))]),
            node("Reshape", &["x", "t"], &["y"], &[]),
        ],
        vec![node("Flatten", &["x"], &["y"], &[("axis", Is::Int(0))])],
        // One image is all there are of one, and an eighth of one is none.
        vec![node("Slice", &["x", "zero", "one", "zero"], &["y"], &[])],
        vec![
            node("Div", &["n", "eight"], &["d"], &[]),
            node("Cast", &["d"], &["f"], &[("to", Is::Int(1))]),
            node("Add", &["x", "f"], &["y"], &[]),
        ],
    ];
    for nodes in cases {
        let last = nodes.clone();
        let error = model(nodes).import().unwrap_err().to_string();
        assert!(error.contains("depends on the batch") && !error.contains('\n'), "{last:?}: {error}");
        assert!(error.contains("fix the batch in the model"), "{error}");
    }
}

/// A model of one image says so, and its constants are what they are.
#[test]
fn a_batch_that_the_model_fixes_is_a_number() {
    let nodes = vec![node("Cast", &["n"], &["f"], &[("to", Is::Int(1))]), node("Mul", &["x", "f"], &["y"], &[])];
    let fixed = Small::new(&[1, 3, 2, 2], [batch_of("x"), nodes].concat(), constants());
    assert!(fixed.import().is_ok());
}

/// What comes out of the batch and goes again leaves nothing.
#[test]
fn a_size_that_does_not_depend_on_the_batch_is_a_number() {
    let nodes = vec![
        node("Div", &["n", "n"], &["i"], &[]),
        node("Cast", &["i"], &["f"], &[("to", Is::Int(1))]),
        node("Mul", &["x", "f"], &["a"], &[]),
        node("Mul", &["a", "half"], &["y"], &[]),
    ];
    let mut model = model(nodes);
    model.graph.initializer.push(floats("half", &[], &[0.5]));
    assert_eq!(model.run()[0], -0.5);
}
