//! Time of the CPU executor's two algorithms on layers of well-known networks, with and without tap gains, and of the
//! matrix product alone: lower quartiles, and ratios within one run. `cpu_layers [threads [step [channels]]]`; without
//! arguments one thread, all steps (in channels) and all layers.
//!
//! CPU time is that of all threads (Linux; elsewhere the columns are zero). Other work on the machine changes it far
//! less than it changes the time on the wall.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use filter_summary::cpu::CpuConv;
use filter_summary::{Algorithm, ChannelParams, Conv2d, FilterSummary, Placement, Problem};

/// Channels in and out, size, stride, batch.
const LAYERS: [(usize, usize, usize, usize, usize); 16] = [
    (64, 64, 56, 1, 1),
    (128, 128, 28, 1, 1),
    (256, 256, 14, 1, 1),
    (512, 512, 7, 1, 1),
    (64, 64, 32, 1, 16),
    (128, 128, 16, 1, 16),
    (256, 256, 8, 1, 16),
    (512, 512, 4, 1, 16),
    (64, 128, 56, 2, 1),
    (128, 256, 28, 2, 1),
    (256, 512, 14, 2, 1),
    (16, 16, 32, 1, 32),
    (16, 32, 32, 2, 32),
    (32, 32, 16, 1, 32),
    (32, 64, 16, 2, 32),
    (64, 64, 8, 1, 32),
];

/// The scheduler counts CPU time in steps of some milliseconds.
const BLOCK_SECONDS: f64 = 0.05;
const BLOCKS: usize = 6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let step = arguments.next().map(|text| text.parse::<usize>()).transpose()?;
    let only = arguments.next().map(|text| text.parse::<usize>()).transpose()?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    println!("{threads} threads; milliseconds a batch, CPU (wall)");
    println!(
        "layer                                     product alone            shared             gains             \
         dense  dense/shared  gains/shared  chosen"
    );
    let mut logarithms = Vec::new();
    for (channels, filters, size, stride, batch) in LAYERS {
        if only.is_some_and(|only| only != channels) {
            continue;
        }
        for step in step.map_or(vec![1, 2, 3, 9], |step| vec![step]) {
            let placement = Placement::tap_major(filters, channels, 3, 3, step * channels)?;
            let conv = Conv2d { stride: [stride; 2], ..Conv2d::padded(1) };
            let problem = Problem::new(&placement, conv, [batch, size, size])?;
            let values = (0..placement.length()).map(|i| (i % 29) as f32 / 29.0 - 0.5).collect();
            let summary = FilterSummary::new(values, placement)?;
            let gains = (0..filters * 9).map(|i| (i % 7) as f32 / 4.0 - 0.5).collect();
            let gained = summary.clone().with_gains(gains)?;
            let gained_problem = Problem::new(gained.placement(), conv, [batch, size, size])?;
            let input: Vec<f32> = (0..problem.input_shape().iter().product()).map(|i: usize| (i % 31) as f32).collect();
            let mut output = vec![f32::NAN; problem.output_shape().iter().product()];
            let new = |algorithm| CpuConv::new(&problem, &summary, ChannelParams::default(), algorithm);
            let (shared, dense) = (new(Some(Algorithm::Shared))?, new(Some(Algorithm::Dense))?);
            let params = ChannelParams::default();
            let with_gains = CpuConv::new(&gained_problem, &gained, params, Some(Algorithm::Shared))?;
            let mut products = vec![0.0; problem.sharing().bases() * size * size];
            let mut run = |index: usize| match index {
                0 => {
                    let shape = [problem.sharing().bases(), size * size, channels];
                    input.chunks_exact(channels * size * size).try_for_each(|image| {
                        multiply(shape, &summary.values(), image, &mut products);
                        Ok(())
                    })
                }
                1 => shared.run(&input, None, &mut output),
                2 => with_gains.run(&input, None, &mut output),
                _ => dense.run(&input, None, &mut output),
            };
            // Interleaved, so that whatever else the machine does falls on all alike.
            let mut times = [const { Vec::new() }; 4];
            let mut repetitions = [1u32; 4];
            (0..4).try_for_each(&mut run)?;
            for block in 0..=BLOCKS {
                for (index, times) in times.iter_mut().enumerate() {
                    let (cpu, start) = (cpu_seconds(), Instant::now());
                    for _ in 0..repetitions[index] {
                        run(index)?;
                    }
                    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
                    let each = 1e3 / f64::from(repetitions[index]);
                    times.push((cpu * each, wall * each));
                    if block == 0 {
                        times.clear();
                    }
                    repetitions[index] = (BLOCK_SECONDS / wall * f64::from(repetitions[index])).ceil() as u32;
                }
            }
            let quartile = |mut values: Vec<f64>| {
                values.sort_by(f64::total_cmp);
                values[values.len() / 4]
            };
            let times = times.map(|times| {
                let (cpu, wall): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
                (quartile(cpu), quartile(wall))
            });
            let name = format!("{channels}x{size}x{size} -> {filters}, stride {stride}, s = {step}C, N = {batch}");
            print!("{name:42}");
            for (cpu, wall) in times {
                print!("{cpu:8.3} ({wall:7.3})");
            }
            let chosen = new(None)?.algorithm().name();
            let of_gains = times[2].1 / times[1].1;
            println!("{:14.2}{of_gains:14.2}  {chosen}", times[3].0 / times[1].0);
            if (step, stride) == (1, 1) {
                logarithms.push(of_gains.ln());
            }
        }
    }
    if !logarithms.is_empty() {
        let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
        println!("gains over shared at s = C and stride 1, on the wall, geometric mean: {mean:.3}");
    }
    Ok(())
}

fn multiply([m, n, k]: [usize; 3], left: &[f32], right: &[f32], to: &mut [f32]) {
    let left = MatRef::from_row_major_slice(&left[..m * k], m, k);
    let right = MatRef::from_row_major_slice(right, k, n);
    matmul(MatMut::from_row_major_slice_mut(to, m, n), Accum::Replace, left, right, 1.0, Par::Seq);
}

/// CPU time of all threads so far, in seconds.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() * 1e-9
}
