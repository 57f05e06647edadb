//! Good files: what is read is what was written, and the other way round.

use std::collections::BTreeMap;
use std::path::Path;

use filter_summary::network::{
    Binary, ChannelOrder, ConvKind, GlobalPool, Network, Node, Op, Pool, ShortcutA, Source, UpsampleNearest,
};
use filter_summary::{Activation, Boundary, Starts};
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::built::Pieces;
use crate::common::parts::{Parts, floats, integers};

fn written(network: &Network) -> Vec<u8> {
    network.to_bytes(&BTreeMap::new()).unwrap()
}

fn node<'a>(network: &'a Network, name: &str) -> &'a Node {
    network.nodes().iter().find(|node| node.name == name).unwrap()
}

#[test]
fn everything_is_read() {
    let network = Parts::good().load().unwrap();
    let names: Vec<&str> = network.nodes().iter().map(|node| node.name.as_str()).collect();
    let order = [
        "stem", "cube", "short", "dense", "max", "avg", "joined", "positive", "sum", "flat", "norm", "mean", "tail",
        "fc",
    ];
    assert_eq!(names, order, "the file's order, except that dense waits for what it reads");
    let shapes: Vec<[usize; 3]> = network.nodes().iter().map(|node| node.shape).collect();
    let (small, joined) = ([12, 2, 2], [24, 2, 2]);
    let tail = [[96, 1, 1], joined, [24, 1, 1], [120, 1, 1], [3, 1, 1]];
    let head = [[8, 6, 6], [6, 3, 3], [12, 3, 3], [12, 3, 3], small, small, joined, joined, joined];
    assert_eq!(shapes, [head.as_slice(), tail.as_slice()].concat());

    let input = network.input();
    assert_eq!(input.shape, [4, 6, 6]);
    assert_eq!((input.preprocess.order, input.preprocess.scale), (ChannelOrder::Bgr, 0.5));
    assert_eq!(
        (&input.preprocess.mean[..], &input.preprocess.std[..]),
        (&[1., 2., 3., 4.][..], &[0.25, 0.5, 1., 2.][..])
    );
    assert_eq!(network.labels(), ["one", "two", "three"]);
    assert_eq!(network.output().name, "fc");
    assert_eq!(network.metadata(), &BTreeMap::from([("producer".to_owned(), "a test".to_owned())]));
    assert_eq!(network.parameters(), 92 + 8 + 60 + 6 + 72 + 24 + 24 + 360 + 3);

    let dense = node(&network, "dense");
    assert_eq!(dense.inputs, [Source::Node(1), Source::Node(2)], "the residual comes second");
    let Op::Conv(conv) = &dense.op else { panic!("{dense:?}") };
    assert_eq!(
        (conv.kind, conv.activation, &conv.scale, &conv.bias),
        (ConvKind::Dense, Activation::Relu, &None, &None)
    );
    assert_eq!(conv.summary.weight(1, 2, 0), 1.5);

    let Op::Conv(conv) = &node(&network, "cube").op else { panic!() };
    assert_eq!((conv.kind, conv.activation), (ConvKind::FilterSummary, Activation::None));
    assert_eq!(
        (conv.conv.stride, conv.conv.padding, conv.conv.dilation, conv.conv.groups),
        ([2, 2], [1; 4], [1, 1], 2)
    );
    let placement = conv.summary.placement();
    assert_eq!(placement.boundary(), Boundary::Wrap);
    let Starts::Volume { dims, starts } = placement.starts() else { panic!() };
    assert_eq!((dims, starts[1]), (&[5, 4, 3], [1, 8, 15]));
    assert_eq!(conv.scale.as_ref().unwrap()[5], -1.5);

    let Op::Conv(conv) = &node(&network, "stem").op else { panic!() };
    assert_eq!(conv.summary.placement().window().tap_offsets(), [0, 4, 8, 12, 16, 20, 24, 28, 32]);
    assert_eq!((conv.bias.as_ref().unwrap()[2], conv.summary.values()[14]), (-4.5, -5.5));

    let Op::Conv(conv) = &node(&network, "fc").op else { panic!() };
    assert_eq!((conv.kind, conv.summary.weight(2, 7, 0)), (ConvKind::Linear, (247 % 13) as f32 - 6.5));

    let pool = Pool::max([2, 2]).with_ceil_mode(true);
    assert_eq!(node(&network, "max").op, Op::Pool(pool));
    let average = Pool::average([3, 3]).with_stride([2, 2]).with_padding([1; 4]).with_count_include_pad(false);
    assert_eq!(node(&network, "avg").op, Op::Pool(average));
    assert_eq!(node(&network, "mean").op, Op::GlobalPool(GlobalPool::average()));
    assert_eq!(node(&network, "short").op, Op::ShortcutA(ShortcutA::new(12, [2, 2])));
    assert_eq!(node(&network, "sum").op, Op::Binary(Binary::add().with_activation(Activation::Relu)));
    assert_eq!(node(&network, "positive").op, Op::Activation(Activation::Relu));
    let Op::BatchNorm(norm) = &node(&network, "norm").op else { panic!() };
    assert_eq!((norm.scale[2], norm.bias[23], norm.activation), (-4.5, 3.5, Activation::Relu));
}

