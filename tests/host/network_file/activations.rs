//! Activations in files, and those that are refused.

use std::collections::BTreeMap;

use filter_summary::network::{Network, Op, Prelu};
use filter_summary::{Activation, Placement, Problem};
use serde_json::{Value, json};

use crate::common::activations::activations;
use crate::common::parts::{Parts, floats};

/// One node on an image of three channels, as a file.
fn load(node: Value, slopes: Option<usize>) -> Result<Network, String> {
    let mut parts = Parts::good();
    parts.graph = json!({"input": {"channels": 3, "height": 2, "width": 2}, "nodes": [node], "output": "node"});
    parts.tensors = slopes.map(|count| ("node.slope".to_owned(), floats(&[count]))).into_iter().collect();
    parts.load().map_err(|error| error.to_string())
}

fn graph(network: &Network) -> Value {
    let bytes = network.to_bytes(&BTreeMap::new()).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    serde_json::from_str(header["__metadata__"]["graph"].as_str().unwrap()).unwrap()
}

#[test]
fn activations_are_written_as_they_are_read() {
    for (json, activation) in activations() {
        let node = json!({"name": "node", "op": "activation", "input": "input", "activation": json});
        let network = load(node, None).unwrap();
        assert_eq!(network.output().op, Op::Activation(activation));
        let written = &graph(&network)["nodes"][0];
        // ReLU is written as it was before there were others.
        let want = if activation == Activation::Relu {
            json!({"name": "node", "op": "relu", "input": "input"})
        } else {
            // As f32 has them.
            let json: Value = serde_json::from_str(&json.to_string().replace("[2,2]", "[2.0,2.0]")).unwrap();
            json!({"name": "node", "op": "activation", "input": "input", "activation": json})
        };
        assert_eq!(*written, want);
        let again = Network::from_bytes(&network.to_bytes(&BTreeMap::new()).unwrap()).unwrap();
        assert_eq!(again, network);
    }
}

#[test]
fn slopes_are_one_or_one_a_channel() {
    let node = json!({"name": "node", "op": "prelu", "input": "input"});
    for count in [1, 3] {
        let network = load(node.clone(), Some(count)).unwrap();
        let Op::Prelu(prelu) = &network.output().op else { panic!("a PReLU") };
        assert_eq!((prelu.slope.len(), network.parameters()), (count, count));
        let again = Network::from_bytes(&network.to_bytes(&BTreeMap::new()).unwrap()).unwrap();
        assert_eq!(again, network);
    }
    let wrong = load(node.clone(), Some(2)).unwrap_err();
    assert_eq!(wrong, "node node: tensor node.slope: its shape is [2]: it must be [3], one a channel, or [1]");
    assert_eq!(load(node, None).unwrap_err(), "node node: tensor node.slope: it is missing");
    let built = |slope| {
        let mut net = Network::builder([3, 2, 2]).unwrap();
        net.prelu("node", net.input(), Prelu::new(slope)).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(built(vec![0.5; 2]).unwrap_err(), "node node: slope is 2 values: it must have 3");
    assert_eq!(built(vec![f32::NAN]).unwrap_err(), "node node: slope[0] is NaN: it must be finite");
    assert_eq!(built(vec![0.5]), Ok(()));
}

#[test]
fn what_has_no_activation_is_refused() {
    let node = json!({"name": "node", "op": "activation", "input": "input"});
    assert_eq!(load(node, None).unwrap_err(), "node node: activation: it is missing");
    let node = json!({"name": "node", "op": "relu", "input": "input", "activation": "relu"});
    assert_eq!(load(node, None).unwrap_err(), "node node: activation is not a key of relu");
}

/// Base stages only cut values off.
#[test]
fn base_stages_have_three() {
    let rule = "it must be one of none, relu, relu6";
    for (json, activation) in activations() {
        let mut parts = Parts::good();
        parts.set("stem", "base_activation", json);
        let placement = Placement::one_base(4, 2, 3, 3, 2).unwrap();
        let problem = Problem::new(&placement, Default::default(), [1, 5, 5]).unwrap();
        let built = problem.with_base_stage(activation).map(|staged| staged.base_stage());
        if matches!(activation, Activation::None | Activation::Relu | Activation::Relu6) {
            assert_eq!(built, Ok(Some(activation)));
            continue;
        }
        let name = activation.name();
        assert_eq!(built.unwrap_err().to_string(), format!("base_activation is {name}: {rule}"));
        assert_eq!(parts.load().unwrap_err().to_string(), format!("node stem: base_activation is {name}: {rule}"));
    }
}
