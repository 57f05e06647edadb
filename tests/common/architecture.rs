//! Small networks of published kinds, each layer placed by one rule, with small integers for weights.

use filter_summary::network::Network;
use filter_summary::{Placement, Starts};
use serde_json::{Value, json};

use super::networks::network;
use super::operands::Random;
use super::parts::{Tensor, integers};

/// How every convolution's filters are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One after another.
    Dense,
    /// Tap-major, a step of 2C (C where there is one tap).
    TapMajor,
    /// The authors' starts in a summary that repeats itself, ratio 4.
    Published,
    /// A summary of rank 3 that repeats itself in every axis, ratio 4.
    Volume,
}

impl Rule {
    pub const ALL: [Self; 4] = [Self::Dense, Self::TapMajor, Self::Published, Self::Volume];
}

/// A network under construction.
pub struct Builder {
    rule: Rule,
    nodes: Vec<Value>,
    tensors: Vec<(String, Tensor)>,
    random: Random,
}

impl Builder {
    pub fn new(rule: Rule) -> Self {
        Self { rule, nodes: Vec::new(), tensors: Vec::new(), random: Random::new(7) }
    }

    /// A node of any kind; returns its name.
    pub fn node(&mut self, name: &str, mut node: Value) -> String {
        node["name"] = json!(name);
        self.nodes.push(node);
        name.to_owned()
    }

    /// A convolution `[O, C, K, K]` with a scale and a bias, "same" padding and a ReLU, changed by `keys`.
    pub fn conv(&mut self, name: &str, input: &str, [out, channels, kernel]: [usize; 3], keys: Value) -> String {
        let same = vec![kernel / 2; 4];
        let mut node = json!({
            "op": "fs_conv2d", "input": input, "out_channels": out, "activation": "relu", "padding": same,
        });
        let window = json!({"channels": channels, "height": kernel, "width": kernel});
        let (shape, starts) = if self.rule == Rule::Volume {
            let depth = (out * channels / 4).max(1) as i64;
            let starts = (0..out as i64).flat_map(|i| [i * depth / out as i64, i / 3, i]);
            node["window"] = window;
            node["boundary"] = json!("wrap");
            (vec![depth as usize, kernel, kernel], integers(&[out, 3], starts))
        } else {
            let placement = match self.rule {
                Rule::TapMajor => Placement::tap_major(out, channels, kernel, kernel, channels * kernel.min(2)),
                Rule::Published => Placement::published(out, channels, kernel, kernel, 4.0),
                Rule::Dense | Rule::Volume => Placement::dense(out, channels, kernel, kernel),
            };
            let placement = placement.expect("a placement");
            let Starts::Line { length, starts } = placement.starts() else { panic!("not a line") };
            node["window"] = window;
            node["window"]["channel_stride"] = json!(placement.window().channel_stride());
            node["window"]["tap_offsets"] = json!(placement.window().tap_offsets());
            node["boundary"] = json!(if self.rule == Rule::Published { "wrap" } else { "none" });
            (vec![*length], integers(&[out], starts.iter().copied()))
        };
        if let (Some(node), Value::Object(keys)) = (node.as_object_mut(), keys) {
            node.extend(keys);
        }
        self.tensors.push((format!("{name}.starts"), starts));
        self.sparse(format!("{name}.summary"), &shape, 4);
        for part in ["scale", "bias"] {
            self.sparse(format!("{name}.{part}"), &[out], 1);
        }
        self.node(name, node)
    }

    /// A batch norm with a ReLU.
    pub fn norm(&mut self, name: &str, input: &str, channels: usize) -> String {
        for part in ["scale", "bias"] {
            self.sparse(format!("{name}.{part}"), &[channels], 1);
        }
        self.node(name, json!({"op": "batch_norm", "input": input, "activation": "relu"}))
    }

    /// A linear layer.
    pub fn linear(&mut self, name: &str, input: &str, shape: [usize; 2]) -> String {
        self.sparse(format!("{name}.weight"), &shape, 2);
        self.node(name, json!({"op": "linear", "input": input}))
    }

