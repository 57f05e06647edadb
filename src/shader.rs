//! Shader text: files of `shaders/`, put together and specialised by rewriting the defaults of named constants.

use crate::quantization::Precision;
use crate::sharing::TapRows;
use crate::spec::{Access, Kernel, Spec, WeightLoad};

/// A file of `shaders/parts/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Grid,
    Pairs,
    Split,
    SubgroupGatherParams,
    InputScalar,
    InputVec2,
    InputVec2Pairs,
    InputVec4,
    InputVec4Pairs,
    WeightsF32Scalar,
    WeightsF32Vec4,
    WeightsF32Pairs,
    WeightsF16Scalar,
    WeightsF16Vec4,
    WeightsU8,
    SummaryScalar,
    SummaryVec4,
    Operands,
    ProductsVec4,
    ProductsPairs,
    TermsRows,
    TermsTaps,
    TermsShifted,
    Blend,
    BlendWeights,
    Segments,
    SumsEven,
    SumsUneven,
    Rows,
    RowsDirect,
    RowsHankel,
    HankelOnce,
    HankelTwice,
    SumsOutputs,
    SumsProducts,
    Activation,
    Epilogue,
    #[cfg(feature = "network")]
    Larger,
    #[cfg(feature = "network")]
    PoolWindows,
    #[cfg(feature = "network")]
    PlaneQuads,
    ResidualNone,
    ResidualScalar,
    ResidualVec2,
    ResidualVec2Pairs,
    ResidualVec4,
    ResidualVec4Pairs,
    OutputScalar,
    OutputVec2,
    OutputVec2Pairs,
    OutputVec4,
    OutputVec4Pairs,
}

