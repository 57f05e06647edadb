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

/// Numbers in the place of the number of images: of one they might hold.
#[test]
fn a_batch_of_one_is_not_taken_for_any() {
    let refused = |sizes: &[i64], nodes: Vec<Node>, constants: Vec<Tensor>| {
        let error = Small::new(sizes, nodes, constants).import().unwrap_err().to_string();
        assert!(error.contains("depends on the batch") && !error.contains('\n'), "{error}");
    };
    let soft = || node("Softmax", &["r"], &["y"], &[("axis", Is::Int(1))]);
    refused(&[0, 3, 4], vec![node("Reshape", &["x", "to"], &["r"], &[]), soft()], vec![list("to", &[1, -1])]);
    let scatter = |dims: &[i64], indices: &[i64], new: &[i64], attributes: &[(&str, Is<'_>)], operator| {
        let indices = Tensor { dims: dims.to_vec(), ..list("i", indices) };
        let new = floats("u", new, &vec![1.0; new.iter().product::<i64>() as usize]);
        refused(&[0, 3, 4], vec![node(operator, &["x", "i", "u"], &["y"], attributes)], vec![indices, new]);
    };
    scatter(&[1, 2], &[0, 1], &[1, 4], &[], "ScatterND");
    scatter(&[1, 1, 4], &[0; 4], &[1, 1, 4], &[("axis", Is::Int(1))], "ScatterElements");
    let resize = node("Resize", &["x", "", "", "to"], &["y"], &[("mode", Is::Word("nearest"))]);
    refused(&[0, 3, 4, 4], vec![resize], vec![list("to", &[1, 3, 8, 8])]);
    // Of more images than one the model itself fails: what it says of one is meant for each.
    let nodes = vec![node("Reshape", &["x", "to"], &["r"], &[]), soft()];
    let network = Small::new(&[0, 3, 4], nodes, vec![list("to", &[1, 12])]).network();
    let made = CpuNetwork::new(&network, 2, None).unwrap().run(&[0.5; 24]).unwrap();
    assert!(made.iter().all(|value| (value - 1.0 / 12.0).abs() < 1e-6), "{made:?}");
}

/// Whatever it is, an only image is a number of things along an axis of size 1.
#[test]
fn an_only_image_is_any_axis() {
    let ramp: Vec<f32> = (0..6).map(|at| at as f32 / 8.0 - 1.0).collect();
    let of = |nodes: Vec<Node>| {
        let zero = Tensor { dims: Vec::new(), ..list("zero", &[0]) };
        let mask = Tensor { dims: vec![3, 1, 1], ..list("mask", &[1, 0, 1]) };
        let (more, seven) = (floats("more", &[2, 2, 3], &[0.5; 12]), floats("seven", &[], &[7.0]));
        let model = Small::new(&[1, 2, 3], nodes, vec![zero, list("first", &[0]), mask, more, seven]);
        (model.import().unwrap().outputs[0].sizes.clone(), model.run())
    };
    let none = [("axis", Is::Int(0))];
    let mean = ramp.iter().sum::<f32>() / 6.0;
    assert_eq!(of(vec![node("ReduceMean", &["x"], &["y"], &[])]), (vec![1, 1, 1], vec![mean]));
    assert_eq!(of(vec![node("Softmax", &["x"], &["y"], &none)]), (vec![1, 2, 3], vec![1.0; 6]));
    assert_eq!(of(vec![node("ReduceMean", &["x", "first"], &["y"], &[])]), (vec![1, 2, 3], ramp.clone()));
    assert_eq!(of(vec![node("Gather", &["x", "zero"], &["y"], &none)]), (vec![2, 3], ramp.clone()));
    let joined = of(vec![node("Concat", &["x", "x"], &["y"], &none)]);
    assert_eq!(joined, (vec![2, 2, 3], [ramp.clone(), ramp.clone()].concat()));
    let sum = of(vec![node("Add", &["x", "more"], &["y"], &[])]);
    let more: Vec<f32> = ramp.iter().map(|value| value + 0.5).collect();
    assert_eq!(sum, (vec![2, 2, 3], [more.clone(), more].concat()));
    let turned = node("Transpose", &["x"], &["t"], &[("perm", Is::Ints(&[2, 1, 0]))]);
    let chosen = of(vec![turned, node("Where", &["mask", "t", "seven"], &["y"], &[])]);
    assert_eq!(chosen, (vec![3, 2, 1], vec![ramp[0], ramp[3], 7.0, 7.0, ramp[2], ramp[5]]));
}

#[test]
fn comparisons_of_the_batch_are_refused() {
    let told = |operator: &str, with: i64| {
        let nodes = vec![
            node("Shape", &["x"], &["s"], &[("end", Is::Int(1))]),
            node(operator, &["s", "k"], &["t"], &[]),
            node("Cast", &["t"], &["f"], &[("to", Is::Int(1))]),
            node("Mul", &["x", "f"], &["y"], &[]),
        ];
        Small::new(&[0, 2], nodes, vec![list("k", &[with])]).import()
    };
    for (operator, with) in [("Equal", 3), ("Greater", 64), ("Mod", 2), ("LessOrEqual", 61)] {
        let error = told(operator, with).unwrap_err().to_string();
        assert!(error.contains("depends on the batch"), "{operator}: {error}");
    }
    assert!(told("Equal", -1).is_ok() && told("Greater", 0).is_ok());
}

/// What is alike for the two batches that nodes are imported for, and not for others.
#[test]
fn numbers_of_the_batch_are_sizes() {
    let of = |nodes: Vec<Node>| {
        let cast = node("Cast", &["c"], &["f"], &[("to", Is::Int(1))]);
        let shape = node("Shape", &["x"], &["n"], &[("end", Is::Int(1))]);
        let nodes = [vec![shape], nodes, vec![cast, node("Add", &["x", "f"], &["y"], &[])]].concat();
        let constants = vec![list("one", &[1]), list("two", &[2]), list("five", &[5]), list("seven", &[7])];
        Small::new(&[0, 2], nodes, constants).import()
    };
    let two = |operator: &str, inputs: [&str; 2], output: &str| node(operator, &inputs, &[output], &[]);
    let cases = [
        vec![two("Equal", ["n", "one"], "is"), node("Where", &["is", "five", "seven"], &["c"], &[])],
        vec![two("Min", ["n", "two"], "c")],
        vec![two("Div", ["one", "n"], "c")],
        vec![two("Sub", ["n", "one"], "less"), node("Sign", &["less"], &["c"], &[])],
        vec![two("Div", ["n", "two"], "half"), two("Mul", ["half", "two"], "even"), two("Equal", ["even", "n"], "c")],
    ];
    for nodes in cases {
        let told = format!("{:?}", nodes.iter().map(|node| &node.op_type).collect::<Vec<_>>());
        let error = of(nodes).unwrap_err().to_string();
        assert!(error.contains("depends on the batch") && !error.contains('\n'), "{told}: {error}");
    }
    assert!(of(vec![two("Sub", ["n", "n"], "c")]).is_ok());
    let more = node("Expand", &["x", "to"], &["y"], &[]);
    for size in [3, 59, 61] {
        let error = Small::new(&[0, 2], vec![more.clone()], vec![list("to", &[size, 2])]).import().unwrap_err();
        assert!(error.to_string().contains("batch"), "{error}");
    }
}

#[test]
fn images_are_not_counted_out() {
    let some = |end: i64| {
        let nodes = vec![node("Slice", &["x", "from", "to", "from"], &["y"], &[])];
        Small::new(&[0, 2, 2], nodes, vec![list("from", &[0]), list("to", &[end])]).import()
    };
    for end in [i64::MAX, i64::from(i32::MAX)] {
        assert!(some(end).is_ok(), "{end}");
    }
    let last = vec![node("Slice", &["x", "from", "to", "first"], &["y"], &[])];
    let lists = vec![list("from", &[-100]), list("to", &[i64::MAX]), list("first", &[0])];
    let error = Small::new(&[0, 2, 2], last, lists).import().unwrap_err().to_string();
    assert!(error.contains("some of the batch, images from -100"), "{error}");
    for end in [1, 3, 61, 64, 1000] {
        assert!(some(end).unwrap_err().to_string().contains("it takes some of the batch"), "{end}");
    }
}
