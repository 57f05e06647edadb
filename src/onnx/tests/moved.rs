//! Tensors whose first axis is not the batch alone: the same numbers as of one image, for any batch.

use super::model::{Is, Small, floats, list, node, ramp};
use crate::network::CpuNetwork;
use crate::onnx::messages::{Node, Tensor};
use crate::onnx::{Options, import};

/// The heads of an image before the images: queries, keys and values as attention takes them apart.
fn heads() -> Vec<Node> {
    vec![
        node("Reshape", &["x", "apart"], &["r"], &[]),
        node("Transpose", &["r"], &["front"], &[("perm", Is::Ints(&[2, 0, 3, 1, 4]))]),
        node("Gather", &["front", "last"], &["key"], &[("axis", Is::Int(0))]),
        node("Split", &["front"], &["a", "b"], &[("axis", Is::Int(0))]),
        node("Squeeze", &["b", "first"], &["s"], &[]),
        node("Add", &["key", "s"], &["y"], &[]),
    ]
}

/// Windows of 2x2 pixels one behind the other, over which a layer normalizes and adds up, and back.
fn windows() -> Vec<Node> {
    vec![
        node("Reshape", &["x", "blocks"], &["r"], &[]),
        node("Transpose", &["r"], &["t"], &[("perm", Is::Ints(&[0, 1, 3, 2, 4]))]),
        node("Reshape", &["t", "windows"], &["w"], &[]),
        node("Add", &["w", "row"], &["biased"], &[]),
        node("Softmax", &["biased"], &["soft"], &[("axis", Is::Int(-1))]),
        node("MatMul", &["soft", "weights"], &["product"], &[]),
        node("ReduceMax", &["product", "one"], &["most"], &[]),
        node("Sub", &["product", "most"], &["less"], &[]),
        node("Reshape", &["less", "back"], &["y"], &[]),
    ]
}

fn constants() -> Vec<Tensor> {
    vec![
        list("apart", &[0, 3, 2, 2, 4]),
        Tensor { dims: vec![], ..list("last", &[1]) },
        list("first", &[0]),
        list("blocks", &[-1, 2, 2, 2, 6]),
        list("windows", &[-1, 2, 12]),
        list("one", &[1]),
        list("back", &[-1, 2, 2, 12]),
        ramp("row", &[2, 12]),
        ramp("weights", &[12, 12]),
    ]
}

/// What comes out of a model of three images of 48 numbers, whose batch is open, fixed to three, or to one of them.
fn outputs(nodes: &[Node], batch: i64) -> Vec<f32> {
    let model = Small::new(&[batch, 3, 4, 4], nodes.to_vec(), constants());
    let images = if batch == 1 { 1 } else { 3 };
    let network = import(model.bytes(), &Options::default().with_size("x", vec![images, 3, 4, 4])).unwrap().network;
    let input: Vec<f32> = (0..144).map(|at| (at * 37 % 64) as f32 / 16.0 - 2.0).collect();
    CpuNetwork::new(&network, 3, None).unwrap().run(&input).unwrap()
}

/// Slopes of windows' channels have an axis for the images, or have not.
#[test]
fn slopes_of_windows_are_those_of_channels() {
    let made = |slopes: &[i64], batch| {
        let nodes = vec![
            node("Reshape", &["x", "parts"], &["w"], &[]),
            node("PRelu", &["w", "slopes"], &["p"], &[]),
            node("Reshape", &["p", "whole"], &["y"], &[]),
        ];
        let slopes = floats("slopes", slopes, &[0.5, 2.0]);
        let constants = vec![list("parts", &[-1, 2, 3, 2]), list("whole", &[-1, 4, 3, 2]), slopes];
        let network = Small::new(&[batch, 4, 3, 2], nodes, constants).network();
        let input: Vec<f32> = (0..48).map(|at| at as f32 - 30.0).collect();
        CpuNetwork::new(&network, 2, None).unwrap().run(&input).unwrap()
    };
    let slope = |at: usize| if at as f32 >= 30.0 { 1.0 } else { [0.5, 2.0][at / 6 % 2] };
    let want: Vec<f32> = (0..48).map(|at| (at as f32 - 30.0) * slope(at)).collect();
    for batch in [0, 1, 2] {
        assert_eq!(made(&[2, 1, 1], batch), want, "{batch}");
        assert_eq!(made(&[1, 2, 1, 1], batch), want, "{batch}");
    }
}

