//! Time of the CPU executor's two algorithms on layers of well-known networks: medians, and the ratio within one run.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use filter_summary::cpu::CpuConv;
use filter_summary::{Algorithm, ChannelParams, Conv2d, FilterSummary, Placement, Problem};

fn main() -> filter_summary::Result<()> {
    println!("layer                                  shared ms   dense ms   ratio   multiply-adds ratio   chosen");
    // Channels in and out, size, stride, batch.
    let layers = [
        (16, 16, 32, 1, 32),
        (16, 32, 32, 2, 32),
        (32, 32, 16, 1, 32),
        (32, 64, 16, 2, 32),
        (64, 64, 8, 1, 32),
        (64, 64, 56, 1, 4),
        (128, 128, 28, 1, 4),
        (256, 256, 14, 1, 4),
        (256, 512, 14, 2, 4),
        (512, 512, 7, 1, 4),
    ];
    for (channels, filters, size, stride, batch) in layers {
        for step in [1, 2, 3, 9] {
            let placement = Placement::tap_major(filters, channels, 3, 3, step * channels)?;
            let conv = Conv2d { stride: [stride; 2], ..Conv2d::padded(1) };
            let problem = Problem::new(&placement, conv, [batch, size, size])?;
            let values = (0..placement.length()).map(|i| (i % 29) as f32 / 29.0 - 0.5).collect();
            let summary = FilterSummary::new(values, placement)?;
            let input: Vec<f32> = (0..problem.input_shape().iter().product()).map(|i: usize| (i % 31) as f32).collect();
            let mut output = vec![f32::NAN; problem.output_shape().iter().product()];
            let mut convs = Vec::new();
            for algorithm in [Some(Algorithm::Shared), Some(Algorithm::Dense), None] {
                convs.push(CpuConv::new(&problem, &summary, ChannelParams::default(), algorithm)?);
            }
            // Interleaved, so that whatever else the machine does falls on both alike.
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..15 {
                for (conv, times) in convs.iter().zip(&mut times) {
                    let start = Instant::now();
                    conv.run(&input, None, &mut output)?;
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
            let [shared, dense] = times.map(|mut times| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 4]
            });
            let name = format!("{channels}x{size}x{size} -> {filters}, stride {stride}, s = {step}C, N = {batch}");
            let work = problem.dense_multiply_adds() as f64 / problem.shared_multiply_adds() as f64;
            println!(
                "{name:38} {shared:9.3}  {dense:9.3}  {:6.2}  {work:20.2}   {}",
                dense / shared,
                convs[2].algorithm().name()
            );
        }
    }
    Ok(())
}
