//! Burn's conv2d on its wgpu backend, with autotune: answers the requests that `peers/README.md` describes.

mod layer;

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use layer::Layer;
use serde::Serialize;

type Failure = Box<dyn std::error::Error>;

const VERSION: &str = "burn 0.22.1";

/// Inputs that take turns, so that caches do not flatter.
const INPUTS: usize = 3;

/// A sample repeats a convolution until it takes about this long.
const SAMPLE: Duration = Duration::from_millis(10);

#[derive(Serialize)]
struct Answer {
    layer: String,
    milliseconds: f64,
    cpu_milliseconds: Option<f64>,
    first_milliseconds: f64,
    runs: usize,
    largest_error: f64,
    tolerance: f64,
    reference_sum: f64,
    detail: &'static str,
}

fn main() -> Result<(), Failure> {
    let device = Device::wgpu(Default::default());
    let hello = serde_json::json!({ "version": VERSION, "device": "the adapter that wgpu prefers", "kind": "gpu" });
    println!("{hello}");
    if std::env::args().any(|argument| argument == "--version") {
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let layer: Layer = serde_json::from_str(&line?)?;
        let answer = match measure(&device, &layer) {
            Ok(answer) => serde_json::to_string(&answer)?,
            Err(error) => serde_json::json!({ "layer": layer.layer, "error": error.to_string() }).to_string(),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn measure(device: &Device, layer: &Layer) -> Result<Answer, Failure> {
    let data = layer.data();
    let shape = [layer.batch, layer.channels, layer.size, layer.size];
    let tensor =
        |values: &[f32], shape: [usize; 4]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), shape), device);
    let inputs: Vec<Tensor<4>> = (0..INPUTS).map(|_| tensor(&data.input, shape)).collect();
    let weights = tensor(&data.weights, [layer.filters, layer.channels, layer.kernel, layer.kernel]);
    let convolve = |input: &Tensor<4>| {
        let options = ConvOptions::new([layer.stride; 2], [layer.padding; 2], [1, 1], 1);
        conv2d(input.clone(), weights.clone(), None, options)
    };

    // The first run also tunes: Burn times its kernels and keeps the fastest.
    let start = Instant::now();
    let output: Vec<f32> = convolve(&inputs[0]).into_data().try_to_vec()?;
    let first = start.elapsed();
    let reference = layer.reference(&data);
    let (largest_error, tolerance) = reference.compare(&output)?;

    let mut repeats = 1;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    for run in 0..=layer.runs {
        if run > 3 && begin.elapsed().as_secs_f64() > layer.seconds {
            break;
        }
        device.sync()?;
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        inputs.iter().cycle().take(repeats).for_each(|input| drop(convolve(input)));
        device.sync()?;
        let elapsed = start.elapsed().as_secs_f64();
        // The first sample only says how many repeats a sample needs.
        if run == 0 {
            repeats = (SAMPLE.as_secs_f64() / elapsed.max(1e-9)).clamp(1.0, 200.0) as usize;
            continue;
        }
        wall.push(elapsed / repeats as f64);
        cpu.extend(cpu_start.zip(cpu_seconds()).map(|(start, end)| (end - start) / repeats as f64));
    }
    Ok(Answer {
        layer: layer.layer.clone(),
        runs: wall.len(),
        milliseconds: median(wall).unwrap_or(f64::NAN) * 1e3,
        cpu_milliseconds: median(cpu).map(|seconds| seconds * 1e3),
        first_milliseconds: first.as_secs_f64() * 1e3,
        largest_error,
        tolerance,
        reference_sum: reference.sum,
        detail: "NCHW, autotune",
    })
}

/// User and system seconds of all threads so far, where the system tells.
#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}
