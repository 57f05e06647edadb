//! Implicit GEMM, for the families that compute convolutions and products by one kernel: products are a 1x1 convolution
//! whose filters are the bases; they are stored plain, and pass 2 adds them up a tile of channels at a time.

pub(crate) mod accumulate;
mod engine;
pub(crate) mod matrix;
mod splits;
pub(crate) mod tiled;
mod tiles;

use std::ops::Range;

use super::ask::Ask;
use super::direct::{Direct, Dispatches};
use super::shared::{Pass, Products};
use super::tables::Stored;
use super::{Prediction, Step, Target};
use crate::error::{Error, Result};
use crate::kernels::tiled::{Operands, Sums, Uniform, steps};
use crate::kernels::{Access, Geometry, Tile, WeightLoad, Weights, Work};
use crate::method::algorithm::Algorithm;
use crate::method::sharing::TapRows;

use accumulate::{Accumulation, At};
use engine::Engine;
pub(super) use matrix::Matrix;
use splits::Expected;
pub(super) use tiled::Tiled;
use tiles::Candidate;

/// A family's kernel and its tiles.
struct Kernels {
    engine: Engine,
    candidates: &'static [Candidate],
}

impl Kernels {
    /// What the smallest tile needs that a device has not.
    fn lacks(&self, target: &Target) -> Option<&'static str> {
        let fits = self.candidates.iter().any(|candidate| candidate.fits(self.engine, target));
        (!fits).then_some("the threads and the workgroup memory of its smallest tile")
    }

    /// The dispatch of a convolution; two where its reduction is split.
    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches> {
        let (ask, target) = (&direct.ask, direct.ask.target);
        let (problem, at) = (ask.problem, direct.affine_at());
        let gemm = |splits| Gemm {
            ask,
            conv: direct.geometry(),
            rows: direct.filters(),
            pixels: direct.pixels(),
            weights: direct.weights,
            input: direct.input,
            splits,
            sums: match splits {
                1 => Sums::Outputs { filters: direct.made_of, end: ask.end(direct.output) },
                _ => Sums::Splits { filters: direct.made_of, access: ask.access(&[direct.pixels()]) },
            },
            table: Table { scale_at: at[0], bias_at: at[1], ..Table::default() },
        };
        let bytes = |splits: usize| 4 * splits as u64 * problem.outputs();
        let [input, weights, output] = ask.tensor_bytes();
        let splits = splits::choose(|splits| {
            let (_, prediction) = gemm(splits).best(self)?;
            let Prediction { fill, .. } = prediction;
            let moving = |bytes| target.hardware().moving(prediction, bytes).seconds();
            if splits == 1 {
                return Some(Expected { seconds: moving(input + weights + output), fill });
            }
            ask.allows_workspace(bytes(splits)).then_some(())?;
            let adding = Accumulation::of_splits(ask, at, splits).seconds(target, bytes(splits) + output);
            Some(Expected { seconds: moving(input + weights + bytes(splits)) + adding, fill })
        });
        let mut steps = vec![gemm(splits).step(self)?];
        if splits > 1 {
            steps.push(Accumulation::of_splits(ask, at, splits).step(ask.most_workgroups()));
        }
        let workspace = if splits > 1 { bytes(splits) } else { 0 };
        let multiply_adds = problem.dense_multiply_adds() as f64;
        Ok(Dispatches { steps, workspace, multiply_adds, hankel_levels: 0 })
    }

    /// The product pass.
    fn products(&'static self, ask: &Ask<'_>) -> Box<dyn Products> {
        let [batch, _, height, width] = ask.problem.input_shape();
        let images = batch as u64;
        let rows = ask.problem.sharing().most_bases();
        let slots = rows * ask.problem.conv().groups;
        let bytes = |splits: usize| 4 * (splits * slots * height * width) as u64 * images;
        let [input, weights, output] = ask.tensor_bytes();
        let splits = splits::choose(|splits| {
            let gemm = Gemm::of_products(ask, 0..batch, rows, splits, Table::default());
            let (_, prediction) = gemm.best(self)?;
            // A stage is done to whole products.
            let may_split = ask.problem.base_stage().is_none() && ask.allows_workspace(bytes(splits));
            (splits == 1 || may_split).then_some(())?;
            let adding = Accumulation::of_products(ask, 0..batch, splits, At::default());
            let products = ask.target.hardware().moving(prediction, input + weights + bytes(splits)).seconds();
            let seconds = products + adding.seconds(ask.target, bytes(splits) + output);
            Some(Expected { seconds, fill: prediction.fill })
        });
        Box::new(Plain { kernels: self, width, splits })
    }
}

/// Plain products, `[splits, slots, images, H, W]`.
struct Plain {
    kernels: &'static Kernels,
    width: usize,
    splits: usize,
}

impl Products for Plain {
    fn stored(&self) -> Stored {
        let (width, splits) = (self.width, self.splits);
        Stored { row_taps: 1, tap_rows: TapRows::Even { step: 0 }, columns: width, pitch: width, splits }
    }

    fn multiply_adds(&self, ask: &Ask<'_>) -> f64 {
        Algorithm::Shared.multiply_adds(ask.problem) as f64
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let Pass { ask, stored, tables, .. } = pass;
        let slots_at = (ask.problem.conv().groups * tables.rows) as u32;
        let stage_at = tables.at.stage as u32;
        let table = Table { slots_at, slots: tables.slots as u32, stage_at, ..Table::default() };
        Gemm::of_products(ask, pass.images(), tables.rows, stored.splits, table).step(self.kernels)
    }