impl Part {
    fn text(self) -> &'static str {
        match self {
            Self::Grid => include_str!("../shaders/parts/grid.wgsl"),
            Self::Pairs => include_str!("../shaders/parts/pairs.wgsl"),
            Self::Split => include_str!("../shaders/parts/split.wgsl"),
            Self::SubgroupGatherParams => include_str!("../shaders/parts/subgroup_gather_params.wgsl"),
            Self::InputScalar => include_str!("../shaders/parts/input_scalar.wgsl"),
            Self::InputVec2 => include_str!("../shaders/parts/input_vec2.wgsl"),
            Self::InputVec2Pairs => include_str!("../shaders/parts/input_vec2_pairs.wgsl"),
            Self::InputVec4 => include_str!("../shaders/parts/input_vec4.wgsl"),
            Self::InputVec4Pairs => include_str!("../shaders/parts/input_vec4_pairs.wgsl"),
            Self::WeightsF32Scalar => include_str!("../shaders/parts/weights_f32_scalar.wgsl"),
            Self::WeightsF32Vec4 => include_str!("../shaders/parts/weights_f32_vec4.wgsl"),
            Self::WeightsF32Pairs => include_str!("../shaders/parts/weights_f32_pairs.wgsl"),
            Self::WeightsF16Scalar => include_str!("../shaders/parts/weights_f16_scalar.wgsl"),
            Self::WeightsF16Vec4 => include_str!("../shaders/parts/weights_f16_vec4.wgsl"),
            Self::WeightsU8 => include_str!("../shaders/parts/weights_u8.wgsl"),
            Self::SummaryScalar => include_str!("../shaders/parts/summary_scalar.wgsl"),
            Self::SummaryVec4 => include_str!("../shaders/parts/summary_vec4.wgsl"),
            Self::Operands => include_str!("../shaders/parts/operands.wgsl"),
            Self::ProductsVec4 => include_str!("../shaders/parts/products_vec4.wgsl"),
            Self::ProductsPairs => include_str!("../shaders/parts/products_pairs.wgsl"),
            Self::TermsRows => include_str!("../shaders/parts/terms_rows.wgsl"),
            Self::TermsTaps => include_str!("../shaders/parts/terms_taps.wgsl"),
            Self::TermsShifted => include_str!("../shaders/parts/terms_shifted.wgsl"),
            Self::Blend => include_str!("../shaders/parts/blend.wgsl"),
            Self::BlendWeights => include_str!("../shaders/parts/blend_weights.wgsl"),
            Self::Segments => include_str!("../shaders/parts/segments.wgsl"),
            Self::SumsEven => include_str!("../shaders/parts/sums_even.wgsl"),
            Self::SumsUneven => include_str!("../shaders/parts/sums_uneven.wgsl"),
            Self::Rows => include_str!("../shaders/parts/rows.wgsl"),
            Self::RowsDirect => include_str!("../shaders/parts/rows_direct.wgsl"),
            Self::RowsHankel => include_str!("../shaders/parts/rows_hankel.wgsl"),
            Self::HankelOnce => include_str!("../shaders/parts/hankel_once.wgsl"),
            Self::HankelTwice => include_str!("../shaders/parts/hankel_twice.wgsl"),
            Self::SumsOutputs => include_str!("../shaders/parts/sums_outputs.wgsl"),
            Self::SumsProducts => include_str!("../shaders/parts/sums_products.wgsl"),
            Self::Activation => include_str!("../shaders/parts/activation.wgsl"),
            Self::Epilogue => include_str!("../shaders/parts/epilogue.wgsl"),
            #[cfg(feature = "network")]
            Self::Larger => include_str!("../shaders/parts/larger.wgsl"),
            #[cfg(feature = "network")]
            Self::PoolWindows => include_str!("../shaders/parts/pool_windows.wgsl"),
            #[cfg(feature = "network")]
            Self::PlaneQuads => include_str!("../shaders/parts/plane_quads.wgsl"),
            Self::ResidualNone => include_str!("../shaders/parts/residual_none.wgsl"),
            Self::ResidualScalar => include_str!("../shaders/parts/residual_scalar.wgsl"),
            Self::ResidualVec2 => include_str!("../shaders/parts/residual_vec2.wgsl"),
            Self::ResidualVec2Pairs => include_str!("../shaders/parts/residual_vec2_pairs.wgsl"),
            Self::ResidualVec4 => include_str!("../shaders/parts/residual_vec4.wgsl"),
            Self::ResidualVec4Pairs => include_str!("../shaders/parts/residual_vec4_pairs.wgsl"),
            Self::OutputScalar => include_str!("../shaders/parts/output_scalar.wgsl"),
            Self::OutputVec2 => include_str!("../shaders/parts/output_vec2.wgsl"),
            Self::OutputVec2Pairs => include_str!("../shaders/parts/output_vec2_pairs.wgsl"),
            Self::OutputVec4 => include_str!("../shaders/parts/output_vec4.wgsl"),
            Self::OutputVec4Pairs => include_str!("../shaders/parts/output_vec4_pairs.wgsl"),
        }
    }
}