    /// Global average pooling and a linear layer of 3 classes; the network.
    pub fn classified(mut self, input: &str, channels: usize, shape: [usize; 3]) -> Network {
        self.node("mean", json!({"op": "global_avg_pool2d", "input": input}));
        self.linear("fc", "mean", [3, channels]);
        self.finish(shape)
    }

    /// The network, whose result is the last node's.
    pub fn finish(self, shape: [usize; 3]) -> Network {
        let tensors: Vec<(&str, Tensor)> =
            self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        network(shape, &self.nodes, &tensors)
    }

    /// A tensor in which one value in `every` is 1 or -1, and the others are 0: sums of many layers stay exact.
    fn sparse(&mut self, name: String, shape: &[usize], every: u64) {
        let value = |random: &mut Random| match random.below(2 * every) {
            0 => 1.0f32,
            1 => -1.0,
            _ => 0.0,
        };
        let count = shape.iter().product();
        let values = (0..count).flat_map(|_| value(&mut self.random).to_le_bytes()).collect();
        self.tensors.push((name, (safetensors::Dtype::F32, shape.to_vec(), values)));
    }
}

/// ResNet-18's kind: a stem with a maximum, basic blocks, a projection (option B) where the size changes.
pub fn basic_blocks(rule: Rule) -> Network {
    let mut net = Builder::new(rule);
    let stem = net.conv("stem", "input", [8, 3, 7], json!({"stride": [2, 2]}));
    let pool = json!({"op": "max_pool2d", "input": stem, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1, 1, 1]});
    let pool = net.node("pool", pool);
    let first = net.conv("a1", &pool, [8, 8, 3], json!({}));
    let first = net.conv("a2", &first, [8, 8, 3], json!({"residual": pool}));
    let project = net.conv("b.project", &first, [12, 8, 1], json!({"stride": [2, 2], "activation": "none"}));
    let second = net.conv("b1", &first, [12, 8, 3], json!({"stride": [2, 2]}));
    let second = net.conv("b2", &second, [12, 12, 3], json!({"residual": project}));
    net.classified(&second, 12, [3, 21, 19])
}

/// ResNet-50's kind: 1x1, 3x3 with the stride, 1x1, and a projection.
pub fn bottlenecks(rule: Rule) -> Network {
    let mut net = Builder::new(rule);
    let mut from = net.conv("stem", "input", [8, 3, 3], json!({}));
    let mut channels = 8;
    for (name, width, stride) in [("a", 4, 1), ("b", 8, 2)] {
        let part = |part: &str| format!("{name}.{part}");
        let stride = [stride, stride];
        let project = json!({"stride": stride, "activation": "none"});
        let project = net.conv(&part("project"), &from, [4 * width, channels, 1], project);
        let inner = net.conv(&part("1"), &from, [width, channels, 1], json!({}));
        let inner = net.conv(&part("2"), &inner, [width, width, 3], json!({"stride": stride}));
        from = net.conv(&part("3"), &inner, [4 * width, width, 1], json!({"residual": project}));
        channels = 4 * width;
    }
    net.classified(&from, channels, [3, 9, 8])
}

/// Pre-activation ResNets (`preresnet164` of `python/`): batch norm and ReLU before every convolution;
/// the first block's projection reads them too.
pub fn pre_activation(rule: Rule) -> Network {
    let mut net = Builder::new(rule);
    let none = json!({"activation": "none"});
    let mut from = net.conv("stem", "input", [8, 3, 3], none.clone());
    let mut channels = 8;
    for (name, width, stride) in [("a", 4, 1), ("b", 4, 1), ("c", 8, 2)] {
        let part = |part: &str| format!("{name}.{part}");
        let stride = [stride, stride];
        let normal = net.norm(&part("norm"), &from, channels);
        let out = 4 * width;
        let residual = if channels == out {
            from
        } else {
            let project = json!({"stride": stride, "activation": "none"});
            net.conv(&part("project"), &normal, [out, channels, 1], project)
        };
        let inner = net.conv(&part("1"), &normal, [width, channels, 1], json!({}));
        let inner = net.conv(&part("2"), &inner, [width, width, 3], json!({"stride": stride}));
        from = net.conv(&part("3"), &inner, [out, width, 1], json!({"residual": residual, "activation": "none"}));
        channels = out;
    }
    let normal = net.norm("norm", &from, channels);
    net.classified(&normal, channels, [3, 8, 8])
}