    fn accumulate(&self, pass: &Pass<'_>) -> Step {
        let Pass { ask, images, stored, tables, .. } = pass;
        let [_, _, height, width] = ask.problem.input_shape();
        let at = At {
            slots: tables.at.tap_slots as u32,
            scale: tables.at.scale as u32,
            bias: tables.at.bias as u32,
            split_size: (tables.slots * images * height * width) as u32,
        };
        Accumulation::of_products(ask, pass.images(), stored.splits, at).step(ask.most_workgroups())
    }
}

/// One implicit GEMM: a convolution, or products as one.
struct Gemm<'a> {
    ask: &'a Ask<'a>,
    conv: Geometry,
    /// A group.
    rows: usize,
    pixels: usize,
    weights: Weights,
    /// How four neighbouring output pixels lie in the input.
    input: Access,
    /// Of the reduction.
    splits: usize,
    sums: Sums,
    table: Table,
}

/// Where in the table stands what is done with the sums; 0 where it is something else.
#[derive(Default)]
struct Table {
    scale_at: u32,
    bias_at: u32,
    slots_at: u32,
    slots: u32,
    stage_at: u32,
}

impl<'a> Gemm<'a> {
    /// That of a product pass over some images, with so many rows a group.
    fn of_products(ask: &'a Ask<'a>, images: Range<usize>, rows: usize, splits: usize, table: Table) -> Self {
        let [_, _, height, width] = ask.problem.input_shape();
        let pixels = images.len() * height * width;
        Self {
            ask,
            conv: Geometry::of_products(ask.problem, images.start),
            rows,
            pixels,
            weights: ask.summary_weights(),
            input: ask.access(&[height * width]),
            splits,
            sums: Sums::Products { base_stage: ask.problem.base_stage(), access: ask.access(&[pixels]) },
            table,
        }
    }

    /// The dispatch with the tile that is expected to take least time.
    fn step(&self, kernels: &Kernels) -> Result<Step> {
        let Some((best, _)) = self.best(kernels) else {
            let reason = "no tile fits the device's workgroup memory".to_owned();
            return Err(Error::Unsupported { kernel: kernels.engine.name(), reason });
        };
        let (operands, uniform) = (self.operands(best.tile), self.uniform(best.tile));
        let step = kernels.engine.step(best.tile, operands, &uniform, self.ask.target);
        Ok(step.with_registers(best.registers))
    }

    /// The tile that is expected to take least time, and that time but for what goes through memory, which is the same
    /// with all. `None` where no tile fits, or none makes splits long enough.
    fn best<'k>(&self, kernels: &'k Kernels) -> Option<(&'k Candidate, Prediction)> {
        let (engine, target) = (kernels.engine, self.ask.target);
        let fitting = kernels.candidates.iter().filter(|candidate| candidate.fits(engine, target));
        let suiting = fitting.filter(|one| one.suits(engine, self.quads(one.tile), target));
        let long = suiting.filter(|one| splits::are_long(steps(&self.conv, one.tile), self.splits));
        let predicted = long.map(|candidate| (candidate, self.predict(engine, candidate)));
        predicted.min_by(|(_, a), (_, b)| a.seconds().total_cmp(&b.seconds()))
    }

    fn predict(&self, engine: Engine, candidate: &Candidate) -> Prediction {
        let (tile, target) = (candidate.tile, self.ask.target);
        let uniform = self.uniform(tile);
        let work = engine.work(tile, self.operands(tile), &uniform, target);
        let work = Work { registers: candidate.registers, ..work };
        target.predict(&work, engine.threads(tile, target), uniform.tiles.into(), 0.0)
    }

    fn operands(&self, tile: Tile) -> Operands {
        Operands {
            input: self.ask.input(if self.quads(tile) { Access::Vec4 } else { Access::Scalar }),
            weights: self.weights,
            whole: self.whole(tile),
            sums: self.sums,
            read_write: self.ask.options.bind_read_write,
        }
    }

    fn uniform(&self, tile: Tile) -> Uniform {
        let pixel_tiles = self.pixels.div_ceil(tile.pixels_per_tile());
        let row_tiles = self.rows.div_ceil(tile.rows_per_tile());
        let split_tiles = pixel_tiles * row_tiles * self.ask.problem.conv().groups;
        let Table { scale_at, bias_at, slots_at, slots, stage_at } = self.table;
        Uniform {
            conv: self.conv,
            tiles: (split_tiles * self.splits) as u32,
            pixel_tiles: pixel_tiles as u32,
            row_tiles: row_tiles as u32,
            rows: self.rows as u32,
            pixels: self.pixels as u32,
            scale_at,
            bias_at,
            slots_at,
            slots,
            stage_at,
            splits: self.splits as u32,
            split_tiles: split_tiles as u32,
        }
    }

    /// Whether all channels of every step exist.
    fn whole(&self, tile: Tile) -> bool {
        self.conv.channels.is_multiple_of(tile.depth * tile.slices)
    }

    /// Whether columns may be loaded by quads.
    fn quads(&self, tile: Tile) -> bool {
        self.whole(tile) && self.input == Access::Vec4 && self.weights.load == WeightLoad::Vec4
    }
}
