//! Fused: shared products that stay in workgroup memory. One dispatch, for all families whose devices have some.

mod block;
mod filter_tiles;

use super::Step;
use super::ask::{Ask, fractions};
use super::cost::Costs;
use super::draft::Draft;
use super::tables::stage_at;
use crate::error::{Error, Result};
use crate::kernels::fused::{Fused, Uniform};
use crate::kernels::{Access, Geometry, Kernel, Tile, Work};
use crate::method::problem::Problem;
use crate::plan::Target;
use block::Block;
use filter_tiles::FilterTiles;

/// A tile, and what is expected of it.
pub(super) struct Candidate {
    tile: Tile,
    /// Of workgroup memory.
    bytes: u32,
    /// Registers a thread, about.
    registers: u32,
    /// Only for compilers that cannot hold the sums of the larger tiles.
    is_substitute: bool,
}

/// Of all tiles: filters are finished with every so many rows.
const LANES_Y: u32 = 8;

/// With quads a thread, depth, and KiB of workgroup memory.
const fn candidate(lanes_x: u32, rows: u32, [quads, depth, kib]: [u32; 3], registers: u32) -> Candidate {
    let tile = Tile { lanes_x, lanes_y: LANES_Y, rows, quads, depth, slices: 1 };
    Candidate { tile, bytes: kib << 10, registers, is_substitute: false }
}

const fn substitute(lanes_x: u32, rows: u32, memory: [u32; 3], registers: u32) -> Candidate {
    Candidate { is_substitute: true, ..candidate(lanes_x, rows, memory, registers) }
}

/// Bases x pixels, depth, workgroup memory. Blocks of many pixels have little halo, tiles of many bases load X rarely.
/// Registers are counted (`benches/results/isa-26.1.6/fused.md`).
pub(super) static CANDIDATES: [Candidate; 11] = [
    // 72x256: with step C, 64 filters read 72 bases.
    candidate(32, 9, [2, 8, 48], 208),
    candidate(32, 9, [2, 8, 32], 128),
    // 64x256: one base a filter.
    candidate(32, 8, [2, 8, 32], 128),
    candidate(32, 8, [2, 4, 16], 128),
    // 72x128.
    candidate(16, 9, [2, 4, 16], 192),
    // 32x64: for every device, and for few pixels.
    candidate(8, 4, [2, 4, 14], 160),
    // As many threads as the large ones have, with half their sums: half the pixels, 72x128 and 64x128, or half the
    // bases, 32x256. With 16 KiB the rows that nine neighbouring bases need leave little for a block's width.
    substitute(32, 9, [1, 8, 32], 104),
    substitute(32, 9, [1, 8, 16], 104),
    substitute(32, 8, [1, 8, 16], 104),
    substitute(32, 4, [2, 8, 32], 104),
    substitute(32, 4, [2, 4, 16], 104),
];

/// Of the largest tile.
const MOST_SUMS: u32 = 72;

impl Candidate {
    /// Quads of workgroup memory for products.
    fn memory(&self) -> u32 {
        (self.bytes - Fused::weight_bytes(self.tile)) / 16
    }

    /// Rows from one quad of products to the next: those that memory holds, and an odd number, so that neighbouring
    /// quads lie in different banks; 0 where it holds none.
    fn quad_pitch(&self, block: &Block) -> usize {
        let most = (self.memory() as usize / block.row_quads).min(self.tile.rows_per_tile() + 1);
        if most.is_multiple_of(2) { most.saturating_sub(1) } else { most }
    }

    /// Rows of products of a block that are kept.
    fn window(&self, block: &Block) -> usize {
        self.quad_pitch(block).min(self.tile.rows_per_tile())
    }

    /// Whether the target's compiler keeps its sums in registers, and those of no tile that it is there for.
    fn suits(&self, target: &Target) -> bool {
        let most = target.most_sums();
        self.tile.sums_per_thread() <= most && !(self.is_substitute && MOST_SUMS <= most)
    }

    fn fits(&self, limits: &wgpu::Limits) -> bool {
        self.tile.threads() <= limits.max_compute_invocations_per_workgroup
            && self.bytes <= limits.max_compute_workgroup_storage_size
    }
}

