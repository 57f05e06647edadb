//! A step of training, forward, backward and SGD, of a net of two 3x3 convolutions with ReLU between, 64-256-256
//! channels: by burn's dense convolution; by Filter Summary, with burn's operations; and by this crate's kernels.
//!
//! `cargo run --example step -- [--size 16] [--batch 2] [--rounds 5]`, with `--release` where burn's host time matters.
//! It first shows that the last two compute the same, then times of all, in turns.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example prints, and stops at errors"
)]

use std::time::Instant;

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData, activation};
use filter_summary::{Conv2d, Placement};
use filter_summary_burn::{FsGeometry, FsWeights, fs_conv2d};

const CHANNELS: [usize; 3] = [64, 256, 256];
const RATE: f64 = 1e-3;

/// How the filters of a layer lie, by how many there are and their channels.
type Filters = fn(usize, usize) -> filter_summary::Result<Placement>;

const PLACEMENTS: [(&str, Filters); 3] = [
    ("s = C", |filters, channels| Placement::tap_major(filters, channels, 3, 3, channels)),
    ("s = C, gains", |filters, channels| Ok(Placement::tap_major(filters, channels, 3, 3, channels)?.with_gains())),
    ("one base a filter, gains", |filters, channels| Placement::one_base(filters, channels, 3, 3, channels)),
];

/// The convolution of an input by parameters.
type Forward = dyn Fn(Tensor<4>, &[Tensor<1>]) -> Tensor<4>;

/// A convolution and its parameters, each of them flat.
struct Layer {
    parameters: Vec<Tensor<1>>,
    forward: Box<Forward>,
}

/// A contestant.
struct Net {
    name: String,
    /// Without a graph, of which every step makes a new one.
    x: Tensor<4>,
    layers: Vec<Layer>,
}

impl Net {
    fn new(name: String, x: Tensor<4>, layer: impl Fn(usize) -> Layer) -> Self {
        Self { name, x, layers: (0..CHANNELS.len() - 1).map(layer).collect() }
    }

    /// The loss, and the gradients of all parameters; moves the parameters.
    fn step(&mut self) -> (f32, Vec<Tensor<1>>) {
        let mut value = Tensor::from_inner(self.x.clone());
        for (index, layer) in self.layers.iter().enumerate() {
            let input = if index == 0 { value } else { activation::relu(value) };
            value = (layer.forward)(input, &layer.parameters);
        }
        let loss = (value.clone() * value).mean();
        let gradients = loss.backward();
        let mut all = Vec::new();
        for layer in &mut self.layers {
            for parameter in &mut layer.parameters {
                let gradient = parameter.grad(&gradients).expect("a gradient");
                *parameter = Tensor::from_inner(parameter.clone().inner() - gradient.clone() * RATE).require_grad();
                all.push(gradient);
            }
        }
        // Waits for the step.
        for layer in &self.layers {
            layer.parameters[0].clone().narrow(0, 0, 1).into_data();
        }
        (loss.into_data().try_into_vec::<f32>().unwrap()[0], all)
    }
}

