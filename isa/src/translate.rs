//! WGSL to SPIR-V, as wgpu does it for trusted shaders: no bounds checks, no bounds of loops, workgroup memory as it is.

use std::fs;
use std::path::Path;

use naga::AddressSpace;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy, Layouter};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

use crate::fault::{Result, at};

/// What a binding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Uniform,
    Storage,
}

/// A shader that drivers can compile.
pub(crate) struct Shader {
    /// The name of its file.
    pub(crate) label: String,
    pub(crate) words: Vec<u32>,
    /// Of the only group, by their numbers.
    pub(crate) bindings: Vec<(u32, Binding)>,
    /// Drivers without matrices crash on those that have some.
    pub(crate) has_matrices: bool,
    pub(crate) has_halves: bool,
    /// Of a workgroup.
    pub(crate) threads: u32,
    /// Of workgroup memory.
    pub(crate) workgroup_bytes: u32,
}

/// Translates a file.
pub(crate) fn translate(path: &Path, spirv: (u8, u8)) -> Result<Shader> {
    let label = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let source = fs::read_to_string(path).map_err(at(path))?;
    let one_line = |message: String| format!("{label}: {}", message.lines().collect::<Vec<_>>().join(" | "));
    let module = naga::front::wgsl::parse_str(&source).map_err(|error| one_line(error.emit_to_string(&source)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .subgroup_stages(ShaderStages::all())
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|error| one_line(error.emit_to_string(&source)))?;
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: spirv,
        flags: spv::WriterFlags::empty(),
        capabilities: None,
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let entry = spv::PipelineOptions { entry_point: "main".to_owned(), shader_stage: naga::ShaderStage::Compute };
    let words = spv::write_vec(&module, &info, &options, Some(&entry)).map_err(|error| format!("{label}: {error}"))?;
    let of_variable = |variable: &naga::GlobalVariable| {
        let kind = match variable.space {
            AddressSpace::Uniform => Binding::Uniform,
            _ => Binding::Storage,
        };
        Some((variable.binding.as_ref()?.binding, kind))
    };
    let bindings = module.global_variables.iter().filter_map(|(_, variable)| of_variable(variable)).collect();
    let has = |words: &str| source.lines().any(|line| line.starts_with("enable ") && line.contains(words));
    let (has_matrices, has_halves) = (has("cooperative_matrix"), has("f16"));
    let threads = module.entry_points.first().map_or(0, |entry| entry.workgroup_size.iter().product());
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).map_err(|error| format!("{label}: {error}"))?;
    let shared = module.global_variables.iter().filter(|(_, variable)| variable.space == AddressSpace::WorkGroup);
    let workgroup_bytes = shared.map(|(_, variable)| layouter[variable.ty].size).sum();
    Ok(Shader { label, words, bindings, has_matrices, has_halves, threads, workgroup_bytes })
}