/// Every tile with its quads of memory, for tests.
#[cfg(test)]
pub(crate) fn tiles() -> impl Iterator<Item = (Tile, u32)> {
    CANDIDATES.iter().map(|candidate| (candidate.tile, candidate.memory()))
}

/// The filters cut into tiles of as many rows as some candidate has, and where that lies in the table.
struct Cut {
    rows: usize,
    filters: FilterTiles,
    bases_at: usize,
    groups_at: usize,
    finished_at: usize,
    filters_at: usize,
    /// Of a tap's row in its word: all cuts have their own bits.
    row_shift: u32,
    /// First of its rows in the list of those with a base stage.
    stage_at: usize,
}

/// What a plan's table holds.
struct FusedTable {
    words: Vec<u32>,
    taps_at: usize,
    /// The base of every row of every cut's tiles, where there is a base stage.
    stage: Vec<usize>,
}

/// The cuts that a problem has: into few rows for every device and for few pixels, and into many. Both are in the
/// table, whatever the batch: another one may want another tile of the same layer. Of the tall tiles those are taken
/// that have fewest rows in all. Then the table's words, and the base of every row that a base stage is done to.
fn cuts(problem: &Problem, candidates: &[&Candidate]) -> (Vec<Cut>, FusedTable) {
    let mut rows: Vec<usize> = candidates.iter().map(|candidate| candidate.tile.rows_per_tile()).collect();
    rows.sort_unstable();
    rows.dedup();
    let cut = |&rows: &usize| Some((rows, FilterTiles::new(problem, rows)?));
    let (low, tall) = rows.split_at(1);
    let tall = tall.iter().filter_map(cut).min_by_key(|(rows, filters)| rows * filters.count());
    let (mut cuts, mut table, mut stage): (Vec<Cut>, _, Vec<usize>) = (Vec::new(), Vec::new(), Vec::new());
    let mut taps = vec![0; problem.bases().of_tap.len()];
    for (rows, filters) in low.iter().filter_map(cut).chain(tall) {
        let bases_at = table.len();
        table.extend(filters.bases());
        let groups_at = table.len();
        table.extend(filters.groups());
        let finished_at = table.len();
        table.extend(filters.finished(LANES_Y as usize));
        let filters_at = table.len();
        table.extend(filters.filters());
        // Tiles have fewer than 256 rows, and there are two cuts.
        let row_shift = 8 * cuts.len() as u32;
        taps.iter_mut().zip(filters.rows()).for_each(|(word, row)| *word |= row << row_shift);
        let stage_at = stage.len();
        if problem.base_stage().is_some() {
            stage.extend(filters.base_places());
        }
        cuts.push(Cut { rows, filters, bases_at, groups_at, finished_at, filters_at, row_shift, stage_at });
    }
    let taps_at = table.len();
    table.extend(taps);
    table.extend(fractions(problem));
    (cuts, FusedTable { words: table, taps_at, stage })
}

/// A candidate laid out for a problem.
struct Layout {
    kernel: Fused,
    uniform: Uniform,
    registers: u32,
}

/// Plans a convolution by shared products that are not stored, with one of a family's `candidates`.
///
/// # Errors
/// Where no tile computes it.
pub(super) fn draft(ask: &Ask<'_>, candidates: &'static [Candidate], costs: Option<Costs>) -> Result<Draft> {
    let (problem, target) = (ask.problem, ask.target);
    let unsupported = |reason: &str| Err(Error::Unsupported { kernel: "fused", reason: reason.to_owned() });
    if candidates.is_empty() {
        return unsupported("the family's products do not stay in workgroup memory");
    }
    let candidates: Vec<_> = candidates.iter().filter(|candidate| candidate.suits(target)).collect();
    let fitting: Vec<_> = candidates.iter().copied().filter(|candidate| candidate.fits(&target.limits)).collect();
    if fitting.is_empty() {
        return unsupported("no tile fits the device's workgroup memory");
    }
    let (cuts, table) = cuts(problem, &candidates);
    let at = At { taps: table.taps_at, words: table.words.len() };
    let layouts = fitting.into_iter().filter_map(|candidate| Layout::new(candidate, &cuts, ask, at));
    let Some(layout) = layouts.min_by(|a, b| a.seconds(target).total_cmp(&b.seconds(target))) else {
        return unsupported("no tile holds a filter's bases for a block of pixels with the halo of its taps");
    };
    let terms = problem.bases().neighbours * problem.placement().window().taps();
    Ok(Draft {
        steps: vec![layout.step(ask.most_workgroups())],
        table: table.words,
        stage: table.stage,
        workspace: 0,
        storage: ask.storage(),
        hankel_levels: 0,
        terms,
        cost: costs.map(|costs| costs.of_fused(layout.multiply_adds(), problem.outputs(), terms)),
    })
}