fn main() {
    let mut numbers = [("--size", 16), ("--batch", 2), ("--rounds", 5)];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        let known = numbers.iter_mut().find(|(name, _)| *name == pair[0]).expect("--size, --batch or --rounds");
        known.1 = pair.get(1).and_then(|number| number.parse().ok()).expect("a number");
    }
    let [size, batch, rounds] = numbers.map(|(_, number)| number);
    let (device, setup) = Device::wgpu_options().init_with_setup().expect("a wgpu device");
    filter_summary_burn::register(&device, &setup).expect("a wgpu device");
    // The same once more, by a name that this crate does not know: there burn's operations run.
    let unknown = Device::wgpu_options().setup(setup.clone()).init().expect("a wgpu device").autodiff();
    let device = device.autodiff();
    let adapter = setup.adapter.get_info();
    println!(
        "{} ({}), batch {batch}, {size}x{size}, fusion: {}",
        adapter.name,
        adapter.driver_info,
        cfg!(feature = "fusion")
    );
    let shape = [batch, CHANNELS[0], size, size];
    let x = |device: &Device| parameter(shape.iter().product(), 5, 1.0, device).inner().reshape(shape);

    let mut nets = vec![Net::new("burn, dense".to_owned(), x(&device), |layer| dense(layer, &device))];
    for (name, of_filters) in PLACEMENTS {
        let geometry = |layer: usize| {
            let placement = of_filters(CHANNELS[layer + 1], CHANNELS[layer]).expect("a placement");
            FsGeometry::new(placement, Conv2d::padded(1)).expect("a geometry")
        };
        let by = |device: &Device| {
            let device = device.clone();
            move |layer| ours(&geometry(layer), layer, &device)
        };
        nets.push(Net::new(format!("burn's operations, {name}"), x(&unknown), by(&unknown)));
        nets.push(Net::new(format!("kernels, {name}"), x(&device), by(&device)));
    }

    println!("\n| computed by | by kernels: difference of loss, largest of gradients, of the largest |\n|---|---|");
    let mut first: Vec<(f32, Vec<Tensor<1>>)> = nets.iter_mut().map(|net| net.step()).collect();
    let mut differences = Vec::new();
    for at in (1..nets.len()).step_by(2) {
        let [(loss, want), (got_loss, got)] = [0, 1].map(|i| first[at + i].clone());
        let of_loss = ((loss - got_loss) / loss).abs();
        let of_gradients = want.iter().zip(&got).map(|(want, got)| difference(want, got)).fold(0.0, f32::max);
        println!("| {} | {of_loss:.1e}, {of_gradients:.1e} |", nets[at].name);
        differences.push(of_loss.max(of_gradients));
    }
    first.clear();
    assert!(differences.iter().all(|&difference| difference < 1e-4), "the results differ");

    for net in &mut nets {
        net.step();
    }
    let mut times = vec![Vec::new(); nets.len()];
    for _ in 0..rounds {
        for (net, times) in nets.iter_mut().zip(&mut times) {
            let start = Instant::now();
            net.step();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    println!("\n| a step by | parameters | ms | of burn's dense |\n|---|---|---|---|");
    for (net, &time) in nets.iter().zip(&medians) {
        let parameters: usize = net.layers.iter().flat_map(|layer| &layer.parameters).map(|each| each.dims()[0]).sum();
        println!("| {} | {parameters} | {time:.1} | {:.2} |", net.name, time / medians[0]);
    }
}

/// Values that depend on nothing but the layer, so that nets are compared on the same ones.
fn parameter(count: usize, layer: usize, scale: f32, device: &Device) -> Tensor<1> {
    let value = |i: usize| ((i * 2_654_435_761 + layer * 97 + 13) % 1009) as f32 / 504.5 - 1.0;
    let values: Vec<f32> = (0..count).map(|i| value(i) * scale).collect();
    Tensor::from_data(TensorData::new(values, [count]), device).require_grad()
}

fn options() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

/// burn's convolution with as many weights as it has.
fn dense(layer: usize, device: &Device) -> Layer {
    let shape = [CHANNELS[layer + 1], CHANNELS[layer], 3, 3];
    Layer {
        parameters: vec![parameter(shape.iter().product(), layer, 0.05, device)],
        forward: Box::new(move |x, parameters| conv2d(x, parameters[0].clone().reshape(shape), None, options())),
    }
}

fn parameters(geometry: &FsGeometry, layer: usize, device: &Device) -> Vec<Tensor<1>> {
    let mut parameters = vec![parameter(geometry.padded_length(), layer, 0.05, device)];
    if geometry.placement().has_gains() {
        parameters.push(parameter(geometry.placement().gains(), layer + 7, 1.0, device));
    }
    parameters
}

fn ours(geometry: &FsGeometry, layer: usize, device: &Device) -> Layer {
    let parameters = parameters(geometry, layer, device);
    let geometry = geometry.clone();
    let forward = move |x, parameters: &[Tensor<1>]| {
        let gains = parameters.get(1).map(|gains| gains.clone().reshape([-1, 9]));
        fs_conv2d(x, FsWeights::new(parameters[0].clone()).with_gains(gains), &geometry).unwrap()
    };
    Layer { parameters, forward: Box::new(forward) }
}

/// The largest difference, of the largest value.
fn difference(want: &Tensor<1>, got: &Tensor<1>) -> f32 {
    let [want, got] = [want, got].map(|tensor| tensor.clone().into_data().try_into_vec::<f32>().unwrap());
    let largest = want.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let differences = want.iter().zip(&got).map(|(want, got)| (want - got).abs());
    differences.fold(0.0, f32::max) / largest
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