impl Kernel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::Products => "products",
            Self::AccumulateRows => "accumulate_rows",
            Self::AccumulateTaps => "accumulate_taps",
            Self::AccumulateChains => "accumulate_chains",
            Self::SubgroupGather => "subgroup_gather",
            Self::SubgroupGatherRows => "subgroup_gather_rows",
            Self::SubgroupGatherFew => "subgroup_gather_few",
            Self::SubgroupProducts => "subgroup_products",
            Self::TiledGather => "tiled_gather",
            Self::TiledProducts => "tiled_products",
            Self::TiledAccumulate => "tiled_accumulate",
            Self::MatrixGather => "matrix_gather",
            Self::MatrixProducts => "matrix_products",
            #[cfg(feature = "network")]
            Self::Pool => "pool",
            #[cfg(feature = "network")]
            Self::PoolWindow => "pool_window",
            #[cfg(feature = "network")]
            Self::PoolBlocks => "pool_blocks",
            #[cfg(feature = "network")]
            Self::PoolFinish => "pool_finish",
            #[cfg(feature = "network")]
            Self::Add => "add",
            #[cfg(feature = "network")]
            Self::BatchNorm => "batch_norm",
            #[cfg(feature = "network")]
            Self::Subsample => "subsample",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Gather => include_str!("../shaders/gather.wgsl"),
            Self::Products => include_str!("../shaders/products.wgsl"),
            Self::AccumulateRows | Self::AccumulateTaps => include_str!("../shaders/accumulate.wgsl"),
            Self::AccumulateChains => include_str!("../shaders/accumulate_chains.wgsl"),
            Self::SubgroupGather => include_str!("../shaders/subgroup_gather.wgsl"),
            Self::SubgroupGatherRows => include_str!("../shaders/subgroup_gather_rows.wgsl"),
            Self::SubgroupGatherFew => include_str!("../shaders/subgroup_gather_few.wgsl"),
            Self::SubgroupProducts => include_str!("../shaders/subgroup_products.wgsl"),
            Self::TiledGather | Self::TiledProducts => include_str!("../shaders/tiled.wgsl"),
            Self::MatrixGather | Self::MatrixProducts => include_str!("../shaders/matrix.wgsl"),
            Self::TiledAccumulate => include_str!("../shaders/tiled_accumulate.wgsl"),
            #[cfg(feature = "network")]
            Self::Pool => include_str!("../shaders/pool.wgsl"),
            #[cfg(feature = "network")]
            Self::PoolWindow | Self::PoolBlocks | Self::PoolFinish => include_str!("../shaders/pool_window.wgsl"),
            #[cfg(feature = "network")]
            Self::Add => include_str!("../shaders/add.wgsl"),
            #[cfg(feature = "network")]
            Self::BatchNorm => include_str!("../shaders/batch_norm.wgsl"),
            #[cfg(feature = "network")]
            Self::Subsample => include_str!("../shaders/subsample.wgsl"),
        }
    }
}

