//! `fsnet devices`: the adapters, and what each would run.

use anyhow::Result;
use filter_summary::standalone::{self, Gpu, is_software};
use filter_summary::wgpu;
use filter_summary::{Algorithm, Conv2d, Family, Placement, Plan, PlanOptions, Problem, Storage, Target};
use serde::Serialize;

use crate::device::{DeviceArgs, cpu_name};
use crate::output::{self, Format, Verdict, one_line};
use crate::table::{render, table};

/// List adapters, their limits and features, and the kernels each would get
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only name the device that --device auto takes
    #[arg(long)]
    best: bool,

    /// With --best: the adapter that --require-gpu takes
    #[arg(long, requires = "best")]
    require_gpu: bool,

    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    adapters: Vec<Adapter>,
    cpu: String,
    /// What --device auto takes, and why.
    auto: String,
}

#[derive(Serialize)]
struct Adapter {
    index: usize,
    name: String,
    backend: String,
    driver: String,
    kind: String,
    software: bool,
    limits: Limits,
    subgroup_size: [u32; 2],
    features: Vec<&'static str>,
    /// Why nothing runs on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// One an algorithm and family that the device can run: the variants for a typical layer, or why it cannot run.
    kernels: Vec<Tier>,
}

#[derive(Serialize)]
struct Limits {
    max_buffer_size: u64,
    max_storage_buffer_binding_size: u64,
    max_compute_workgroup_storage_size: u32,
    max_compute_invocations_per_workgroup: u32,
    max_compute_workgroups_per_dimension: u32,
    max_storage_buffers_per_shader_stage: u32,
}

#[derive(Serialize)]
struct Tier {
    algorithm: &'static str,
    family: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variants: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    if args.best {
        let best = DeviceArgs::auto(args.require_gpu).open_quietly(None)?.describe();
        args.format.print(&best, || best.clone())?;
        return Ok(Verdict::Done);
    }
    let mut auto = String::new();
    DeviceArgs::auto(false).open_saying(None, |line| line.clone_into(&mut auto))?;
    let adapters = standalone::adapters()?;
    let adapters = adapters.iter().enumerate().map(|(index, adapter)| examine(index, adapter)).collect();
    let report = Report { adapters, cpu: cpu_name(), auto };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

fn examine(index: usize, adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let opened = Gpu::open(adapter);
    Adapter {
        index,
        name: one_line(&info.name),
        backend: format!("{:?}", info.backend),
        driver: one_line(&format!("{} {}", info.driver, info.driver_info)),
        kind: kind(info.device_type).to_owned(),
        software: is_software(&info),
        limits: Limits {
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
            max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
            max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
        },
        subgroup_size: [info.subgroup_min_size, info.subgroup_max_size],
        features: features(adapter.features()),
        kernels: opened.as_ref().map_or_else(|_| Vec::new(), |gpu| tiers(&gpu.target())),
        error: opened.err().map(|error| one_line(&error.to_string())),
    }
}

fn kind(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// The features that matter to kernels and measurements, whether today's kernels use them or not.
fn features(features: wgpu::Features) -> Vec<&'static str> {
    let known = [
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("cooperative matrix", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
    ];
    known.into_iter().filter(|&(_, feature)| features.contains(feature)).map(|(name, _)| name).collect()
}

/// The kernel variants of every algorithm and family for a 3x3 layer of 64 channels, as planned for this device.
fn tiers(target: &Target) -> Vec<Tier> {
    let variants = |algorithm: Algorithm, family: Family| {
        let problem = Problem::new(&Placement::tap_major(64, 64, 3, 3, 64)?, Conv2d::padded(1), [1, 56, 56])?;
        let storage = Storage::ALL.iter().copied().find(|&storage| family.computes(storage)).unwrap_or_default();
        let options = PlanOptions::new().with_algorithm(algorithm).with_family(family).with_storage(storage);
        Ok(Plan::new(&problem, target, options)?.kernels())
    };
    let tier = |algorithm: Algorithm, family: Family| {
        let planned: filter_summary::Result<Vec<String>> = variants(algorithm, family);
        let (variants, error) = match planned {
            Ok(variants) => (variants, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Tier { algorithm: algorithm.name(), family: family.name(), variants, error }
    };
    let families = Family::ALL.iter().filter(|family| family.runs_on(target));
    let all = families.flat_map(|&family| Algorithm::ALL.iter().map(move |&algorithm| (algorithm, family)));
    all.filter(|&(algorithm, family)| family.has(algorithm))
        .map(|(algorithm, family)| tier(algorithm, family))
        .collect()
}

fn text(report: &Report) -> String {
    let mut overview = table(5, &["device", "name", "kind", "backend", "driver"]);
    for adapter in &report.adapters {
        let Adapter { index, name, kind, backend, driver, .. } = adapter;
        overview.add_row([&index.to_string(), name, kind, backend, driver]);
    }
    overview.add_row(["cpu", &report.cpu, "CPU executor", "", ""]);
    let mut text = format!("{}\n", render(&overview));
    for adapter in &report.adapters {
        let limits = &adapter.limits;
        text += &format!(
            "\n{}: buffers up to {}, bindings up to {}, {} bytes of workgroup memory, \
             {} invocations a workgroup, {} workgroups a dimension, {} storage buffers\n",
            adapter.index,
            mebibytes(limits.max_buffer_size),
            mebibytes(limits.max_storage_buffer_binding_size),
            limits.max_compute_workgroup_storage_size,
            limits.max_compute_invocations_per_workgroup,
            limits.max_compute_workgroups_per_dimension,
            limits.max_storage_buffers_per_shader_stage,
        );
        let [least, most] = adapter.subgroup_size;
        text += &format!("   features: {}; subgroups of {least} to {most}\n", adapter.features.join(", "));
        if let Some(error) = &adapter.error {
            text += &format!("   {error}\n");
        }
        for tier in &adapter.kernels {
            let what = tier.error.clone().unwrap_or_else(|| tier.variants.join(", "));
            text += &format!("   {}, {}: {what}\n", tier.algorithm, tier.family);
        }
    }
    text + &format!("\n--device auto: {}\n", report.auto)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", output::thousands(bytes >> 20))
}