#[test]
fn defaults() {
    let mut parts = Parts::good();
    parts.graph["input"].as_object_mut().unwrap().remove("preprocess");
    parts.graph.as_object_mut().unwrap().remove("labels");
    let network = parts.load().unwrap();
    let preprocess = &network.input().preprocess;
    assert_eq!((preprocess.order, preprocess.scale), (ChannelOrder::Rgb, 1.0 / 255.0));
    assert_eq!((&preprocess.mean[..], &preprocess.std[..]), (&[0.0; 4][..], &[1.0; 4][..]));
    assert!(network.labels().is_empty());
}

/// PyTorch 2: `torch.nn.functional.max_pool2d(torch.zeros(1, 1, *size), ..., ceil_mode=...)`.
#[test]
fn pool_sizes_are_those_of_pytorch() {
    let pool = |kernel, stride, padding, ceil_mode| {
        Pool::max([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 4]).with_ceil_mode(ceil_mode)
    };
    let size = |pool: Pool, size| pool.output_size([size; 2]).unwrap()[0];
    assert_eq!(size(pool(3, 2, 1, false), 112), 56);
    assert_eq!(size(pool(3, 2, 1, true), 112), 57);
    assert_eq!(size(pool(3, 2, 0, true), 112), 56);
    assert_eq!(size(pool(2, 2, 0, true), 75), 38);
    assert_eq!(size(pool(2, 2, 1, true), 4), 3);
    assert_eq!(size(pool(2, 2, 1, true), 5), 3, "a fourth window would start in the padding");
    assert_eq!(size(pool(1, 3, 0, true), 5), 2);
    assert_eq!(size(pool(2, 5, 0, true), 6), 2);
    assert_eq!(size(pool(2, 5, 0, true), 4), 1);
    assert_eq!(size(pool(2, 5, 0, true), 5), 1, "a second window would start beyond the input");
}

#[test]
fn a_written_network_reads_back() {
    let network = Parts::good().load().unwrap();
    let bytes = written(&network);
    assert_eq!(Network::from_bytes(&bytes).unwrap(), network);
    assert_eq!(written(&network), bytes, "the same bytes every time");

    // The reference reader agrees about container, tensors and alignment.
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let original = Parts::good();
    assert_eq!(tensors.len(), original.tensors.len());
    for (name, (dtype, shape, bytes)) in &original.tensors {
        let tensor = tensors.tensor(name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape(), tensor.data()), (*dtype, &shape[..], &bytes[..]), "{name}");
    }
    assert_eq!(
        bytes[..8],
        ((bytes.len() - 8 - original.tensors.values().map(|t| t.2.len()).sum::<usize>()) as u64).to_le_bytes()
    );
    assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
}

