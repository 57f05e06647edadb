//! Networks with several results.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use filter_summary::network::{CpuNetwork, GpuNetwork, Network, NetworkReference};
use filter_summary::{BufferRange, PlanOptions};
use serde_json::{Value, json};

use crate::common::gpu::device;
use crate::common::interpreter::interpret;
use crate::common::networks::{images, run_on_gpu, ternary};
use crate::common::operands::Random;
use crate::common::parts::Parts;

/// Of images `[3, 4, 5]`.
fn network(outputs: &[&str]) -> Network {
    let mut parts = Parts::good();
    let node = |name: &str, op: &str, input: &str| json!({"name": name, "op": op, "input": input});
    let mut conv = node("conv", "conv2d", "input");
    conv["out_channels"] = json!(4);
    conv["kernel"] = json!([1, 1]);
    let mut shape = node("shape", "reshape", "conv");
    shape["shape"] = json!([2, 8, 5]);
    let mut wide = node("wide", "reshape", "input");
    wide["shape"] = json!([1, 3, 20]);
    let nodes: Vec<Value> = vec![
        conv,
        node("relu", "relu", "conv"),
        node("mean", "global_avg_pool2d", "relu"),
        node("flat", "flatten", "conv"),
        shape,
        wide,
        node("raw", "flatten", "input"),
        json!({"name": "both", "op": "concat", "inputs": ["conv", "relu"]}),
        node("last", "softmax", "both"),
    ];
    parts.graph = json!({
        "input": {"channels": 3, "height": 4, "width": 5}, "nodes": nodes, "outputs": outputs,
    });
    parts.tensors = [("conv.weight".to_owned(), ternary(&[4, 3, 1, 1]))].into();
    parts.load().expect("a good network")
}

const LISTS: [&[&str]; 8] = [
    &["last"],
    &["conv", "last"],
    &["relu", "conv", "both"],
    // Views of results, of what is none, of the input, several of each.
    &["flat", "conv", "shape"],
    &["flat", "shape", "last"],
    &["wide", "raw", "mean"],
    &["both", "last", "mean", "relu", "conv", "flat", "shape", "wide", "raw"],
    &["raw"],
];

#[test]
fn all_results_come_out() {
    for outputs in LISTS {
        let network = network(outputs);
        let names: Vec<&str> = network.outputs().map(|node| node.name.as_str()).collect();
        assert_eq!((names.as_slice(), network.output().name.as_str()), (outputs, outputs[0]));
        assert_eq!(Network::from_bytes(&network.to_bytes(&Default::default()).unwrap()).unwrap(), network);
        let input = images(&network, 3, 1, Random::integer);
        let want: Vec<_> = outputs.iter().map(|output| interpret(&self::network(&[output]), &input)).collect();

        let forward = CpuNetwork::new(&network, 3, None).unwrap();
        for _ in 0..2 {
            let got = forward.run_all(&input).unwrap();
            assert_eq!(got.len(), outputs.len());
            assert_eq!(got[0], forward.run(&input).unwrap());
            for ((want, got), name) in want.iter().zip(&got).zip(outputs) {
                assert_eq!(want.first_difference(got), None, "{name} of {outputs:?} on the CPU");
            }
        }

        let reference = NetworkReference::new(&network).unwrap();
        for (at, image) in input.chunks(60).enumerate() {
            let all = reference.image_with_outputs(image).unwrap();
            assert_eq!((all.len(), &all[0]), (outputs.len(), &reference.image(image).unwrap()));
            for ((want, got), name) in want.iter().zip(&all).zip(outputs) {
                let of_image = got.output.iter().zip(&want.value[at * got.output.len()..]);
                let worst = of_image.fold(0.0f64, |worst, (got, want)| worst.max((got - want).abs()));
                assert!(worst < 1e-6, "{name} of {outputs:?}: the reference is {worst} off");
            }
        }

        let Some(device) = device() else { continue };
        for read_write in [false, true] {
            let mut options = PlanOptions::default();
            options.bind_read_write = read_write;
            let forward =
                GpuNetwork::new(&device.trusted, &device.gpu.target(), &network, 3, options).expect("a network");
            let first = run_on_gpu(device, &forward, &input);
            assert_eq!(forward.outputs().len(), outputs.len());
            for (at, (want, name)) in want.iter().zip(outputs).enumerate() {
                let got = device.gpu.download(&forward.outputs()[at]).unwrap();
                assert_eq!(want.first_difference(&got), None, "{name} of {outputs:?} on the GPU");
                assert!(at > 0 || got == first);
            }
        }
    }
}

