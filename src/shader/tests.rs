//! Every variant through naga: parsed, validated for the portable tier, translated to SPIR-V, MSL, HLSL and GLSL ES, and
//! compared with what plans assume of it.
#![allow(clippy::expect_used, clippy::panic)]

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage, StorageAccess, TypeInner, back, front, proc};

mod variants;

use super::assemble;
use crate::placement::{Boundary, Placement};
use crate::plan::{Algorithm, Family, Plan, PlanOptions, Storage, Target, tiled};
use crate::problem::{Conv2d, Problem};
use crate::quantization::Precision;
use crate::spec::{Kernel, Spec};
use crate::starts::Starts;
use crate::window::Window;
use variants::all_specs;

/// Kinds of devices: between them they run every family.
fn targets() -> [Target; 7] {
    let software = Target { software: true, ..Target::portable() };
    let subgroups = |size| Target {
        features: wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16,
        subgroup_min_size: size,
        subgroup_max_size: size,
        ..software.clone()
    };
    let gpu = target_with_matrices();
    let mut pairs = subgroups(8);
    pairs.features |= wgpu::Features::SHADER_INT64;
    let targets = [Target::portable(), software.clone(), subgroups(4), subgroups(8), subgroups(16), pairs, gpu];
    let reached = |family: &Family| targets.iter().any(|target| family.runs_on(target));
    assert!(Family::ALL.iter().all(reached), "a family runs on none of the targets");
    targets
}

/// Every algorithm with every family and storage that run on the target.
fn choices(target: &Target) -> impl Iterator<Item = PlanOptions> {
    let families = Family::ALL.iter().filter(|family| family.runs_on(target));
    let halves = target.features.contains(wgpu::Features::SHADER_F16);
    let storages = Storage::ALL.iter().filter(move |&&storage| halves || !storage.has_f16_tensors());
    families.flat_map(move |&family| {
        storages.clone().filter(move |storage| family.computes(**storage)).flat_map(move |&storage| {
            let options = PlanOptions { family: Some(family), storage, ..Default::default() };
            Algorithm::ALL.iter().map(move |&algorithm| PlanOptions { algorithm: Some(algorithm), ..options })
        })
    })
}

/// What naga calls the features a kernel asks for; without any, what passes needs nothing beyond WebGPU's core.
fn capabilities(spec: &Spec) -> Capabilities {
    let mut capabilities = Capabilities::empty();
    capabilities.set(Capabilities::SUBGROUP, spec.features().contains(wgpu::Features::SUBGROUP));
    let matrices = spec.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
    capabilities.set(Capabilities::COOPERATIVE_MATRIX, matrices);
    capabilities.set(Capabilities::SHADER_FLOAT16, spec.features().contains(wgpu::Features::SHADER_F16));
    capabilities.set(Capabilities::SHADER_INT64, spec.features().contains(wgpu::Features::SHADER_INT64));
    // `unpack2x16float` is WebGPU's core, which naga tells apart for the sake of one driver.
    let unpacks = spec.weights.is_some() && spec.storage.weights() == Precision::F16;
    capabilities.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, unpacks);
    capabilities
}

fn parse(spec: &Spec) -> (naga::Module, ModuleInfo) {
    let source = assemble(spec);
    let module =
        front::wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{spec}: {}", error.emit_to_string(&source)));
    let info = Validator::new(ValidationFlags::all(), capabilities(spec))
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{spec}: {}", error.emit_to_string(&source)));
    (module, info)
}

#[test]
fn labels_are_unique() {
    let mut labels: Vec<_> = all_specs().iter().map(ToString::to_string).collect();
    let count = labels.len();
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), count);
}

/// To parse is most of the work: whatever is asked of every variant is asked at once, by as many threads as there are.
#[test]
fn every_variant_is_valid_translates_and_is_what_plans_assume() {
    let specs = all_specs();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for share in specs.chunks(specs.len().div_ceil(threads)) {
            scope.spawn(move || {
                for spec in share {
                    let (module, info) = parse(spec);
                    assert_translates(spec, &module, &info);
                    assert_as_plans_assume(spec, &module, &info);
                }
            });
        }
    });
}