/// DenseNet's kind: `blocks` of `layers` layers that each append `growth` channels to what all before them have made,
/// with transitions that halve channels and size in between.
pub fn dense_blocks(rule: Rule, blocks: usize, layers: usize, growth: usize, size: usize) -> Network {
    let mut net = Builder::new(rule);
    let mut channels = 2 * growth;
    let mut from = net.conv("stem", "input", [channels, 3, 3], json!({"activation": "none"}));
    for block in 0..blocks {
        if block > 0 {
            let normal = net.norm(&format!("t{block}.norm"), &from, channels);
            let half = net.conv(
                &format!("t{block}.conv"),
                &normal,
                [channels / 2, channels, 1],
                json!({"activation": "none"}),
            );
            let pool = json!({"op": "avg_pool2d", "input": half, "kernel": [2, 2]});
            from = net.node(&format!("t{block}.pool"), pool);
            channels /= 2;
        }
        for layer in 0..layers {
            let part = |part: &str| format!("d{block}.{layer}.{part}");
            let normal = net.norm(&part("norm"), &from, channels);
            let inner = net.conv(&part("1"), &normal, [4 * growth, channels, 1], json!({}));
            let new = net.conv(&part("2"), &inner, [growth, 4 * growth, 3], json!({"activation": "none"}));
            from = net.node(&part("concat"), json!({"op": "concat", "inputs": [from, new]}));
            channels += growth;
        }
    }
    let normal = net.norm("norm", &from, channels);
    net.classified(&normal, channels, [3, size, size])
}

/// SqueezeNet's kind: fire modules, maxima whose size is rounded up, a 1x1 convolution with padding at the end.
pub fn fire_modules(rule: Rule) -> Network {
    let mut net = Builder::new(rule);
    let pool = |input: &str| {
        json!({"op": "max_pool2d", "input": input, "kernel": [3, 3],
               "stride": [2, 2], "ceil_mode": true})
    };
    let stem = net.conv("stem", "input", [8, 3, 7], json!({"stride": [2, 2], "padding": [0, 0, 0, 0]}));
    let mut from = net.node("pool1", pool(&stem));
    let mut channels = 8;
    for (name, squeezed, expanded) in [("f2", 4, 8), ("f3", 6, 8)] {
        let part = |part: &str| format!("{name}.{part}");
        let squeeze = net.conv(&part("squeeze"), &from, [squeezed, channels, 1], json!({}));
        let narrow = net.conv(&part("narrow"), &squeeze, [expanded, squeezed, 1], json!({}));
        let wide = net.conv(&part("wide"), &squeeze, [expanded, squeezed, 3], json!({}));
        from = net.node(&part("concat"), json!({"op": "concat", "inputs": [narrow, wide]}));
        channels = 2 * expanded;
    }
    let from = net.node("pool3", pool(&from));
    let last = net.conv("last", &from, [5, channels, 1], json!({"padding": [1, 1, 1, 1]}));
    net.node("mean", json!({"op": "global_avg_pool2d", "input": last}));
    net.finish([3, 25, 23])
}

/// VGG's kind: convolutions, maxima, and linear layers of the flattened rest.
pub fn plain(rule: Rule) -> Network {
    let mut net = Builder::new(rule);
    let first = net.conv("1", "input", [8, 3, 3], json!({}));
    let first = net.conv("2", &first, [8, 8, 3], json!({}));
    let pool = net.node("pool1", json!({"op": "max_pool2d", "input": first, "kernel": [2, 2]}));
    let second = net.conv("3", &pool, [12, 8, 3], json!({}));
    let pool = net.node("pool2", json!({"op": "max_pool2d", "input": second, "kernel": [2, 2]}));
    let flat = net.node("flat", json!({"op": "flatten", "input": pool}));
    net.linear("fc1", &flat, [10, 12 * 4]);
    let relu = net.node("relu", json!({"op": "relu", "input": "fc1"}));
    net.linear("fc2", &relu, [3, 10]);
    net.finish([3, 8, 8])
}
