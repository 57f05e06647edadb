//! The portable family: tiles of registers, and a tile of products in workgroup memory; nothing beyond WebGPU's
//! defaults.

mod products;

use super::ask::Ask;
use super::cost::Costs;
use super::direct::{Direct, Dispatches};
use super::fused;
use super::planner::Planner;
use super::shared::Products;
use super::{Step, Target};
use crate::error::Result;
use crate::kernels::Tile;
use crate::kernels::gather::{Gather, Uniform};
use products::Form;

/// The floor.
pub(super) struct Portable;

impl Planner for Portable {
    fn lacks(&self, _: &Target) -> Option<&'static str> {
        None
    }

    /// A fit to CPU time on lavapipe (layers of 16 to 512 channels, steps C and 2C; it reproduces them within a
    /// quarter). There every load costs as much as some 15 multiply-adds, whether of one value or four. Blended
    /// weights made gather 1.5 and 1.9 times slower against dense (64 channels, 32x32; 128, 16x16). Fused products,
    /// whose barriers and workgroup memory a CPU gains nothing by, take 2.1 to 3 times as long as two passes there (64
    /// channels, 56x56, to 512, 7x7).
    fn costs(&self, target: &Target) -> Option<Costs> {
        let costs = Costs {
            store: 20.0,
            row_tap: 13.0,
            finish: 25.0,
            row: 14.0,
            tap: 19.0,
            near_tap: 37.0,
            near_product: 1.4,
            dispatch: 0.0,
            blend: 0.6,
        };
        target.is_software().then_some(costs)
    }

    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches> {
        let ask = &direct.ask;
        let tile = tile(ask.target, direct.filters());
        let pixel_tiles = direct.pixels().div_ceil(tile.pixels_per_tile());
        let channel_tiles = direct.filters().div_ceil(tile.rows_per_tile());
        let tiles = (pixel_tiles * channel_tiles * ask.problem.conv().groups) as u64;
        let kernel = Gather {
            tile,
            input: ask.input(direct.input),
            weights: direct.weights,
            filters: direct.made_of,
            end: ask.end(direct.output),
            read_write: ask.options.bind_read_write,
        };
        let [scale_at, bias_at] = direct.affine_at();
        let uniform = Uniform {
            conv: direct.geometry(),
            tiles: tiles as u32,
            pixel_tiles: pixel_tiles as u32,
            channel_tiles: channel_tiles as u32,
            pixels: direct.pixels() as u32,
            filters: direct.filters() as u32,
            scale_at,
            bias_at,
        };
        let steps = vec![Step::new(kernel, &uniform, tiles, ask.most_workgroups())];
        let multiply_adds = ask.problem.dense_multiply_adds() as f64;
        Ok(Dispatches { steps, workspace: 0, multiply_adds, hankel_levels: 0 })
    }

    fn products(&self, ask: Ask<'_>) -> Result<Box<dyn Products>> {
        Ok(Box::new(Form::new(&ask)?))
    }

    fn fused(&self) -> &'static [fused::Candidate] {
        &fused::CANDIDATES
    }
}

/// Rows and quads a thread keeps, and as many rows of threads as the filters fill.
fn tile(target: &Target, filters: usize) -> Tile {
    const QUADS: u32 = 2;
    let [rows, threads] = target.gather_tile();
    let mut lanes_y = 8;
    while lanes_y > 1 && (lanes_y / 2 * rows) as usize >= filters {
        lanes_y /= 2;
    }
    Tile::registers((threads / lanes_y).max(8), lanes_y, rows, QUADS)
}