fn assert_translates(spec: &Spec, module: &naga::Module, info: &ModuleInfo) {
    let entry = (ShaderStage::Compute, "main".to_owned());
    let options = back::spv::Options { lang_version: (1, 3), ..Default::default() };
    let pipeline = back::spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1.clone() };
    back::spv::write_vec(module, info, &options, Some(&pipeline)).expect("SPIR-V");

    if spec.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
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

    if !spec.features().is_empty() {
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
fn assert_as_plans_assume(spec: &Spec, module: &naga::Module, info: &ModuleInfo) {
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
                assert!(!info.get_entry_point(0)[handle].is_empty(), "{spec}: binding {} is unused", binding.binding);
            }
            AddressSpace::WorkGroup => workgroup_bytes += u64::from(layouter[variable.ty].size),
            _ => {}
        }
    }
    found.sort_unstable();
    let mut expected: Vec<_> =
        spec.roles().iter().map(|role| (role.binding(), role.is_written() || spec.read_write)).collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "{spec}");
    assert_eq!(workgroup_bytes, spec.workgroup_bytes(), "{spec}");
    // Tiles for GPUs come in sizes, of which plans take those that fit; all others run on every device.
    let tiled = matches!(spec.kernel, Kernel::TiledGather | Kernel::TiledProducts);
    let matrix = matches!(spec.kernel, Kernel::MatrixGather | Kernel::MatrixProducts);
    let most = if matrix {
        49_152
    } else if tiled {
        32_768
    } else {
        16_352
    };
    assert!(workgroup_bytes <= most, "{spec} exceeds its tier");
    let [x, y, z] = module.entry_points[0].workgroup_size;
    assert_eq!(x * y * z, spec.tile.threads(), "{spec}");
    assert!(x * y * z <= 256, "{spec} exceeds the portable tier");
    assert!(found.len() <= 5, "{spec} binds {} storage buffers", found.len());
}

#[test]
fn every_constant_is_there_to_be_rewritten() {
    for spec in all_specs() {
        let source = assemble(&spec);
        for (name, value) in spec.constants() {
            let line = format!("const {name}: u32 = {value}u;");
            assert_eq!(source.matches(&line).count(), 1, "{spec}: `{line}`");
        }
    }
}

