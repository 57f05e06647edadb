//! Pass 2 where products lie in rows of whole quads: for the families `portable` and `software`.

use super::Step;
use super::shared::Pass;
use super::tables::Stored;
use crate::kernels::accumulate::{Accumulate, Terms, Uniform};
use crate::kernels::{Geometry, Kernel, Tile};

/// Threads, and output rows that each finishes at a time.
const TILE: Tile = Tile::registers(64, 1, 4, 1);

pub(super) fn step(pass: &Pass<'_>, stored: Stored) -> Step {
    let Pass { ask, first_image, images, tables } = pass;
    let problem = ask.problem;
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, window) = (problem.conv(), problem.placement().window());
    let in_place = conv.stride[1] == 1 && conv.dilation[1] == 1 && problem.begins_rows();
    let terms = match stored.row_taps {
        2.. => Terms::Rows,
        _ if in_place => Terms::Shifted { padding: conv.padding[1] as u32 },
        _ => Terms::Taps,
    };
    let kernel = Accumulate {
        tile: TILE,
        terms,
        size: [window.height() as u32, (window.width() / stored.row_taps) as u32],
        words: ask.words && terms != Terms::Taps,
        blended: ask.blended(),
        end: ask.end(ask.access(&[out_width])),
        read_write: ask.options.bind_read_write,
    };
    let row_quads = out_width.div_ceil(4);
    // No thread walks a column without end.
    let rows = TILE.rows as usize;
    let most_rows = (ask.target.most_turns(kernel.unrolled()) / kernel.turns_an_output()).max(1) as usize * rows;
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
    Step::of_threads(kernel, &uniform, threads as u64, ask.most_workgroups())
}