/// The parts of a variant, in the order they are put together.
fn parts(spec: &Spec) -> Vec<Part> {
    let mut parts = vec![Part::Grid];
    let moved = |vector: Part, pairs: Part| if spec.pairs { pairs } else { vector };
    if spec.pairs {
        parts.push(Part::Pairs);
    }
    match spec.kernel {
        Kernel::SubgroupGather | Kernel::SubgroupGatherRows | Kernel::SubgroupGatherFew => {
            parts.extend([Part::Split, Part::SubgroupGatherParams]);
        }
        Kernel::SubgroupProducts => parts.push(Part::Split),
        _ => {}
    }
    parts.extend(spec.input.map(|access| match access {
        Access::Scalar => Part::InputScalar,
        Access::Vec2 => moved(Part::InputVec2, Part::InputVec2Pairs),
        Access::Vec4 => moved(Part::InputVec4, Part::InputVec4Pairs),
    }));
    if let Some(load) = spec.weights {
        parts.push(match (spec.storage.weights(), load) {
            (Precision::F32, WeightLoad::Scalar(_)) => Part::WeightsF32Scalar,
            (Precision::F32, WeightLoad::Vec4) => moved(Part::WeightsF32Vec4, Part::WeightsF32Pairs),
            (Precision::F16, WeightLoad::Scalar(_)) => Part::WeightsF16Scalar,
            (Precision::F16, WeightLoad::Vec4) => Part::WeightsF16Vec4,
            (Precision::U8, _) => Part::WeightsU8,
        });
        parts.push(match load {
            WeightLoad::Vec4 => Part::SummaryVec4,
            WeightLoad::Scalar(_) => Part::SummaryScalar,
        });
    }
    let weights = [Part::Blend, Part::BlendWeights];
    let rows: &[Part] = match spec.hankel_levels {
        0 => &[Part::RowsDirect],
        1 => &[Part::HankelOnce, Part::RowsHankel],
        _ => &[Part::HankelTwice, Part::RowsHankel],
    };
    let products = moved(Part::ProductsVec4, Part::ProductsPairs);
    match spec.kernel {
        Kernel::AccumulateRows => parts.extend([products, Part::TermsRows, Part::Blend]),
        Kernel::AccumulateChains => parts.push(products),
        Kernel::AccumulateTaps if spec.row_taps.is_some() => {
            parts.extend([products, Part::TermsShifted, Part::Blend]);
        }
        Kernel::AccumulateTaps => parts.extend([Part::TermsTaps, Part::Blend]),
        Kernel::TiledAccumulate => parts.push(Part::Blend),
        Kernel::Gather | Kernel::SubgroupGatherRows | Kernel::SubgroupGatherFew => parts.extend(weights),
        Kernel::SubgroupGather => {
            parts.extend(weights.into_iter().chain([Part::Rows]));
            parts.extend(rows);
        }
        Kernel::SubgroupProducts => {
            let uneven = spec.row_sums.is_some_and(|sums| matches!(sums.rows, TapRows::Uneven { .. }));
            let sums = if uneven { Part::SumsUneven } else { Part::SumsEven };
            parts.extend([Part::Segments, sums, Part::Rows]);
            parts.extend(rows);
        }
        Kernel::TiledGather | Kernel::MatrixGather => {
            parts.extend(weights.into_iter().chain([Part::Operands, Part::SumsOutputs]));
        }
        Kernel::TiledProducts | Kernel::MatrixProducts => {
            parts.extend(weights.into_iter().chain([Part::Operands, Part::SumsProducts]));
        }
        #[cfg(feature = "network")]
        Kernel::Pool | Kernel::PoolWindow | Kernel::PoolBlocks | Kernel::PoolFinish => {
            parts.extend([Part::Larger, Part::PoolWindows]);
        }
        #[cfg(feature = "network")]
        Kernel::Add => parts.extend([Part::PlaneQuads, Part::Activation]),
        #[cfg(feature = "network")]
        Kernel::BatchNorm => parts.extend([Part::PlaneQuads, Part::Activation, Part::Epilogue]),
        _ => {}
    }
    if spec.kernel.has_epilogue() {
        parts.extend([Part::Activation, Part::Epilogue]);
    }
    if spec.kernel.takes_residual() {
        parts.push(match spec.residual {
            None => Part::ResidualNone,
            Some(Access::Scalar) => Part::ResidualScalar,
            Some(Access::Vec2) => moved(Part::ResidualVec2, Part::ResidualVec2Pairs),
            Some(Access::Vec4) => moved(Part::ResidualVec4, Part::ResidualVec4Pairs),
        });
    }
    parts.extend(spec.output.map(|access| match access {
        Access::Scalar => Part::OutputScalar,
        Access::Vec2 => moved(Part::OutputVec2, Part::OutputVec2Pairs),
        Access::Vec4 => moved(Part::OutputVec4, Part::OutputVec4Pairs),
    }));
    parts
}

/// The parts and the kernel, with the spec's constants in place of the defaults.
pub(crate) fn assemble(spec: &Spec) -> String {
    let mut source: String = parts(spec).into_iter().map(Part::text).collect();
    source.push_str(spec.kernel.text());
    for (name, value) in spec.constants() {
        source = with_constant(&source, name, value);
    }
    for name in spec.half_types() {
        source = source.replace(&format!("alias {name} = f32;"), &format!("alias {name} = f16;"));
    }
    if spec.features().contains(wgpu::Features::SHADER_F16) {
        source.insert_str(0, "enable f16;\n");
    }
    if spec.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        source.insert_str(0, "enable wgpu_cooperative_matrix;\n");
    }
    if spec.read_write {
        source = source.replace("var<storage, read>", "var<storage, read_write>");
    }
    source
}

/// Rewrites the default of `const NAME: u32 = ...;`. Tests check that every constant of every spec is there to be rewritten.
fn with_constant(source: &str, name: &str, value: u32) -> String {
    let declaration = format!("const {name}: u32 = ");
    match source.split_once(&declaration).and_then(|(before, after)| Some((before, after.split_once(';')?))) {
        Some((before, (_, after))) => format!("{before}{declaration}{value}u;{after}"),
        None => source.to_owned(),
    }
}

#[cfg(all(test, feature = "network"))]
mod tests;
