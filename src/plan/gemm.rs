//! Implicit GEMM, for the families that compute convolutions and products by one kernel: products are a 1x1 convolution
//! whose filters are the bases; they are stored plain, and pass 2 adds them up a tile of channels at a time.

pub(crate) mod accumulate;
mod engine;
pub(crate) mod matrix;
pub(crate) mod tiled;
mod tiles;

use super::ask::Ask;
use super::direct::{Direct, Dispatches};
use super::shared::{Pass, Products};
use super::tables::Stored;
use super::{Step, Target};
use crate::error::{Error, Result};
use crate::kernels::matrix::Matrix as MatrixKernel;
use crate::kernels::tiled::{Operands, Sums, Tiled as TiledKernel, Uniform};
use crate::kernels::{Access, Geometry, Tile, WeightLoad, Weights};
use crate::method::sharing::TapRows;

use engine::Engine;
pub(super) use matrix::Matrix;
pub(super) use tiled::Tiled;
use tiles::{Candidate, Size};

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

    /// The best tile, and its time in multiply-adds of the device's peak a unit of depth.
    fn tile(&self, size: &Size, target: &Target) -> Result<(Tile, f64)> {
        tiles::choose(self.candidates, self.engine, size, target).ok_or_else(|| Error::Unsupported {
            kernel: self.engine.name(),
            reason: "no tile fits the device's workgroup memory".to_owned(),
        })
    }

    /// The dispatch of a convolution.
    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches> {
        let problem = direct.ask.problem;
        let [scale_at, bias_at] = direct.affine_at();
        let gemm = Gemm {
            ask: &direct.ask,
            conv: direct.geometry(),
            rows: direct.filters(),
            pixels: direct.pixels(),
            weights: direct.weights,
            input: direct.input,
            sums: Sums::Outputs { filters: direct.made_of, end: direct.ask.end(direct.output) },
            table: Table { scale_at, bias_at, ..Table::default() },
        };
        let (tile, each) = self.tile(&gemm.size(), direct.ask.target)?;
        let multiply_adds = each * problem.placement().window().weights() as f64;
        Ok(Dispatches { steps: vec![gemm.step(self.engine, tile)], multiply_adds, hankel_levels: 0 })
    }

    /// The product pass.
    fn products(&'static self, ask: &Ask<'_>) -> Result<Box<dyn Products>> {
        let problem = ask.problem;
        let [batch, _, height, width] = problem.input_shape();
        let rows = problem.sharing().most_bases();
        let in_quads = has_quads(ask.access(&[height * width]), ask.summary_weights());
        let channels = problem.placement().window().channels() as u32;
        let size = Size { rows, pixels: batch * height * width, groups: problem.conv().groups, channels, in_quads };
        let (_, each) = self.tile(&size, ask.target)?;
        let multiply_adds = each * problem.placement().window().channels() as f64;
        Ok(Box::new(Plain { kernels: self, width, multiply_adds }))
    }
}

/// Plain products, `[slots, images, H, W]`.
struct Plain {
    kernels: &'static Kernels,
    width: usize,
    multiply_adds: f64,
}

impl Products for Plain {
    fn stored(&self) -> Stored {
        Stored { row_taps: 1, tap_rows: TapRows::Even { step: 0 }, columns: self.width, pitch: self.width }
    }

    fn multiply_adds(&self, _: &Ask<'_>) -> f64 {
        self.multiply_adds
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let Pass { ask, first_image, images, tables } = pass;
        let [_, _, height, width] = ask.problem.input_shape();
        let slots_at = (ask.problem.conv().groups * tables.rows) as u32;
        let gemm = Gemm {
            ask,
            conv: Geometry::of_products(ask.problem, *first_image),
            rows: tables.rows,
            pixels: images * height * width,
            weights: ask.summary_weights(),
            input: ask.access(&[height * width]),
            sums: Sums::Products {
                base_stage: ask.problem.base_stage(),
                access: ask.access(&[images * height * width]),
            },
            table: Table { slots_at, slots: tables.slots as u32, stage_at: tables.at.stage as u32, ..Table::default() },
        };
        let (tile, _) = self.kernels.tile(&gemm.size(), ask.target)?;
        Ok(gemm.step(self.kernels.engine, tile))
    }

    fn accumulate(&self, pass: &Pass<'_>) -> Step {
        accumulate::step(pass)
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

impl Gemm<'_> {
    fn size(&self) -> Size {
        let groups = self.ask.problem.conv().groups;
        let channels = self.conv.channels;
        Size { rows: self.rows, pixels: self.pixels, groups, channels, in_quads: has_quads(self.input, self.weights) }
    }

    fn step(&self, engine: Engine, tile: Tile) -> Step {
        let pixel_tiles = self.pixels.div_ceil(tile.pixels_per_tile());
        let row_tiles = self.rows.div_ceil(tile.rows_per_tile());
        let tiles = (pixel_tiles * row_tiles * self.ask.problem.conv().groups) as u64;
        let Table { scale_at, bias_at, slots_at, slots, stage_at } = self.table;
        let uniform = Uniform {
            conv: self.conv,
            tiles: tiles as u32,
            pixel_tiles: pixel_tiles as u32,
            row_tiles: row_tiles as u32,
            rows: self.rows as u32,
            pixels: self.pixels as u32,
            scale_at,
            bias_at,
            slots_at,
            slots,
            stage_at,
        };
        let whole = self.conv.channels.is_multiple_of(tile.depth * tile.slices);
        let quads = whole && has_quads(self.input, self.weights);
        let operands = Operands {
            input: self.ask.input(if quads { Access::Vec4 } else { Access::Scalar }),
            weights: self.weights,
            whole,
            sums: self.sums,
            read_write: self.ask.options.bind_read_write,
        };
        let limit = self.ask.most_workgroups();
        match engine {
            Engine::Tiled => Step::new(TiledKernel { tile, operands }, &uniform, tiles, limit),
            Engine::Matrix => {
                let lanes = self.ask.target.subgroup_max_size;
                Step::new(MatrixKernel { tile, lanes, operands }, &uniform, tiles, limit)
            }
        }
    }
}

/// Whether columns may be loaded by quads, where all channels of every step exist.
fn has_quads(input: Access, weights: Weights) -> bool {
    input == Access::Vec4 && weights.load == WeightLoad::Vec4
}
