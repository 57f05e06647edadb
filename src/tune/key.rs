//! The key of a choice: a problem with all that the time of its kernels depends on.

use crate::device::pipeline::{Pipelines, ShaderChecks};
use crate::digest::Digest;
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::starts::Starts;
use crate::plan::{Family, Hardware, Lent, PlanOptions, Target};

/// Readable in front, complete in the number behind. Field by field: what a dependency calls its own does not matter,
/// and a name of ours may change.
pub(super) fn key(problem: &Problem, options: PlanOptions, target: &Target, pipelines: &Pipelines) -> String {
    let mut digest = Digest::new();
    add_problem(&mut digest, problem);
    add_options(&mut digest, options);
    add_target(&mut digest, target);
    digest.number(match pipelines.checks() {
        ShaderChecks::Trusted => 0,
        ShaderChecks::Checked => 1,
    });
    let [batch, channels, height, width] = problem.input_shape();
    let [_, filters, out_height, out_width] = problem.output_shape();
    let window = problem.placement().window();
    format!(
        "{batch}x{channels}x{height}x{width} to {filters}x{out_height}x{out_width}, {}x{}, summary {}, {:016x}",
        window.height(),
        window.width(),
        problem.placement().length(),
        digest.value()
    )
}

fn add_problem(digest: &mut Digest, problem: &Problem) {
    let Conv2d { stride, padding, dilation, groups } = *problem.conv();
    let conv = stride.iter().chain(&padding).chain(&dilation).chain([&groups]).map(|&size| size as u64);
    conv.for_each(|size| digest.number(size));
    let shapes = [problem.input_shape(), problem.output_tensor_shape()];
    digest.numbers(shapes.as_flattened().iter().map(|&size| size as u64));
    digest.number(problem.channel_offset() as u64);
    digest.number(problem.activation().code().into());
    if let Some(activation) = problem.base_stage() {
        digest.number(0xba5e);
        digest.number(activation.code().into());
    }
    digest.number(u64::from(problem.residual()));
    add_placement(digest, problem.placement());
}

fn add_placement(digest: &mut Digest, placement: &Placement) {
    let window = placement.window();
    [window.channels(), window.height(), window.width()].iter().for_each(|&size| digest.number(size as u64));
    digest.number(window.channel_stride() as u64);
    digest.numbers(window.tap_offsets().iter().map(|&offset| offset as u64));
    digest.number(match placement.boundary() {
        Boundary::None => 0,
        Boundary::Zero => 1,
        Boundary::Wrap => 2,
    });
    digest.number(u64::from(placement.has_gains()));
    match placement.starts() {
        Starts::Line { length, starts } => {
            [0, *length as u64].iter().for_each(|&number| digest.number(number));
            digest.numbers(starts.iter().map(|&start| start as u64));
        }
        Starts::Volume { dims, starts } => {
            digest.number(1);
            digest.numbers(dims.iter().map(|&size| size as u64));
            digest.numbers(starts.as_flattened().iter().map(|&start| start as u64));
        }
        Starts::Learned { length, positions, unit } => {
            [2, *length as u64, *unit as u64].iter().for_each(|&number| digest.number(number));
            digest.numbers(positions.iter().map(|position| position.to_bits().into()));
        }
    }
}

fn add_options(digest: &mut Digest, options: PlanOptions) {
    let PlanOptions { algorithm, family, storage, workspace_limit, hankel_levels, bind_read_write, lent } = options;
    let codes = [
        // 0 where it is left open.
        algorithm.map_or(0, |algorithm| match algorithm {
            Algorithm::Dense => 1,
            Algorithm::Gather => 2,
            Algorithm::Shared => 3,
            Algorithm::Fused => 4,
        }),
        family.map_or(0, |family| 1 + Family::ALL.iter().position(|&other| other == family).unwrap_or(0) as u64),
        match storage.weights() {
            Precision::F32 => 0,
            Precision::F16 => 1,
            Precision::U8 => 2,
        },
        u64::from(storage.has_f16_tensors()),
        u64::from(bind_read_write),
    ];
    if lent != Lent::default() {
        digest.number(0x1e27);
        [lent.gains, lent.scale, lent.bias].iter().for_each(|&lent| digest.number(lent.into()));
    }
    codes.iter().for_each(|&code| digest.number(code));
    for limit in [workspace_limit, hankel_levels.map(u64::from)] {
        digest.numbers(limit.into_iter());
    }
}

/// What plans look at.
fn add_target(digest: &mut Digest, target: &Target) {
    let limits = &target.limits;
    let Hardware { processors, lanes, clock, memory, workgroup_bytes, matrices } = target.hardware;
    let numbers = [
        limits.max_storage_buffer_binding_size,
        limits.max_buffer_size,
        limits.max_storage_buffers_per_shader_stage.into(),
        limits.max_compute_invocations_per_workgroup.into(),
        limits.max_compute_workgroup_storage_size.into(),
        limits.max_compute_workgroups_per_dimension.into(),
        target.subgroup_min_size.into(),
        target.subgroup_max_size.into(),
        processors.into(),
        lanes.into(),
        clock.to_bits(),
        memory.to_bits(),
        workgroup_bytes.into(),
        matrices.into(),
        target.vendor as u64,
        target.software.into(),
        target.matrix_16x16x16.into(),
    ];
    digest.numbers(numbers.into_iter());
    let used = [
        wgpu::Features::SUBGROUP,
        wgpu::Features::SHADER_F16,
        wgpu::Features::SHADER_INT64,
        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
    ];
    digest.numbers(used.into_iter().map(|feature| target.features.contains(feature).into()));
}
