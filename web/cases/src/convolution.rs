//! One plan on poisoned buffers, compared with the reference.

use filter_summary::reference::{Operands, conv2d};
use filter_summary::{BufferRange, ConvBuffers, FsConv2d, Plan};

use crate::Result;
use crate::common::operands::Data;
use crate::device::Device;

/// An error if the plan's outputs are not exactly those of the reference, on small integers.
pub(crate) async fn check(device: &Device, plan: &Plan, seed: u64) -> Result<()> {
    let data = Data::integers(plan.problem(), seed);
    let want = conv2d(plan.problem(), &data.operands()).map_err(|error| error.to_string())?.output;
    let got = run(device, plan, &data.operands()).await?;
    // A run reads the whole tensor, which has as many.
    let wrong = got.iter().zip(&want).position(|(&got, &want)| f64::from(got) != want);
    let Some(at) = wrong else { return Ok(()) };
    let shape = plan.problem().output_shape();
    Err(format!("output {at} of {shape:?} is {}, not {}", got[at], want[at]))
}

/// The whole output; it and the workspace hold NaN before.
async fn run(device: &Device, plan: &Plan, operands: &Operands<'_>) -> Result<Vec<f32>> {
    let problem = plan.problem();
    let layer = FsConv2d::new_async(&device.pipelines, plan.clone(), operands.summary, operands.params()).await;
    let layer = layer.map_err(|error| error.to_string())?;
    let poisoned = |count: usize| device.upload(&vec![f32::NAN; count]);
    let input = device.upload(operands.input);
    let output = poisoned(problem.output_tensor_shape().iter().product());
    let residual = operands.residual.map(|values| device.upload(values));
    let workspace_words = (plan.workspace_size() / 4) as usize;
    let workspace = (workspace_words > 0).then(|| poisoned(workspace_words));
    let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
        .with_residual(residual.as_ref().map(BufferRange::whole))
        .with_workspace(workspace.as_ref().map(BufferRange::whole));
    let bound = layer.bind_async(&buffers).await.map_err(|error| error.to_string())?;
    let mut encoder = device.device.create_command_encoder(&Default::default());
    bound.record(&mut encoder.begin_compute_pass(&Default::default()));
    device.read(encoder, &output).await
}