#[test]
fn metadata_is_kept_and_added_to() {
    let network = Parts::good().load().unwrap();
    let extra = BTreeMap::from([("epochs".to_owned(), "20".to_owned())]);
    let again = Network::from_bytes(&network.to_bytes(&extra).unwrap()).unwrap();
    assert_eq!(again.metadata()["producer"], "a test");
    assert_eq!(again.metadata()["epochs"], "20");
    let reserved = BTreeMap::from([("graph".to_owned(), "{}".to_owned())]);
    assert_eq!(network.to_bytes(&reserved).unwrap_err().to_string(), "metadata graph: the format itself writes it");
}

#[test]
fn bundled_models_load() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let network = Network::load(&path).unwrap();
            assert_eq!(Network::from_bytes(&written(&network)).unwrap(), network, "{}", path.display());
        }
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_on_disk() {
    let network = Parts::good().load().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("net.safetensors");
    network.save(&path).unwrap();
    network.save(&path).unwrap();
    assert_eq!(Network::load(&path).unwrap(), network);
    assert_eq!(entries(directory.path()), ["net.safetensors"]);

    // A file that cannot be replaced leaves nothing behind.
    let taken = directory.path().join("taken");
    std::fs::create_dir_all(taken.join("inside")).unwrap();
    assert!(network.save(&taken).unwrap_err().to_string().starts_with(&format!("{}: ", taken.display())));
    assert!(network.save(&directory.path().join("absent/net")).is_err());
    assert!(network.save(Path::new("/")).is_err());
    assert_eq!(entries(directory.path()), ["net.safetensors", "taken"]);

    std::fs::write(&path, b"1234567").unwrap();
    let message = Network::load(&path).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "{}: it is a text (1234567), not safetensors: if it was downloaded, that went wrong: download it again",
            path.display()
        )
    );
    let absent = directory.path().join("absent");
    assert!(Network::load(&absent).unwrap_err().to_string().starts_with(&format!("{}: ", absent.display())));
}

