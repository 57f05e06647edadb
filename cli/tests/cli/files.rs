//! Small files to work on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use filter_summary::tensor_file::{NewTensor, Values, encode};
use serde_json::json;

/// A tensor by name, shape and values.
pub type F32 = (String, Vec<usize>, Vec<f32>);

/// Writes a file of f32 tensors, and I64 `starts` where given.
pub fn write(path: &Path, tensors: &[F32], starts: Option<(&str, &[i64])>, metadata: &[(&str, &str)]) {
    let mut new: Vec<NewTensor<'_>> = tensors
        .iter()
        .map(|(name, shape, values)| NewTensor {
            name: name.clone(),
            shape: shape.clone(),
            values: Values::F32(values),
        })
        .collect();
    new.extend(starts.map(|(name, starts)| NewTensor {
        name: name.to_owned(),
        shape: vec![starts.len()],
        values: Values::I64(starts),
    }));
    let metadata: BTreeMap<_, _> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    std::fs::write(path, encode(&new, &metadata).unwrap()).unwrap();
}

/// A network that tells red (0), green (1) and blue (2) images apart. Its three 1x1 filters are segments of 0 0 1 0 0.
pub fn color_network(directory: &Path) -> PathBuf {
    let path = directory.join("colors.safetensors");
    let graph = json!({
        "input": {"channels": 3, "height": 32, "width": 32},
        "nodes": [
            {"name": "conv", "op": "fs_conv2d", "input": "input", "out_channels": 3, "activation": "relu",
             "window": {"channels": 3, "height": 1, "width": 1, "strides": [1, 1, 1]}},
            {"name": "pool", "op": "global_avg_pool2d", "input": "conv"},
            {"name": "linear", "op": "linear", "input": "pool"},
        ],
        "output": "linear",
        "labels": ["red", "green", "blue", "3", "4", "5", "6", "7", "8", "9"],
    });
    let mut weight = vec![0.0; 30];
    (0..3).for_each(|color| weight[color * 3 + color] = 4.0);
    let bias = (0..10).map(|class| if class < 3 { 0.0 } else { -9.0 }).collect();
    let tensors: [F32; 3] = [
        ("conv.summary".to_owned(), vec![5], vec![0.0, 0.0, 1.0, 0.0, 0.0]),
        ("linear.weight".to_owned(), vec![10, 3], weight),
        ("linear.bias".to_owned(), vec![10], bias),
    ];
    let graph = graph.to_string();
    let metadata = [("format", "filter-summary"), ("format_version", "1"), ("graph", graph.as_str())];
    write(&path, &tensors, Some(("conv.starts", &[2, 1, 0])), &metadata);
    path
}

/// CIFAR-10 records of one colour each: `(label, colour)`.
pub fn cifar(records: &[(u8, usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(label, color) in records {
        bytes.push(label);
        for channel in 0..3 {
            bytes.extend([if channel == color { 200u8 } else { 20 }; 1024]);
        }
    }
    bytes
}

/// Metadata of [`layer`].
pub const LAYER: [(&str, &str); 3] = [
    ("window", r#"{"channels":2,"height":3,"width":3,"strides":[1,6,2]}"#),
    ("padding", "1,1,1,1"),
    ("activation", "relu"),
];

/// Tensors and starts of a layer of 4 filters, tap-major with step C; `expected` is what a naive loop computes.
pub fn layer() -> (Vec<F32>, Vec<i64>) {
    let (channels, filters, size, length) = (2usize, 4usize, 5usize, 24usize);
    let number = |index: usize| ((index * 37 + 11) % 17) as f32 / 4.0 - 2.0;
    let input: Vec<f32> = (0..channels * size * size).map(number).collect();
    let summary: Vec<f32> = (0..length).map(|index| number(index + 5)).collect();
    let expected = expected(&input, &summary);
    let tensors = vec![
        ("input".to_owned(), vec![1, channels, size, size], input),
        ("summary".to_owned(), vec![length], summary),
        ("expected".to_owned(), vec![1, filters, size, size], expected),
    ];
    (tensors, (0..filters as i64).map(|filter| filter * channels as i64).collect())
}

/// What [`layer`] gives with other values, by a naive loop.
pub fn expected(input: &[f32], summary: &[f32]) -> Vec<f32> {
    let (channels, filters, size) = (2usize, 4usize, 5usize);
    let mut expected = Vec::new();
    for filter in 0..filters {
        for y in 0..size {
            for x in 0..size {
                let mut sum = 0.0f32;
                for tap in 0..9 {
                    let (row, column) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                    if row < size && column < size {
                        for channel in 0..channels {
                            let weight = summary[filter * channels + tap * channels + channel];
                            sum += weight * input[(channel * size + row) * size + column];
                        }
                    }
                }
                expected.push(sum.max(0.0));
            }
        }
    }
    expected
}

/// Writes [`layer`], its `expected` off by `error` in one place.
pub fn layer_file(directory: &Path, error: f32) -> PathBuf {
    let path = directory.join("layer.safetensors");
    let (mut tensors, starts) = layer();
    tensors[2].2[7] += error;
    write(&path, &tensors, Some(("starts", &starts)), &LAYER);
    path
}
