//! A test on a device: imported, run, and compared within what arithmetic in f32 may be off.

use std::sync::Arc;

use anyhow::Result;
use filter_summary::network::{CpuNetwork, GpuNetwork, Network, NetworkReference};
use filter_summary::onnx::{self, GivenTensor, Imported, Options, Outline, import};
use filter_summary::standalone::Gpu;
use filter_summary::{Error, Pipelines, PlanOptions, ShaderChecks};

use crate::case::{Case, DataSet};

/// Tests whose outputs have fewer digits than f32, by what their names have in them: written by hand, or computed in 16
/// bits. They may be off by so much of each.
const SHORT: [(&str, f64); 3] =
    [("averagepool_2d_ceil_last_window_starts_on_pad", 1e-3), ("bfloat16", 1.0 / 128.0), ("_float16", 1.0 / 1024.0)];

/// What became of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its outputs are right: at worst off by so much of what they may be.
    Passed(f64),
    /// It was refused, and why.
    Refused(String),
    /// It is wrong, and how.
    Failed(String),
}

/// What runs tests: the CPU, or an adapter.
pub struct Runner(Option<(Gpu, Arc<Pipelines>)>);

impl Runner {
    /// Runs tests on the CPU.
    pub fn cpu() -> Self {
        Self(None)
    }

    /// Runs tests on the best adapter.
    ///
    /// # Errors
    /// When there is none.
    pub fn gpu() -> Result<Self> {
        let gpu = Gpu::open_best()?;
        let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default()));
        Ok(Self(Some((gpu, pipelines))))
    }

    /// What it runs on.
    pub fn describe(&self) -> String {
        self.0.as_ref().map_or_else(|| "the CPU".to_owned(), |(gpu, _)| gpu.describe())
    }

    /// Runs a test, with all inputs but the first as constants.
    pub fn run(&self, case: &Case) -> Outcome {
        let mut worst: f64 = 0.0;
        for data in &case.data {
            match self.run_set(case, data) {
                Ok(Outcome::Passed(fraction)) => worst = worst.max(fraction),
                Ok(other) => return other,
                Err(error) => return Outcome::Failed(format!("{error:#}")),
            }
        }
        Outcome::Passed(worst)
    }

    fn run_set(&self, case: &Case, data: &DataSet) -> Result<Outcome> {
        let Some(outputs) = &data.outputs else {
            return Ok(Outcome::Refused("its outputs are no tensors of numbers".to_owned()));
        };
        let Outline { inputs, outputs: ends, .. } = onnx::outline(&case.model)?;
        let mut worst: f64 = 0.0;
        for (end, expected) in ends.iter().zip(outputs) {
            let imported = match imported(case, data, &inputs, end) {
                Ok(imported) => imported,
                Err(Error::Import { nodes }) => {
                    let first = nodes.first().map(|node| node.reason.clone()).unwrap_or_default();
                    return Ok(Outcome::Refused(first));
                }
                Err(error) => return Ok(Outcome::Refused(error.to_string())),
            };
            let input = GivenTensor::parse(&data.inputs[0])?;
            let batch = input.sizes.first().copied().unwrap_or(1);
            let values = channels_first(&imported, &input);
            let got = self.forward(&imported.network, batch, &values)?;
            let short = SHORT.iter().find(|(name, _)| case.name.contains(name)).map_or(0.0, |&(_, share)| share);
            match compare(&imported, &values, &got, expected, batch, short)? {
                Outcome::Passed(fraction) => worst = worst.max(fraction),
                other => return Ok(other),
            }
        }
        Ok(Outcome::Passed(worst))
    }

    /// A batch of images through a network.
    fn forward(&self, network: &Network, batch: usize, values: &[f32]) -> Result<Vec<f32>> {
        let Some((gpu, pipelines)) = &self.0 else {
            return Ok(CpuNetwork::new(network, batch, None)?.run(values)?);
        };
        let network = GpuNetwork::new(pipelines, &gpu.target(), network, batch, PlanOptions::default())?;
        gpu.write(network.input(), values)?;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        network.record(&mut encoder);
        gpu.submit(encoder)?;
        Ok(gpu.download(network.output())?)
    }
}

/// A model that ends at one of its outputs, with all inputs but the first as constants.
fn imported(case: &Case, data: &DataSet, names: &[String], end: &str) -> filter_summary::Result<Imported> {
    let mut options = Options::default().with_ends(vec![end.to_owned()]);
    for (name, tensor) in names.iter().zip(&data.inputs).skip(1) {
        options = options.with_constant(name, tensor.clone());
    }
    if let (Some(name), Some(input)) = (names.first(), data.inputs.first()) {
        options = options.with_size(name, GivenTensor::parse(input)?.sizes);
    }
    import(case.model.clone(), &options)
}

/// An input as the network reads it.
fn channels_first(imported: &Imported, input: &GivenTensor) -> Vec<f32> {
    let (&[batch, height, width, channels], true) = (&input.sizes[..], imported.input.channels_last) else {
        return input.values.clone();
    };
    let plane = height * width;
    let value = |image: usize, channel: usize, at: usize| input.values[(image * plane + at) * channels + channel];
    let channel = move |image, channel| (0..plane).map(move |at| value(image, channel, at));
    (0..batch).flat_map(|image| (0..channels).flat_map(move |at| channel(image, at))).collect()
}

/// Both our output and the test's must be near the truth.
fn compare(
    imported: &Imported,
    input: &[f32],
    got: &[f32],
    expected: &GivenTensor,
    batch: usize,
    short: f64,
) -> Result<Outcome> {
    let network = &imported.network;
    let (sizes, values) = (&expected.sizes, &expected.values);
    if *sizes != imported.outputs[0].sizes || got.len() != values.len() {
        let reason = format!("the output is {:?}, it must be {sizes:?}", imported.outputs[0].sizes);
        return Ok(Outcome::Failed(reason));
    }
    let reference = NetworkReference::new(network)?;
    let (image, row) = (input.len() / batch, got.len() / batch);
    let mut worst: f64 = 0.0;
    for ((input, got), expected) in input.chunks(image).zip(got.chunks(row)).zip(values.chunks(row)) {
        let truth = reference.image(input)?;
        for at in 0..row {
            let (truth, error) = (truth.output[at], truth.error[at]);
            // What the test computed was rounded too.
            let rounding = f64::from(f32::EPSILON) * truth.abs() + f64::from(f32::MIN_POSITIVE);
            for (whose, value, more) in [("ours", got[at], 0.0), ("the test's", expected[at], short * truth.abs())] {
                let fraction = (f64::from(value) - truth).abs() / (error + rounding + more);
                if fraction.is_nan() || fraction > 1.0 || error.is_infinite() {
                    let text = format!("value {at} is {value} ({whose}), the truth {truth} +- {error:.2e}");
                    return Ok(Outcome::Failed(text));
                }
                worst = worst.max(fraction);
            }
        }
    }
    Ok(Outcome::Passed(worst))
}
