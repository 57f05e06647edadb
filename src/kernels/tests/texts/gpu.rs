//! The GPUs of `isa/gpus.json` as targets.

use std::path::Path;

use serde_json::Value;

use crate::plan::{Hardware, Target};

/// A GPU that plans are made for.
pub(super) struct Gpu {
    pub(super) name: String,
    pub(super) target: Target,
}

/// Those of the table.
pub(super) fn all() -> Vec<Gpu> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("isa/gpus.json");
    let text = std::fs::read_to_string(path).expect("the table of GPUs");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    table.as_array().expect("a list").iter().map(of).collect()
}

fn of(entry: &Value) -> Gpu {
    let number = |value: &Value| u32::try_from(value.as_u64().expect("a number")).expect("32 bits");
    let flag = |name: &str| entry[name].as_bool().expect("true or false");
    let limits = wgpu::Limits {
        max_compute_workgroup_storage_size: number(&entry["workgroup_memory"]),
        max_compute_invocations_per_workgroup: number(&entry["threads"]),
        max_storage_buffer_binding_size: 1 << 30,
        max_buffer_size: 1 << 30,
        ..wgpu::Limits::default()
    };
    // What the crate asks a device for, and of the experimental features those of `matrix`.
    let mut features = wgpu::Features::SUBGROUP;
    features.set(wgpu::Features::SHADER_F16, flag("f16"));
    features.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, flag("matrices"));
    // Of boards that are listed too, the same: a test of theirs.
    let mut hardware = Hardware::guess(wgpu::DeviceType::DiscreteGpu);
    hardware.processors = number(&entry["processors"]);
    hardware.lanes = number(&entry["lanes"]);
    hardware.clock = entry["clock"].as_f64().expect("a number");
    hardware.memory = entry["memory"].as_f64().expect("a number");
    hardware.workgroup_bytes = entry["workgroup_bytes"].as_u64().map_or(0, |_| number(&entry["workgroup_bytes"]));
    hardware.matrices = entry["matrix"].as_u64().map_or(0, |_| number(&entry["matrix"]));
    let target = Target::portable()
        .with_limits(limits)
        .with_features(features)
        .with_vendor(number(&entry["vendor"]))
        .with_hardware(hardware)
        .with_subgroup_sizes(number(&entry["subgroups"][0]), number(&entry["subgroups"][1]))
        .with_matrix_16x16x16(flag("matrices"));
    Gpu { name: entry["name"].as_str().expect("a name").to_owned(), target }
}