/// A random graph over images of 5x4, whose nodes all keep the size: nodes, and the channels of each.
fn random_parts(seed: u64, length: usize) -> Parts {
    let mut state = seed | 1;
    let mut pick = move |count: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % count
    };
    let mut parts = Parts::good();
    parts.tensors.clear();
    let mut nodes: Vec<Value> = Vec::new();
    let mut channels = vec![4];
    for index in 0..length {
        let name = format!("n{index}");
        let name_of = |source: usize| if source == 0 { "input".to_owned() } else { format!("n{}", source - 1) };
        let source = pick(channels.len());
        let (input, c) = (name_of(source), channels[source]);
        let out = c * (1 + pick(2));
        let groups = if c % 2 == 0 { 1 + pick(2) } else { 1 };
        let per_group = c / groups;
        let mut node = json!({"name": name, "input": input});
        let mut set = |key: &str, value: Value| node[key] = value;
        let mut result = c;
        match pick(10) {
            0 | 1 => {
                set("op", json!("fs_conv2d"));
                set("out_channels", json!(out));
                set("groups", json!(groups));
                set("padding", json!([1, 1, 1, 1]));
                set("boundary", json!(["zero", "wrap"][pick(2)]));
                let window = json!({"channels": per_group, "height": 3, "width": 3});
                set("window", window);
                let shape = if pick(3) == 0 { vec![3, 2, 5] } else { vec![7 + pick(20)] };
                if shape.len() == 1 {
                    let window = &mut node["window"];
                    match pick(3) {
                        0 => window["strides"] = json!([1, 3 * c, c]),
                        1 => window["strides"] = json!([pick(30) as i64 - 15, 5, -2]),
                        _ => {
                            window["channel_stride"] = json!(pick(5));
                            window["tap_offsets"] = (0..9).map(|_| pick(40) as i64 - 20).collect::<Vec<_>>().into();
                        }
                    }
                }
                let starts = if shape.len() == 1 { vec![out] } else { vec![out, 3] };
                let count = starts.iter().product::<usize>();
                parts.tensor(&format!("{name}.starts"), integers(&starts, (0..count).map(|_| pick(60) as i64 - 30)));
                parts.tensor(&format!("{name}.summary"), floats(&shape));
                result = out;
            }
            2 => {
                set("op", json!("conv2d"));
                set("out_channels", json!(out));
                set("groups", json!(groups));
                set("kernel", json!([1, 2]));
                set("padding", json!([0, 1, 0, 0]));
                set("activation", json!("relu"));
                let same: Vec<usize> = (0..channels.len()).filter(|&other| channels[other] == out).collect();
                if !same.is_empty() {
                    set("residual", json!(name_of(same[pick(same.len())])));
                }
                parts.tensor(&format!("{name}.weight"), floats(&[out, per_group, 1, 2]));
                for suffix in ["scale", "bias"].into_iter().take(pick(3)) {
                    parts.tensor(&format!("{name}.{suffix}"), floats(&[out]));
                }
                result = out;
            }
            3 => set("op", json!("relu")),
            4 => {
                let op = ["max_pool2d", "avg_pool2d"][pick(2)];
                set("op", json!(op));
                set("kernel", json!([3, 3]));
                set("stride", json!([1, 1]));
                set("padding", json!([1, 1, 1, 1]));
                set("ceil_mode", json!(pick(2) == 0));
                if op == "avg_pool2d" {
                    set("count_include_pad", json!(pick(2) == 0));
                }
            }
            5 => {
                set("op", json!("shortcut_a"));
                set("out_channels", json!(out + 1));
                set("stride", json!([1, 1]));
                result = out + 1;
            }
            6 => {
                let other = pick(channels.len());
                node = json!({"name": name, "op": "concat", "inputs": [input, name_of(other)]});
                result = c + channels[other];
            }
            7 => {
                set("op", json!("batch_norm"));
                set("activation", json!(["none", "relu"][pick(2)]));
                for suffix in ["scale", "bias"] {
                    parts.tensor(&format!("{name}.{suffix}"), floats(&[c]));
                }
            }
            _ => node = json!({"name": name, "op": "add", "inputs": [input, input], "activation": "relu"}),
        }
        nodes.push(node);
        channels.push(result);
    }
    for index in (1..nodes.len()).rev() {
        nodes.swap(index, pick(index + 1));
    }
    parts.graph["input"]["height"] = json!(5);
    parts.graph["input"]["width"] = json!(4);
    parts.graph["input"]["preprocess"]["scale"] = json!(1.0 / (1 + pick(255)) as f32);
    parts.graph["nodes"] = nodes.into();
    parts.graph["output"] = json!(format!("n{}", length - 1));
    parts.graph["labels"] = json!([]);
    parts
}

#[test]
fn upsampling_reads_back() {
    let mut parts = Parts::good();
    parts.graph = json!({
        "input": {"channels": 4, "height": 6, "width": 6},
        "nodes": [{"name": "up", "op": "upsample_nearest2d", "input": "input", "scale_factor": [2, 3]}],
        "output": "up",
    });
    parts.tensors.clear();
    let network = parts.load().unwrap();
    assert_eq!(node(&network, "up").op, Op::UpsampleNearest(UpsampleNearest::new([2, 3])));
    assert_eq!(node(&network, "up").shape, [4, 12, 18]);
    assert_eq!(Network::from_bytes(&written(&network)).unwrap(), network);
    let mut net = Network::builder([4, 6, 6]).unwrap();
    let up = net.upsample_nearest("up", net.input(), [2, 3]).unwrap();
    net.metadata("producer", "a test").unwrap();
    assert_eq!(net.finish(up).unwrap(), network);
}

proptest! {
    #[test]
    fn random_networks_read_back(seed: u64, length in 1usize..12) {
        let network = random_parts(seed, length).load().map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(network.nodes().len(), length);
        for (index, node) in network.nodes().iter().enumerate() {
            let earlier = |source: &Source| match *source {
                Source::Input => true,
                Source::Node(other) => other < index,
            };
            prop_assert!(node.inputs.iter().all(earlier));
        }
        let again = Network::from_bytes(&written(&network)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&again, &network);
        let built = Pieces::of(&network).build(network.metadata());
        let built = built.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(written(&built), written(&network));
        prop_assert_eq!(built, network);
    }
}