#[test]
fn heads_in_front_of_images_are_taken_apart() {
    let made = outputs(&heads(), 0);
    // [N, t, k, h, d] of 3x2x2x4: keys and the second of two halves of k are the same, so that both are one doubled.
    let input = |at: usize| (at * 37 % 64) as f32 / 16.0 - 2.0;
    let at = |image: usize, token: usize, head: usize, place: usize| {
        2.0 * input(image * 48 + token * 16 + 8 + head * 4 + place)
    };
    let mut want = Vec::new();
    for image in 0..3 {
        for head in 0..2 {
            for token in 0..3 {
                want.extend((0..4).map(|place| at(image, token, head, place)));
            }
        }
    }
    assert_eq!(made, want);
    for batch in [1, 3] {
        assert_eq!(outputs(&heads(), batch), want, "{batch}");
    }
}

#[test]
fn windows_of_images_are_as_many_images() {
    let made = outputs(&windows(), 0);
    for batch in [1, 3] {
        assert_eq!(outputs(&windows(), batch), made, "{batch}");
    }
    // Of every column of a window its maximum is taken away.
    for window in made.chunks(24) {
        for column in 0..12 {
            let most = window[column].max(window[column + 12]);
            assert!(most == 0.0 && window[column] + window[column + 12] < 0.0, "{window:?}");
        }
    }
}