#[test]
fn every_named_type_is_there_to_be_rewritten() {
    for spec in all_specs() {
        let source = assemble(&spec);
        for name in spec.half_types() {
            assert_eq!(source.matches(&format!("alias {name} = f16;")).count(), 1, "{spec}: {name}");
        }
        let halves = source.matches("= f16;").count();
        assert_eq!(halves, spec.half_types().len(), "{spec}");
        assert_eq!(source.contains("enable f16;"), halves > 0, "{spec}");
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

/// Names of the fields of the shader's `Params`, in order.
fn shader_fields(spec: &Spec) -> Vec<String> {
    let (module, _) = parse(spec);
    let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).expect("Params");
    let TypeInner::Struct { members, .. } = &params.inner else { panic!("Params is a struct") };
    members.iter().map(|member| member.name.clone().expect("a name")).collect()
}

#[test]
fn uniforms_have_the_shaders_fields_in_order() {
    let order = Window::tap_major_ordered(4, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).expect("window");
    let starts = Starts::Line { length: 100, starts: vec![0, 8, 16] };
    for placement in [
        Placement::tap_major(8, 4, 3, 3, 4).expect("placement"),
        Placement::new(order, starts, Boundary::None).expect("placement"),
        learned(),
    ] {
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
        for target in targets() {
            for options in choices(&target) {
                let plan = Plan::new(&problem, &target, options).expect("plan");
                for step in plan.steps() {
                    let names: Vec<_> = step.params.iter().map(|(name, _)| *name).collect();
                    assert_eq!(names, shader_fields(&step.spec), "{}", step.spec);
                }
            }
        }
    }
}

/// 16 filters at learned positions, in units of a tap.
fn learned() -> Placement {
    let window = Window::tap_major(16, 3, 3).expect("window");
    let positions = (0..16).map(|i| i as f32 * 1.25).collect();
    Placement::new(window, Starts::Learned { length: 28 * 16, positions, unit: 16 }, Boundary::None).expect("placement")
}

/// A GPU with everything that kernels for GPUs ask for.
fn target_with_matrices() -> Target {
    let features =
        wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let limits = wgpu::Limits { max_compute_workgroup_storage_size: 49_152, ..wgpu::Limits::default() };
    let [subgroup_min_size, subgroup_max_size] = [32; 2];
    Target { limits, features, subgroup_min_size, subgroup_max_size, matrix_16x16x16: true, ..Target::portable() }
}

#[test]
fn plans_of_the_matrix_family_fit_their_shaders() {
    let target = target_with_matrices();
    let specs = all_specs();
    let placement = Placement::tap_major(64, 16, 3, 3, 16).expect("placement");
    // Sums that are cut into parts.
    let long = Placement::tap_major(64, 5000, 3, 3, 5000).expect("placement");
    for (placement, size) in
        [(&placement, [1, 8, 8]), (&placement, [16, 9, 9]), (&placement, [1, 8, 200]), (&long, [1, 8, 8])]
    {
        let problem = Problem::new(placement, Conv2d::padded(1), size).expect("problem").with_residual();
        for &algorithm in Algorithm::ALL {
            let options = PlanOptions { algorithm: Some(algorithm), storage: Storage::F16, ..Default::default() };
            let plan = Plan::new(&problem, &target, options).expect("plan");
            assert_eq!(plan.family(), Family::Matrix, "the best that such a device has");
            for step in plan.steps() {
                assert!(specs.contains(&step.spec), "{} is not in the list", step.spec);
                let names: Vec<_> = step.params.iter().map(|(name, _)| *name).collect();
                assert_eq!(names, shader_fields(&step.spec), "{}", step.spec);
            }
            let f32 = PlanOptions { storage: Storage::F32, ..options };
            assert_eq!(Plan::new(&problem, &target, f32).expect("plan").family(), Family::Tiled);
            let forced = PlanOptions { family: Some(Family::Matrix), ..f32 };
            let error = Plan::new(&problem, &target, forced).expect_err("an error").to_string();
            assert_eq!(error, "kernel matrix cannot run this problem: its kernels do not compute f32 storage");
        }
    }
}

#[test]
fn the_matrix_family_needs_all_of_its_features() {
    let whole = target_with_matrices();
    assert!(Family::Matrix.runs_on(&whole));
    let without = |feature| Target { features: whole.features.difference(feature), ..whole.clone() };
    for target in [
        without(wgpu::Features::SUBGROUP),
        without(wgpu::Features::SHADER_F16),
        without(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        Target { matrix_16x16x16: false, ..whole.clone() },
        Target { subgroup_max_size: 64, ..whole.clone() },
        Target { limits: wgpu::Limits::default(), ..whole.clone() },
    ] {
        assert!(!Family::Matrix.runs_on(&target), "{target:?}");
    }
    let matrix = |size, ab_type| wgpu::CooperativeMatrixProperties {
        m_size: 16,
        n_size: size,
        k_size: 16,
        ab_type,
        cr_type: wgpu::CooperativeScalarType::F32,
        saturating_accumulation: false,
    };
    let (half, single) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
    assert!(whole.clone().with_matrices(&[matrix(8, half), matrix(16, half)]).matrix_16x16x16);
    assert!(!whole.clone().with_matrices(&[matrix(8, half), matrix(16, single)]).matrix_16x16x16);
    let closed = without(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX).with_matrices(&[matrix(16, half)]);
    assert!(!closed.matrix_16x16x16, "the device was opened without");
}

#[test]
fn plans_only_ask_for_listed_variants() {
    let specs = all_specs();
    let taps = Placement::tap_major(64, 16, 3, 3, 16).expect("placement");
    let pixel = Placement::tap_major(64, 16, 1, 1, 16).expect("placement");
    let (learned, strided) = (learned(), Conv2d { stride: [1, 2], ..Conv2d::padded(1) });
    let layers = [
        (&taps, Conv2d::padded(1), [1, 8, 8]),
        (&learned, Conv2d::padded(1), [2, 9, 9]),
        (&taps, Conv2d::padded(1), [1, 8, 200]),
        (&taps, Conv2d::padded(1), [1, 14, 14]),
        (&learned, Conv2d::padded(1), [3, 5, 6]),
        (&taps, Conv2d::padded(1), [1, 3, 70]),
        (&taps, strided, [1, 5, 12]),
        (&learned, strided, [1, 5, 12]),
        (&pixel, Conv2d::default(), [3, 5, 6]),
    ];
    for target in targets() {
        for (placement, conv, size) in layers {
            let problem = Problem::new(placement, conv, size).expect("problem");
            for options in choices(&target) {
                for step in Plan::new(&problem, &target, options).expect("plan").steps() {
                    // Tiles depend on the number of filters, and sums on the convolution; those listed stand for all.
                    let Spec { tile, row_sums, row_taps, .. } = step.spec;
                    let alike = |spec: &Spec| Spec { tile, row_sums, row_taps, ..*spec };
                    let alike = |spec: &Spec| Spec { terms: step.spec.terms, chain: step.spec.chain, ..alike(spec) };
                    let listed = specs.iter().any(|spec| alike(spec) == step.spec);
                    assert!(listed, "{} is not in the list", step.spec);
                }
            }
        }
    }
}
