//! Every variant of the covering lists through naga: parsed, validated for the portable tier, translated to SPIR-V,
//! MSL, HLSL and GLSL ES, and compared with what plans assume of it.
#![allow(clippy::expect_used, clippy::panic)]

pub(super) mod axes;
pub(super) mod covering;
mod declarations;
mod loops;
mod plans;
mod texts;

use std::collections::HashMap;
use std::fmt::Debug;

use bytemuck::Zeroable;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage, StorageAccess, TypeInner, back, front, proc};

use super::{Description, Kernel, Variant};
use crate::method::quantization::Precision;
use crate::method::reduction::MOST_TURNS;
use crate::plan::gemm::tiled;

/// A variant with what its type knows.
pub(super) struct Listed {
    variant: Variant,
    /// Names of the uniform's fields, in order.
    fields: Vec<String>,
    /// The turns of its loops where every field of the uniform is huge.
    turns: u64,
    /// What it says of those that drivers unroll.
    unrolled: u64,
}

pub(super) fn listed<K: Kernel<Uniform: Debug>>(kernels: Vec<K>) -> Vec<Listed> {
    let fields = fields_of(&K::Uniform::zeroed());
    let mut huge = K::Uniform::zeroed();
    bytemuck::cast_slice_mut(std::slice::from_mut(&mut huge)).fill(1u32 << 21);
    let of = |kernel: K| Listed {
        variant: kernel.variant(),
        fields: fields.clone(),
        turns: kernel.turns(&huge),
        unrolled: kernel.unrolled(),
    };
    kernels.into_iter().map(of).collect()
}

/// Names of the fields of a structure of numbers and of such structures.
fn fields_of(uniform: &impl Debug) -> Vec<String> {
    let text = format!("{uniform:?}");
    let names = text.split(": ").map(|before| before.rsplit([' ', '{', ',']).next().unwrap_or_default().to_owned());
    let mut names: Vec<String> = names.collect();
    // Behind the last colon is a value.
    names.pop();
    names
}

/// What naga calls the features a kernel asks for; without any, what passes needs nothing beyond WebGPU's core.
fn capabilities(description: &Description) -> Capabilities {
    let mut capabilities = Capabilities::empty();
    let needs = description.needs();
    capabilities.set(Capabilities::SUBGROUP, needs.contains(wgpu::Features::SUBGROUP));
    let matrices = needs.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
    capabilities.set(Capabilities::COOPERATIVE_MATRIX, matrices);
    capabilities.set(Capabilities::SHADER_FLOAT16, needs.contains(wgpu::Features::SHADER_F16));
    capabilities.set(Capabilities::SHADER_INT64, needs.contains(wgpu::Features::SHADER_INT64));
    // `unpack2x16float` is WebGPU's core, which naga tells apart for the sake of one driver.
    let unpacks = description.weights_in() == Some(Precision::F16);
    capabilities.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, unpacks);
    capabilities
}

fn parse(description: &Description) -> (naga::Module, ModuleInfo) {
    let (label, source) = (description.label(), description.source());
    let module =
        front::wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{label}: {}", error.emit_to_string(&source)));
    let info = Validator::new(ValidationFlags::all(), capabilities(description))
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{label}: {}", error.emit_to_string(&source)));
    (module, info)
}

/// Covering lists may name a variant twice, but no two variants the same.
#[test]
fn labels_are_unique() {
    let mut of_label = HashMap::new();
    for Listed { variant, .. } in Variant::all() {
        let label = variant.describe().label();
        let known = *of_label.entry(label.clone()).or_insert(variant);
        assert_eq!(known, variant, "{label}");
    }
}

/// To parse is most of the work: whatever is asked of every variant is asked at once, by as many threads as there are.
#[test]
fn every_variant_is_valid_translates_and_is_what_plans_assume() {
    by_threads(&Variant::all(), |Listed { variant, fields, .. }| {
        let (description, module) = assert_valid(variant);
        assert_eq!(shader_fields(&module), *fields, "{}", description.label());
    });
}

/// Calls `test` for every item, on as many threads as there are.
fn by_threads<T: Sync>(items: &[T], test: impl Fn(&T) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for share in items.chunks(items.len().div_ceil(threads)) {
            scope.spawn(|| share.iter().for_each(&test));
        }
    });
}

fn assert_valid(variant: &Variant) -> (Description, naga::Module) {
    let description = variant.describe();
    let (module, info) = parse(&description);
    assert_translates(&description, &module, &info);
    assert_as_plans_assume(&description, &module, &info);
    assert_rewritten(&description);
    (description, module)
}

fn assert_translates(description: &Description, module: &naga::Module, info: &ModuleInfo) {
    let entry = (ShaderStage::Compute, "main".to_owned());
    let options = back::spv::Options { lang_version: (1, 3), ..Default::default() };
    let pipeline = back::spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1.clone() };
    back::spv::write_vec(module, info, &options, Some(&pipeline)).expect("SPIR-V");

    if description.needs().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        // Only Vulkan has matrices of this size.
        return;
    }
    let options = back::msl::Options { fake_missing_bindings: true, ..Default::default() };
    back::msl::write_string(module, info, &options, &Default::default()).expect("MSL");

    let shader_model = back::hlsl::ShaderModel::V6_2;
    let options = back::hlsl::Options { shader_model, fake_missing_bindings: true, ..Default::default() };
    let pipeline = back::hlsl::PipelineOptions { entry_point: Some(entry.clone()) };
    let mut text = String::new();
    back::hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None).expect("HLSL");

    if !description.needs().is_empty() {
        // OpenGL ES has neither subgroups, f16 nor 64-bit words.
        return;
    }
    let version = back::glsl::Version::Embedded { version: 310, is_webgl: false };
    let options = back::glsl::Options { version, ..Default::default() };
    let pipeline = back::glsl::PipelineOptions { shader_stage: entry.0, entry_point: entry.1, multiview: None };
    let mut text = String::new();
    back::glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default())
        .and_then(|mut writer| writer.write())
        .expect("GLSL ES 3.1");
}