/// Into buffers of the caller's: of the first results or all, for fewer images too.
#[test]
fn results_go_to_buffers_of_the_callers() {
    let Some(device) = device() else { return };
    let network = network(&["conv", "flat", "last"]);
    let (gpu, target) = (&device.gpu, device.gpu.target());
    let forward = GpuNetwork::new(&device.trusted, &target, &network, 3, PlanOptions::default()).unwrap();
    let input = images(&network, 2, 5, Random::integer);
    gpu.write(forward.input(), &input).unwrap();
    let buffer = |values: usize| gpu.fill("results", f32::NAN, values).unwrap();
    let buffers = [buffer(2 * 80), buffer(2 * 80), buffer(2 * 160)];
    let want: Vec<_> = ["conv", "flat", "last"].map(|output| interpret(&self::network(&[output]), &input)).into();
    for given in 0..=3 {
        let ranges: Vec<BufferRange<'_>> = buffers[..given].iter().map(BufferRange::whole).collect();
        let bound = forward.bind_outputs(2, BufferRange::whole(forward.input()), &ranges).unwrap();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        bound.record(&mut encoder.begin_compute_pass(&Default::default()));
        gpu.submit(encoder).unwrap();
        for (at, want) in want.iter().enumerate() {
            let buffer = if at < given { &buffers[at] } else { &forward.outputs()[at] };
            let got = gpu.download(buffer).unwrap();
            assert_eq!(want.first_difference(&got[..want.value.len()]), None, "output {at}, {given} given");
        }
    }
    let range = BufferRange::whole;
    let refused = |ranges: &[BufferRange<'_>]| {
        forward.bind_outputs(2, range(forward.input()), ranges).map(|_| ()).unwrap_err().to_string()
    };
    let [conv, flat, last] = [&buffers[0], &buffers[1], &buffers[2]].map(range);
    assert_eq!(refused(&[conv, flat, last, last]), "outputs is 4: the network has 3");
    assert!(refused(&[conv, conv, last]).contains("overlapping"), "{}", refused(&[conv, conv, last]));
    assert!(refused(&[conv, flat, flat]).starts_with("outputs[2].size is"), "{}", refused(&[conv, flat, flat]));
    let own = range(&forward.outputs()[1]);
    assert!(refused(&[own]).contains("overlapping outputs[1]"), "{}", refused(&[own]));
}

#[test]
fn wrong_lists_of_results_are_refused() {
    let message = |change: &dyn Fn(&mut Value)| {
        let mut parts = Parts::good();
        change(&mut parts.graph);
        parts.load().unwrap_err().to_string()
    };
    let outputs = |graph: &mut Value, names: Value| {
        graph.as_object_mut().unwrap().remove("output");
        graph["outputs"] = names;
    };
    for (want, names) in [
        ("graph: outputs has none: it must be one or more", json!([])),
        ("graph: outputs has mean twice", json!(["mean", "fc", "mean"])),
        ("graph: one of outputs is meen, which is not a node (is mean meant?)", json!(["fc", "meen"])),
        ("graph: one of outputs is input, which is not a node", json!(["fc", "input"])),
        ("labels: there are 3: the output has 24 values", json!(["mean", "fc"])),
    ] {
        assert_eq!(message(&|graph| outputs(graph, names.clone())), want);
    }
    assert_eq!(message(&|graph| graph["outputs"] = json!(["fc"])), "graph: there are both output and outputs");
    let neither = message(&|graph| drop(graph.as_object_mut().unwrap().remove("output")));
    assert_eq!(neither, "graph: output is missing");
}
