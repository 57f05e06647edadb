//! The list of kernel variants that tests run over.

use crate::placement::Boundary;
use crate::plan::{Storage, gemm::accumulate, matrix, tiled};
use crate::problem::Activation;
use crate::sharing::TapRows;
use crate::spec::{Access, Chain, Kernel, RowSums, RowTaps, Spec, Tile, WeightLoad};

/// Storages with f16 tensors.
const F16_TENSORS: [Storage; 2] = [Storage::F16, Storage::F16U8Weights];

/// Every way to load, compute and store that a plan can ask for. Fields that are apart from each other, as a tile is
/// from an epilogue, are not all combined.
pub(super) fn all_specs() -> Vec<Spec> {
    let weights = [
        WeightLoad::Vec4,
        WeightLoad::Scalar(Boundary::None),
        WeightLoad::Scalar(Boundary::Zero),
        WeightLoad::Scalar(Boundary::Wrap),
    ];
    let accesses = [Access::Scalar, Access::Vec2, Access::Vec4];
    let tile = |lanes_x, lanes_y, rows, quads| Tile { lanes_x, lanes_y, rows, quads, depth: 0, slices: 1 };
    let base = Spec::new(Kernel::Pool, tile(64, 1, 1, 1));
    let by_threads = [Kernel::Pool, Kernel::PoolWindow, Kernel::PoolBlocks, Kernel::PoolFinish, Kernel::Subsample];
    let mut specs: Vec<Spec> = by_threads.map(|kernel| Spec { kernel, ..base }).into();
    // Every way to end a pass: where outputs go, with a residual or not, with an activation or not.
    let mut ends = Vec::new();
    for output in accesses {
        for residual in [None, Some(output)] {
            for activation in [Activation::None, Activation::Relu] {
                ends.push(Spec { output: Some(output), residual, activation: Some(activation), ..base });
            }
        }
    }
    let row_sums =
        |taps, rows, [stride, dilation, padding]: [u32; 3]| RowSums { taps, rows, stride, dilation, padding };
    let even = |step| TapRows::Even { step };
    let uneven = TapRows::Uneven { kernel_rows: 3, offsets: [0x080400, 0x060501, 0x070302], apart: 2 };
    let row_sums = [
        RowSums::NONE,
        row_sums(3, even(1), [1, 1, 1]),
        row_sums(3, even(2), [2, 1, 1]),
        row_sums(5, even(1), [1, 2, 4]),
        row_sums(7, even(1), [2, 1, 3]),
        row_sums(3, uneven, [1, 1, 1]),
    ];
    let row_taps = [RowTaps { taps: 3, padding: 1 }, RowTaps { taps: 2, padding: 0 }, RowTaps { taps: 7, padding: 3 }];
    // A lone tap's inputs lie as its outputs do, or anywhere.
    let inputs_of = |output: Option<Access>| {
        let scalar = Some(Access::Scalar);
        [scalar].into_iter().chain(Some(output).filter(|&output| output != scalar))
    };
    // Hankel levels, which want weights four at a time.
    let levels = |load| 0..if load == WeightLoad::Vec4 { 3 } else { 1 };
    let subgroups = [tile(8, 1, 40, 2), tile(4, 1, 32, 2), tile(16, 1, 16, 2)];
    let tiles = [subgroups[0], subgroups[1], subgroups[2], tile(8, 1, 16, 1)];
    let single_quads = [(tile(8, 1, 40, 1), row_sums[1]), (tile(4, 1, 32, 1), row_sums[3])];
    for load in weights {
        for input in accesses {
            let tile = tile(8, 8, 7, 2);
            let products = Spec { kernel: Kernel::Products, tile, weights: Some(load), input: Some(input), ..base };
            specs.push(products);
            let double_quads = subgroups.into_iter().flat_map(|tile| row_sums.map(|sums| (tile, sums)));
            // Row sums over 16 lanes take too long to compile.
            let compiles = |(tile, sums): &(Tile, RowSums)| tile.lanes_x <= 8 || sums.taps == 1;
            // What is summed is apart from how weights are loaded: with four at a time all of it, else products and
            // one kind of sums.
            let all = load == WeightLoad::Vec4;
            let listed = |(_, sums): &(Tile, RowSums)| all || row_sums[..2].contains(sums);
            for (tile, sums) in double_quads.chain(single_quads).filter(compiles).filter(listed) {
                for output in accesses.map(Some) {
                    let kernel = Kernel::SubgroupProducts;
                    let products = Spec { kernel, tile, row_sums: Some(sums), output, ..products };
                    specs.extend(levels(load).map(|hankel_levels| Spec { hankel_levels, ..products }));
                }
            }
        }
        for end in &ends {
            for tile in [tile(8, 8, 8, 2), tile(64, 1, 8, 2), tile(8, 1, 16, 2), tile(8, 8, 16, 2)] {
                for input in inputs_of(end.output) {
                    specs.push(Spec { kernel: Kernel::Gather, tile, weights: Some(load), input, ..*end });
                }
            }
            // Tiles and taps are constants, apart from how a pass ends: with the plain end all of them, with the
            // others one.
            let plain = end.residual.is_none() && end.activation == Some(Activation::None);
            let (tiles, row_taps) = if plain { (&tiles[..], &row_taps[..]) } else { (&tiles[..1], &row_taps[..1]) };
            for &tile in tiles {
                for input in inputs_of(end.output) {
                    let gather = Spec { kernel: Kernel::SubgroupGather, tile, weights: Some(load), input, ..*end };
                    specs.extend(levels(load).map(|hankel_levels| Spec { hankel_levels, ..gather }));
                    if tile.quads == 2 {
                        let tile = Tile { lanes_x: 1, lanes_y: tile.lanes_x, rows: 2, quads: 1, ..tile };
                        specs.push(Spec { kernel: Kernel::SubgroupGatherFew, tile, ..gather });
                    }
                    for row_taps in row_taps.iter().copied().map(Some) {
                        specs.push(Spec { kernel: Kernel::SubgroupGatherRows, row_taps, ..gather });
                        if [input, end.output] == [Some(Access::Vec4); 2] {
                            // Rows of two and two, in planes of whole quads.
                            let input = Some(Access::Vec2);
                            specs.push(Spec { kernel: Kernel::SubgroupGatherRows, row_taps, input, ..gather });
                        }
                    }
                }
            }
        }
    }
    let mut matrices = Vec::new();
    for tile in tiled::tiles() {
        for load in weights {
            let operands = Spec { tile, weights: Some(load), input: Some(Access::Scalar), ..base };
            specs.push(Spec { kernel: Kernel::TiledProducts, output: Some(Access::Scalar), ..operands });
            for end in ends.iter().filter(|end| end.output == Some(Access::Scalar)) {
                let Spec { tile, weights, input, .. } = operands;
                specs.push(Spec { kernel: Kernel::TiledGather, tile, weights, input, ..*end });
            }
        }
    }
    for tile in matrix::tiles() {
        for (load, storage) in weights.into_iter().flat_map(|load| F16_TENSORS.map(|storage| (load, storage))) {
            let operands = Spec { tile, weights: Some(load), input: Some(Access::Scalar), storage, ..base };
            matrices.push(Spec { kernel: Kernel::MatrixProducts, output: Some(Access::Scalar), ..operands });
            for end in ends.iter().filter(|end| end.output == Some(Access::Scalar)) {
                let Spec { tile, weights, input, .. } = operands;
                matrices.push(Spec { kernel: Kernel::MatrixGather, tile, weights, input, storage, ..*end });
            }
        }
    }
    for tile in accumulate::TILES {
        let scalar = ends.iter().filter(|end| end.output == Some(Access::Scalar));
        specs.extend(scalar.map(|&end| Spec { kernel: Kernel::TiledAccumulate, tile, ..end }));
    }
    for end in ends {
        for (kernel, terms) in [(Kernel::AccumulateRows, [3, 1]), (Kernel::AccumulateTaps, [3, 3])] {
            specs.push(Spec { kernel, tile: tile(64, 1, 4, 1), terms: Some(terms), ..end });
        }
        let row_taps =
            [RowTaps { taps: 3, padding: 1 }, RowTaps { taps: 3, padding: 0 }, RowTaps { taps: 3, padding: 7 }];
        specs.extend(row_taps.map(|taps| {
            let tile = tile(64, 1, 4, 1);
            Spec { kernel: Kernel::AccumulateTaps, tile, terms: Some([3, 3]), row_taps: Some(taps), ..end }
        }));
        for terms in [1, 2] {
            let chain = Some(Chain { filters: 4, terms });
            let tile = tile(8, 1, 1, 1);
            specs.push(Spec { kernel: Kernel::AccumulateChains, tile, terms: Some([3, 1]), chain, ..end });
        }
        specs.push(Spec { kernel: Kernel::Add, input: end.output, ..end });
        if end.residual.is_none() {
            specs.push(Spec { kernel: Kernel::BatchNorm, input: end.output, ..end });
        }
    }
    let blendable = |spec: &Spec| {
        spec.kernel.has_epilogue()
            && spec.activation == Some(Activation::None)
            && spec.chain.is_none()
            && spec.hankel_levels == 0
    };
    let blend = |spec: &Spec| Spec { blended: true, ..*spec };
    for list in [&mut specs, &mut matrices] {
        let blends: Vec<Spec> = list.iter().filter(|spec| blendable(spec)).map(blend).collect();
        list.extend(blends);
    }
    let mut stored = Vec::new();
    for &spec in specs.iter().filter(|spec| spec.activation != Some(Activation::Relu)) {
        let convolves = spec.weights.is_some() || spec.kernel.has_epilogue();
        if spec.weights.is_some() {
            stored.extend([Storage::F16Weights, Storage::U8Weights].map(|storage| Spec { storage, ..spec }));
            stored.extend(F16_TENSORS.map(|storage| Spec { storage, ..spec }));
        } else if convolves {
            stored.push(Spec { storage: Storage::F16, ..spec });
        }
    }
    // Parts of long sums: the first ends in f32, the last begins with it, those between do both.
    for list in [&mut stored, &mut matrices] {
        let of_parts: Vec<Spec> = list.iter().flat_map(parts_of_f16).collect();
        list.extend(of_parts);
    }
    specs.extend(stored);
    let of_subgroups = |spec: &&Spec| {
        let kernel = spec.kernel;
        spec.features().contains(wgpu::Features::SUBGROUP)
            || matches!(kernel, Kernel::AccumulateRows | Kernel::AccumulateTaps | Kernel::AccumulateChains)
    };
    let pairs: Vec<Spec> = specs.iter().filter(of_subgroups).map(|spec| spec.paired()).collect();
    specs.extend(pairs.into_iter().filter(|spec| spec.pairs));
    // Their tensors are f16 and nothing else.
    specs.extend(matrices);
    // How buffers are bound is rewritten wherever they are declared: f32 has the declarations of tensors, products
    // those of weights.
    let declares = |spec: &&Spec| {
        spec.storage == Storage::F32 || matches!(spec.kernel, Kernel::SubgroupProducts | Kernel::MatrixProducts)
    };
    let read_write: Vec<_> = specs.iter().filter(declares).map(|&spec| Spec { read_write: true, ..spec }).collect();
    specs.extend(read_write);
    specs
}

/// Variants of a kernel on f16 tensors for the parts of a long sum, which read and write one workspace. A kernel that
/// touches no f16 then is that of f32.
fn parts_of_f16(spec: &Spec) -> Vec<Spec> {
    if !spec.storage.has_f16_tensors() || !spec.kernel.has_epilogue() || spec.chain.is_some() {
        return Vec::new();
    }
    let part = Spec { read_write: true, ..*spec };
    let mut parts = vec![Spec { output_f32: true, ..part }];
    if spec.residual.is_some() {
        parts.push(Spec { residual_f32: true, ..part });
        parts.push(Spec { residual_f32: true, output_f32: true, ..part });
    }
    parts.retain(|part| !part.half_types().is_empty());
    parts
}
