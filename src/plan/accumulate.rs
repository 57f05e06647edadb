//! Pass 2 where products lie in rows of whole quads: for the families `portable` and `software`.

use super::Step;
use super::shared::Pass;
use super::tables::Stored;
use crate::kernels::accumulate::{Accumulate, Terms, Uniform};
use crate::kernels::accumulate_plane::AccumulatePlane;
use crate::kernels::{Geometry, Kernel, Tile};
use crate::method::problem::Problem;

/// Threads, and output rows that each finishes at a time.
const TILE: Tile = Tile::registers(64, 1, 4, 1);

/// Output rows that a thread finishes which loads every row of products once: as many again as the kernel has are
/// loaded twice.
const ROWS_OF_PLANES: u32 = 8;

pub(super) fn step(pass: &Pass<'_>, stored: Stored) -> Step {
    let Pass { ask, first_image, images, tables, .. } = pass;
    let problem = ask.problem;
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, window) = (problem.conv(), problem.placement().window());
    let in_place = conv.stride[1] == 1 && conv.dilation[1] == 1 && problem.begins_rows();
    let terms = match stored.row_taps {
        2.. => Terms::Rows,
        _ if in_place => Terms::Shifted { padding: conv.padding[1] as u32 },
        _ => Terms::Taps,
    };
    let (end, read_write) = (ask.end(ask.access(&[out_width])), ask.options.bind_read_write);
    let size = [window.height() as u32, (window.width() / stored.row_taps) as u32];
    let of_planes = (stored.row_taps == 1 && in_place && reads_planes(problem)).then(|| AccumulatePlane {
        threads: TILE.threads(),
        size,
        padding: conv.padding[1] as u32,
        words: ask.words,
        gains: ask.filters().gains,
        end,
        read_write,
    });
    let words = ask.words && terms != Terms::Taps;
    let kernel = Accumulate { tile: TILE, terms, size, words, filters: ask.filters(), end, read_write };
    let row_quads = out_width.div_ceil(4);
    // No thread walks a column without end.
    let rows = of_planes.map_or(TILE.rows, |_| ROWS_OF_PLANES) as usize;
    let most_rows = match of_planes {
        // Rounded up to whole blocks, and the rows of the kernel beside them.
        Some(plane) => (ask.target.most_turns(plane.unrolled()) as usize).saturating_sub(rows + window.height()).max(1),
        None => (ask.target.most_turns(kernel.unrolled()) / kernel.turns_an_output()).max(1) as usize * rows,
    };
    let thread_rows = if ask.target.walks_columns() { out_height.min(most_rows) } else { rows }.next_multiple_of(rows);
    let row_blocks = out_height.div_ceil(thread_rows);
    let threads = row_quads * row_blocks * out_channels * images;
    let uniform = Uniform {
        conv: Geometry::of(problem, problem.bases().channel_stride).at_image(*first_image),
        threads: threads as u32,
        row_quads: row_quads as u32,
        row_blocks: row_blocks as u32,
        thread_rows: thread_rows as u32,
        pitch: stored.pitch as u32,
        images: *images as u32,
        slots_at: tables.at.tap_slots as u32,
        scale_at: tables.at.scale as u32,
        bias_at: tables.at.bias as u32,
    };
    let (threads, limit) = (threads as u64, ask.most_workgroups());
    match of_planes {
        Some(kernel) => Step::of_threads(kernel, &uniform, threads, limit),
        None => Step::of_threads(kernel, &uniform, threads, limit),
    }
}

/// Whether all taps of a filter read one plane of products, and few enough of it for registers.
fn reads_planes(problem: &Problem) -> bool {
    let (conv, window) = (problem.conv(), problem.placement().window());
    let sizes = [window.height(), window.width(), conv.padding[1]];
    let in_rows = conv.stride[0] == 1 && conv.dilation[0] == 1 && problem.whole().first_tap == [0, 0];
    let one_base = |rows: &[u32]| rows.iter().all(|&row| row == rows[0]);
    let sharing = problem.sharing();
    in_rows
        && problem.bases().neighbours == 1
        && sizes.iter().all(|&size| size <= AccumulatePlane::MOST_TAPS)
        && window.taps() > 1
        && sharing.rows().chunks(window.taps()).all(one_base)
}