/// Bindings, workgroup memory and threads.
fn assert_as_plans_assume(description: &Description, module: &naga::Module, info: &ModuleInfo) {
    let label = description.label();
    let mut found = Vec::new();
    let mut layouter = proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("layout");
    let mut workgroup_bytes = 0;
    for (handle, variable) in module.global_variables.iter() {
        match variable.space {
            AddressSpace::Storage { access } => {
                let binding = variable.binding.as_ref().expect("a binding");
                found.push((binding.binding, access.contains(StorageAccess::STORE)));
                // A binding nobody uses would still have to be filled.
                assert!(!info.get_entry_point(0)[handle].is_empty(), "{label}: binding {} is unused", binding.binding);
            }
            AddressSpace::WorkGroup => workgroup_bytes += u64::from(layouter[variable.ty].size),
            _ => {}
        }
    }
    found.sort_unstable();
    let roles = description.roles().iter();
    let expected: Vec<_> =
        roles.map(|role| (role.binding(), role.is_written() || description.is_read_write())).collect();
    assert_eq!(found, expected, "{label}");
    assert_eq!(workgroup_bytes, description.memory(), "{label}");
    // Tiles for GPUs come in sizes, of which plans take those that fit; all others run on every device.
    let most = match description.kernel() {
        "matrix_gather" | "matrix_products" => 49_152,
        "fused" => 49_152,
        "tiled_gather" | "tiled_products" => 32_768,
        _ => 16_352,
    };
    assert!(workgroup_bytes <= most, "{label} exceeds its tier");
    let [x, y, z] = module.entry_points[0].workgroup_size;
    assert_eq!(x * y * z, description.threads(), "{label}");
    assert!(x * y * z <= 256, "{label} exceeds the portable tier");
    assert!(found.len() <= 8, "{label} binds {} storage buffers", found.len());
}

/// Every constant and every type is there to be rewritten, once.
fn assert_rewritten(description: &Description) {
    let (label, source) = (description.label(), description.source());
    for (name, value) in description.given() {
        let line = format!("const {name}: u32 = {value}u;");
        assert_eq!(source.matches(&line).count(), 1, "{label}: `{line}`");
    }
    for name in description.half_types() {
        assert_eq!(source.matches(&format!("alias {name} = f16;")).count(), 1, "{label}: {name}");
    }
    let halves = source.matches("= f16;").count();
    assert_eq!(halves, description.half_types().len(), "{label}");
    let needs_f16 = description.needs().contains(wgpu::Features::SHADER_F16);
    assert_eq!(source.contains("enable f16;"), needs_f16, "{label}");
}

/// Names of the fields of the shader's `Params`, in order, with those of structures in it behind their own.
fn shader_fields(module: &naga::Module) -> Vec<String> {
    let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).expect("Params");
    let mut names = Vec::new();
    collect_fields(module, &params.inner, 0, &mut names);
    names
}

/// Also checks that nothing lies between the fields, as nothing does in Rust's structures of words.
fn collect_fields(module: &naga::Module, ty: &TypeInner, base: u32, names: &mut Vec<String>) {
    let TypeInner::Struct { members, .. } = ty else { return };
    let mut next = 0;
    for member in members {
        let name = member.name.clone().expect("a name");
        let inner = &module.types[member.ty].inner;
        assert_eq!(member.offset, next, "{name} in {base}");
        next = member.offset + inner.size(module.to_ctx());
        names.push(name);
        collect_fields(module, inner, base + member.offset, names);
    }
}

/// Loops whose number depends on the layer are counted: with a uniform of huge numbers, too many turns are told.
#[test]
fn turns_are_counted() {
    for Listed { variant, turns, .. } in Variant::all() {
        let description = variant.describe();
        let kernel = description.kernel();
        // One thread an element or quad, without a loop.
        let has_none = matches!(
            kernel,
            "binary"
                | "batch_norm"
                | "moves"
                | "prelu"
                | "resample"
                | "subsample"
                | "transpose"
                | "transpose_pixels"
                | "upsample_nearest"
        );
        assert!(has_none != (turns > MOST_TURNS), "{}: {turns}", description.label());
    }
}

/// What `tiled.wgsl` and `matrix.wgsl` take for granted of their tiles: nothing masks their stores to workgroup memory.
#[test]
fn tiles_hold_what_is_written_to_them() {
    for tile in tiled::tiles() {
        let (rows, pixels) = (tile.rows_per_tile(), tile.pixels_per_tile());
        let (threads, depth_quads) = ((tile.lanes_x * tile.lanes_y) as usize, tile.depth as usize / 4);
        assert_eq!(pixels * depth_quads % threads, 0, "{tile:?}: every thread loads the same number of pixels");
        let buffer = (rows + pixels) * depth_quads;
        // The sums of a slice lie where its two tiles were.
        let sums = (tile.rows * tile.quads) as usize * threads;
        assert!(tile.slices == 1 || sums <= 2 * tile.slices as usize * buffer, "{tile:?}: {sums} sums");
    }
}