/// Where a problem's table has what all cuts share.
#[derive(Clone, Copy)]
struct At {
    taps: usize,
    /// Scales follow.
    words: usize,
}

impl Layout {
    /// `None` where a filter reads more bases than a tile has, or no block with its halo fits.
    fn new(candidate: &Candidate, cuts: &[Cut], ask: &Ask<'_>, at: At) -> Option<Self> {
        let (problem, tile) = (ask.problem, candidate.tile);
        let cut = cuts.iter().find(|cut| cut.rows == tile.rows_per_tile())?;
        let windows = cut.filters.windows(LANES_Y as usize, tile.rows as usize);
        let rows_a_step = |block: &Block| {
            let window = candidate.window(block);
            windows.iter().rposition(|&needed| needed <= window).map(|index| index as u32 + 1)
        };
        let quads = (tile.lanes_x * tile.quads) as usize;
        let fitting = Block::all(problem, quads).filter_map(|block| Some((rows_a_step(&block)?, block)));
        let (step_rows, block) =
            fitting.min_by_key(|(step_rows, block)| (block.count(), tile.rows.div_ceil(*step_rows)))?;
        let kernel = Fused {
            tile,
            memory: candidate.memory(),
            half: ask.input(Access::Scalar).half,
            weights: ask.summary_weights(),
            filters: ask.filters(),
            base_stage: problem.base_stage(),
            end: ask.end(Access::Scalar),
            read_write: ask.options.bind_read_write,
        };
        let [blocks_x, blocks_y, _] = block.counts;
        let uniform = Uniform {
            conv: Geometry::of(problem, problem.bases().channel_stride),
            tiles: block.count().saturating_mul(cut.filters.count()) as u32,
            blocks: block.count() as u32,
            blocks_x: blocks_x as u32,
            blocks_y: blocks_y as u32,
            block_width: block.width as u32,
            block_height: block.height as u32,
            block_images: block.images as u32,
            images: problem.batch() as u32,
            pitch: block.pitch as u32,
            image_rows: block.image_rows as u32,
            image_outputs: (block.image_rows / problem.conv().stride[0]) as u32,
            span: block.span as u32,
            row_quads: block.row_quads as u32,
            output_rows: block.output_rows as u32,
            thread_rows: block.output_rows.div_ceil(Fused::POSITIONS as usize) as u32,
            steps: tile.rows.div_ceil(step_rows),
            step_rows,
            window: candidate.window(&block) as u32,
            quad_pitch: candidate.quad_pitch(&block) as u32,
            bases_at: cut.bases_at as u32,
            groups_at: cut.groups_at as u32,
            finished_at: cut.finished_at as u32,
            filters_at: cut.filters_at as u32,
            taps_at: at.taps as u32,
            row_shift: cut.row_shift,
            stage_at: (stage_at(problem, at.words) + 2 * cut.stage_at) as u32,
            scale_at: at.words as u32,
            bias_at: (at.words + problem.out_channels()) as u32,
        };
        Some(Self { kernel, uniform, registers: candidate.registers })
    }

    /// Expected, but for what goes through memory, which is the same with all tiles.
    fn seconds(&self, target: &Target) -> f64 {
        let work = Work { registers: self.registers, ..self.kernel.work(&self.uniform) };
        target.predict(&work, self.kernel.tile.threads(), self.uniform.tiles.into(), 0.0).seconds()
    }

    /// Multiply-adds of all tiles, what hangs over their edges included.
    fn multiply_adds(&self) -> f64 {
        let tile = self.kernel.tile;
        let products = (tile.rows_per_tile() * tile.pixels_per_tile()) as f64;
        f64::from(self.uniform.tiles) * products * f64::from(self.uniform.conv.channels)
    }

    fn step(&self, limit: u32) -> Step {
        Step::new(self.kernel, &self.uniform, self.uniform.tiles.into(), limit).with_registers(self.registers)
    }
}

#[cfg(test)]
mod tests;
