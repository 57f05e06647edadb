//! Models of open heights and widths that compute with them.

use super::model::{Is, Small, floats, list, node};
use crate::network::Network;
use crate::onnx::messages::{Node, Tensor};
use crate::onnx::{Options, import};

/// `h` is the height, as a list.
fn height() -> Vec<Node> {
    vec![node("Shape", &["x"], &["s"], &[]), node("Slice", &["s", "two", "three"], &["h"], &[])]
}

fn constants() -> Vec<Tensor> {
    let lists = [("two", &[2][..]), ("three", &[3]), ("eight", &[8]), ("row", &[0, 0, 0, 0, 0, 0]), ("one", &[1])];
    let lists = lists.into_iter().map(|(name, values)| list(name, values));
    lists.chain([floats("zero", &[], &[0.0]), floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0])]).collect()
}

fn network(nodes: Vec<Node>) -> Network {
    let model = Small::new(&[0, 2, 0, 0], [height(), nodes].concat(), constants());
    import(model.bytes(), &Options::default().with_size("x", vec![1, 2, 8, 8])).unwrap().network
}

#[test]
fn numbers_made_of_sizes_tie_a_network_to_its_own() {
    let times_height = vec![node("Cast", &["h"], &["f"], &[("to", Is::Int(1))]), node("Mul", &["x", "f"], &["y"], &[])];
    // Up to a multiple of 8: nothing for 8 rows, and for 16.
    let padded = vec![
        node("Mod", &["h", "eight"], &["m"], &[]),
        node("Sub", &["eight", "m"], &["l"], &[]),
        node("Mod", &["l", "eight"], &["p"], &[]),
        node("Concat", &["row", "p", "row1"], &["pads"], &[("axis", Is::Int(0))]),
        node("Pad", &["x", "pads", "zero"], &["y"], &[]),
    ];
    let mut with_end = constants();
    with_end.extend([list("row1", &[0])]);
    let pads = Small::new(&[0, 2, 0, 0], [height(), padded].concat(), with_end);
    let pads = import(pads.bytes(), &Options::default().with_size("x", vec![1, 2, 8, 8])).unwrap().network;
    for tied in [network(times_height), pads] {
        assert_eq!(tied.nodes()[0].name, "input.size");
        let error = tied.with_input_size([16, 16]).unwrap_err().to_string();
        assert!(error.contains("node input.size"), "{error}");
        assert!(tied.with_input_size([8, 8]).is_ok());
    }
}

#[test]
fn what_is_right_for_every_size_is_free() {
    let relu = vec![node("Identity", &["h"], &["n"], &[]), node("Relu", &["x"], &["y"], &[])];
    let doubled = vec![node("Resize", &["x", "", "scales"], &["y"], &[("mode", Is::Word("nearest"))])];
    for nodes in [relu, doubled] {
        let free = network(nodes);
        assert!(free.nodes().iter().all(|node| node.name != "input.size"));
        assert_eq!(free.with_input_size([5, 7]).unwrap().input().shape, [2, 5, 7]);
    }
}
