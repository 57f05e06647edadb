//! Training steps of a network on the CPU executor: two 3x3 layers with ReLU, forwards, backwards, and a step of
//! gradient descent. `cpu_training [threads [size [batch [steps [step]]]]]`; the last is how far filters are apart, in
//! channels. With `OUT=FOLDER` it writes the first step's gradients there, for `peers/python/training_step.py`, which
//! compares them and the time with PyTorch's.
//!
//! It prints the median of the steps' times and the mean of their CPU time, that of all threads (Linux; elsewhere 0),
//! in milliseconds. The loss is half the sum of squares of the output, so that its gradient is the output.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use filter_summary::cpu::{CpuConv, CpuGradient, GradientsMut};
use filter_summary::{Activation, ChannelParams, Conv2d, FilterSummary, Placement, Problem, Wanted};
use rayon::prelude::*;

const CHANNELS: [usize; 3] = [64, 256, 256];
const RATE: f32 = 1e-9;

/// One layer: its summary, and what is computed with it.
struct Layer {
    summary: FilterSummary,
    conv: CpuConv,
    gradient: CpuGradient,
    grad_summary: Vec<f32>,
}

impl Layer {
    fn new(channels: usize, filters: usize, step: usize, shape: [usize; 3], seed: u64) -> Result<Self, Box<dyn Error>> {
        let placement = Placement::tap_major(filters, channels, 3, 3, step * channels)?;
        let problem = Problem::new(&placement, Conv2d::padded(1), shape)?;
        let scale = 4.0 / (channels as f32 * 9.0).sqrt();
        let values = numbers(placement.length(), seed).into_iter().map(|value| value * scale).collect();
        let grad_summary = vec![f32::NAN; placement.length()];
        let summary = FilterSummary::new(values, placement)?;
        let gradient = CpuGradient::new(&problem, &summary, Wanted::all(&problem))?;
        let problem = problem.with_activation(Activation::Relu);
        let conv = CpuConv::new(&problem, &summary, ChannelParams::default(), None)?;
        Ok(Self { summary, conv, gradient, grad_summary })
    }

    fn backward(&mut self, input: &[f32], grad_output: &[f32], grad_input: &mut [f32]) -> Result<(), Box<dyn Error>> {
        let (input_to, summary_to) = (Some(grad_input), Some(self.grad_summary.as_mut_slice()));
        let mut to = GradientsMut { input: input_to, summary: summary_to, ..GradientsMut::default() };
        Ok(self.gradient.run(input, grad_output, &mut to)?)
    }

    /// A step of gradient descent.
    fn descend(&mut self) -> Result<(), Box<dyn Error>> {
        let values = self.summary.values();
        let values = values.iter().zip(&self.grad_summary).map(|(value, gradient)| value - RATE * gradient).collect();
        self.summary = FilterSummary::new(values, self.summary.placement().clone())?;
        self.conv.set_summary(&self.summary)?;
        Ok(self.gradient.set_summary(&self.summary)?)
    }
}

/// Numbers in -0.5..0.5 that other programs make alike.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let hash = |at: u64| (at * 2_654_435_761 + seed * 40_503) % (1 << 32) * 2_246_822_519 % (1 << 32);
    (0..count as u64).map(|at| (hash(at) >> 8) as f32 / (1u32 << 24) as f32 - 0.5).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    let argument = |at: usize, usual: usize| arguments.get(at).copied().unwrap_or(usual);
    let (threads, size, batch) = (argument(0, 1), argument(1, 16), argument(2, 8));
    let (steps, step) = (argument(3, 9), argument(4, 1));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let shape = [batch, size, size];
    let mut layers =
        [Layer::new(CHANNELS[0], CHANNELS[1], step, shape, 1)?, Layer::new(CHANNELS[1], CHANNELS[2], step, shape, 2)?];
    let input = numbers(batch * CHANNELS[0] * size * size, 3);
    let planes = |channels: usize| vec![f32::NAN; batch * channels * size * size];
    let (mut middle, mut output) = (planes(CHANNELS[1]), planes(CHANNELS[2]));
    let (mut grad_input, mut grad_middle) = (planes(CHANNELS[0]), planes(CHANNELS[1]));
    let mut times = Vec::with_capacity(steps);
    // The first two steps find memory and processor cold.
    let mut cpu = 0.0;
    for number in 0..steps + 2 {
        if number == 2 {
            cpu = cpu_milliseconds();
        }
        let start = Instant::now();
        let [first, second] = &mut layers;
        first.conv.run(&input, None, &mut middle)?;
        second.conv.run(&middle, None, &mut output)?;
        second.backward(&middle, &output, &mut grad_middle)?;
        // Backwards through ReLU.
        let chunk = middle.len().div_ceil(4 * threads);
        grad_middle.par_chunks_mut(chunk).zip(middle.par_chunks(chunk)).for_each(|(gradients, values)| {
            gradients.iter_mut().zip(values).for_each(|(gradient, &value)| {
                *gradient = if value > 0.0 { *gradient } else { 0.0 };
            });
        });
        first.backward(&input, &grad_middle, &mut grad_input)?;
        if number == 0
            && let Some(folder) = std::env::var_os("OUT")
        {
            let gradients = [("input", &grad_input), ("first", &first.grad_summary), ("second", &second.grad_summary)];
            for (name, values) in gradients.into_iter().chain([("output", &output)]) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(Path::new(&folder).join(name), bytes)?;
            }
        }
        layers.iter_mut().try_for_each(Layer::descend)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = (cpu_milliseconds() - cpu) / steps as f64;
    let mut times = times.split_off(2);
    times.sort_by(f64::total_cmp);
    println!("{:.3} {cpu:.3}", times.get(times.len() / 2).copied().unwrap_or(f64::NAN));
    Ok(())
}

/// CPU time of all threads so far.
fn cpu_milliseconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() * 1e-6
}