/// A vector of all images, and numbers of it by their places in that.
#[test]
fn what_mixes_images_is_refused() {
    let flat = || node("Reshape", &["x", "all"], &["flat"], &[]);
    let constants = || {
        vec![
            list("all", &[-1]),
            list("places", &[0, 5]),
            list("six", &[6, -1]),
            list("zero", &[0]),
            list("front", &[0, 1]),
            floats("k", &[96], &[1.0; 96]),
        ]
    };
    let swapped = || node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(&[1, 0, 2, 3]))]);
    for nodes in [
        vec![flat(), node("Gather", &["flat", "places"], &["y"], &[])],
        vec![flat(), node("Softmax", &["flat"], &["y"], &[])],
        vec![flat(), node("ReduceSum", &["flat", "zero"], &["y"], &[])],
        vec![flat(), node("Slice", &["flat", "zero", "places"], &["y"], &[])],
        vec![flat(), node("Reshape", &["flat", "six"], &["y"], &[])],
        vec![flat(), node("MatMul", &["flat", "k"], &["y"], &[])],
        vec![swapped(), node("ReduceSum", &["t", "front"], &["y"], &[])],
        vec![swapped(), node("LayerNormalization", &["t", "k"], &["y"], &[("axis", Is::Int(1))])],
        vec![swapped(), node("Add", &["t", "x"], &["y"], &[])],
        vec![swapped(), node("GlobalAveragePool", &["t"], &["y"], &[])],
        vec![swapped(), node("Relu", &["t"], &["y"], &[])],
        vec![node("Reshape", &["x", "six"], &["y"], &[])],
    ] {
        for batch in [0, 4] {
            let model = Small::new(&[batch, 2, 3, 4], nodes.clone(), constants());
            let sized = Options::default().with_size("x", vec![4, 2, 3, 4]);
            let error = import(model.bytes(), &sized).map(|imported| imported.network).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}

/// The only image as a vector has no axis for images any more, which a product of a vector would drop.
#[test]
fn vectors_of_an_image_are_not_multiplied() {
    let nodes = vec![node("Reshape", &["x", "all"], &["v"], &[]), node("MatMul", &["v", "w"], &["y"], &[])];
    let error = Small::new(&[1, 2, 2], nodes, vec![list("all", &[-1]), ramp("w", &[4, 2])]).import().unwrap_err();
    assert!(error.to_string().contains("it multiplies a vector of all images"), "{error}");
}

/// Quarters of an image, one behind the other, through what goes by channels: as each by itself.
#[test]
fn parts_of_images_are_convolved_as_images() {
    let nodes = |first: &str| {
        vec![
            node("Conv", &[first, "w", "b"], &["c"], &[("group", Is::Int(2))]),
            node("BatchNormalization", &["c", "s", "t", "m", "v"], &["n"], &[]),
            node("PRelu", &["n", "slope"], &["p"], &[]),
            node("MaxPool", &["p"], &["y"], &[("kernel_shape", Is::Ints(&[1, 2]))]),
        ]
    };
    let vectors = [("b", [0.5, -0.25]), ("s", [2.0, 1.5]), ("t", [0.0, 1.0]), ("m", [0.25, 0.5]), ("v", [1.0, 2.0])];
    let constants = || {
        let vectors = vectors.map(|(name, values)| floats(name, &[2], &values)).to_vec();
        [
            vectors,
            vec![
                ramp("w", &[2, 1, 1, 2]),
                floats("slope", &[2, 1, 1], &[0.5, -0.25]),
                list("parts", &[-1, 2, 2, 3]),
                list("back", &[-1, 3, 2, 2]),
            ],
        ]
        .concat()
    };
    let network = |sizes: &[i64], nodes: Vec<Node>| Small::new(sizes, nodes, constants()).network();
    let mut parts = nodes("parted");
    parts.insert(0, node("Reshape", &["x", "parts"], &["parted"], &[]));
    let input: Vec<f32> = (0..72).map(|at| (at * 37 % 64) as f32 / 16.0 - 2.0).collect();
    let run = |network, images| CpuNetwork::new(network, images, None).unwrap().run(&input).unwrap();
    let alone = network(&[0, 2, 2, 3], nodes("x"));
    let together = Small::new(&[0, 6, 2, 3], parts, constants());
    let options = Options::default().with_size("x", vec![2, 6, 2, 3]);
    let together = import(together.bytes(), &options).unwrap();
    assert_eq!(together.outputs[0].sizes, [6, 2, 2, 1]);
    assert_eq!(run(&together.network, 2), run(&alone, 6));
}

/// Tokens before images, and both in one axis, as PyTorch's `MultiheadAttention` has them.
#[test]
fn tokens_before_images_are_one_axis_with_them() {
    let nodes = vec![
        node("Reshape", &["x", "tokens"], &["t"], &[]),
        node("Transpose", &["t"], &["first"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        node("Reshape", &["first", "flat"], &["f"], &[]),
        node("Gemm", &["f", "w", "zeros"], &["m"], &[("transB", Is::Int(1))]),
        node("Reshape", &["m", "heads"], &["h"], &[]),
        node("Transpose", &["h"], &["of_heads"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        node("Softmax", &["of_heads"], &["soft"], &[("axis", Is::Int(1))]),
        node("Transpose", &["soft"], &["back"], &[("perm", Is::Ints(&[1, 0, 2]))]),
        node("Reshape", &["back", "flat"], &["l"], &[]),
        node("Reshape", &["l", "apart"], &["a"], &[]),
        node("Transpose", &["a"], &["y"], &[("perm", Is::Ints(&[1, 0, 2]))]),
    ];
    let constants = |images: i64| {
        vec![
            list("tokens", &[0, 3, 4]),
            list("flat", &[-1, 4]),
            list("heads", &[3, 2 * images, 2]),
            list("apart", &[3, -1, 4]),
            floats("zeros", &[4], &[0.0; 4]),
            // Symmetric.
            floats("w", &[4, 4], &[2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]),
        ]
    };
    let input: Vec<f32> = (0..24).map(|at| (at * 37 % 64) as f32 / 16.0 - 2.0).collect();
    let of = |batch: i64, images: i64| {
        let model = Small::new(&[batch, 3, 2, 2], nodes.clone(), constants(images));
        let network = model.import().unwrap().network;
        CpuNetwork::new(&network, 2, None).unwrap().run(&input).unwrap()
    };
    let (made, alone) = (of(2, 2), of(1, 1));
    assert_eq!(made, alone);
    // Along tokens the numbers of each place of each image add up to 1.
    for image in made.chunks(12) {
        for place in 0..4 {
            let sum: f32 = (0..3).map(|token| image[token * 4 + place]).sum();
            assert!((sum - 1.0).abs() < 4.0 * f32::EPSILON, "{image:?}");
        }
    }
    // Of the first image's first tokens by hand: the softmax of 2 x along tokens.
    let exponentials: Vec<f32> = (0..3).map(|token| (2.0 * input[token * 4]).exp()).collect();
    let want = exponentials[0] / exponentials.iter().sum::<f32>();
    assert!((made[0] - want).abs() < 8.0 * f32::EPSILON, "{} {want}", made[0]);
}
