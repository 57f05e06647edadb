//! Shared products, for all families: the tables, the accumulation, and as many images at a time as the workspace
//! holds.

use super::parts::Draft;
use super::{Family, PlanOptions, Step, Target, chain, fractions, turns};
use crate::error::{Error, Result};
use crate::problem::Problem;
use crate::reduction::MOST_TURNS;
use crate::sharing::TapRows;
use crate::spec::{Access, Kernel, RowTaps, Spec, Tile};

/// A family's product pass for one problem. It stores products, or their sums over kernel rows, as
/// `[slots, images, H, pitch]`, for an accumulation that is common to families unless one brings its own.
pub(super) trait Products {
    /// What is stored.
    fn stored(&self) -> Stored;

    /// Multiply-adds for a batch, what tiles do too much included.
    fn multiply_adds(&self, problem: &Problem, target: &Target) -> f64;

    /// The dispatch for some of the images.
    ///
    /// # Errors
    /// Where the family's kernels cannot compute them.
    fn step(&self, pass: &Pass<'_>) -> Result<Step>;

    /// The accumulation that follows it. The common one wants rows of whole quads in the Q form.
    fn accumulate(&self, pass: &Pass<'_>) -> Step {
        let stored = self.stored();
        chain::step(pass, stored).unwrap_or_else(|| accumulate_step(pass, stored))
    }
}

/// What a product pass stores for every base and input row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Taps summed with the products: KW in the Q form, 1 in the plain form.
    pub(super) row_taps: usize,
    /// Where those lie in the list of bases.
    pub(super) tap_rows: TapRows,
    /// Columns: OW in the Q form, W in the plain form.
    pub(super) columns: usize,
    /// Columns from one row to the next in memory.
    pub(super) pitch: usize,
}

/// What a product pass works on.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) problem: &'a Problem,
    pub(super) target: &'a Target,
    pub(super) options: PlanOptions,
    pub(super) chunk: &'a Chunk,
    pub(super) tables: &'a Tables,
}

/// What shared products have to do, for the cost model.
pub(super) struct Work {
    /// Of the product pass, tiles' surplus included.
    pub(super) multiply_adds: f64,
    /// Values stored by the product pass.
    pub(super) stored: u64,
    /// Products added up for each of them.
    pub(super) row_taps: usize,
    pub(super) outputs: u64,
    /// Stored values added up for each output.
    pub(super) terms: usize,
}

/// `None` where shared cannot run.
pub(super) fn work(problem: &Problem, target: &Target, family: Family, options: PlanOptions) -> Option<Work> {
    let products = family.planner().products(problem, target, options)?;
    let stored = products.stored();
    let [batch, _, height, _] = problem.input_shape();
    let [kinds, apart] = [stored.tap_rows.kinds(), stored.tap_rows.apart()].map(u64::from);
    // Those that no filter reads are not stored, but few.
    let sums = problem.sharing().bases() as u64 * kinds / apart;
    Some(Work {
        multiply_adds: products.multiply_adds(problem, target),
        stored: sums * (batch * height * stored.columns) as u64,
        row_taps: stored.row_taps,
        outputs: problem.outputs(),
        terms: problem.bases().neighbours * problem.placement().window().taps() / stored.row_taps,
    })
}

/// Plans [`Algorithm::Shared`].
pub(super) fn plan(family: Family, problem: &Problem, target: &Target, options: PlanOptions) -> Result<Draft> {
    let Some(products) = family.planner().products(problem, target, options) else {
        return Err(Error::Unsupported { kernel: "shared", reason: "a tile cannot hold a row of products".to_owned() });
    };
    let stored = products.stored();
    let tables = Tables::new(problem, stored);
    let [batch, _, height, _] = problem.input_shape();
    let image_bytes = 4 * tables.slots as u64 * height as u64 * stored.pitch as u64;
    let images = images_a_chunk(image_bytes, target, options)?.min(batch as u64) as usize;
    let mut steps = Vec::new();
    for first in (0..batch).step_by(images) {
        let chunk = Chunk { first, images: images.min(batch - first) };
        let pass = Pass { problem, target, options, chunk: &chunk, tables: &tables };
        steps.push(products.step(&pass)?);
        steps.push(products.accumulate(&pass));
    }
    Ok(Draft { storage: options.storage, steps, table: tables.words, workspace: image_bytes * images as u64 })
}

/// Images of one pass over the workspace.
pub(super) struct Chunk {
    pub(super) first: usize,
    pub(super) images: usize,
}

fn images_a_chunk(image_bytes: u64, target: &Target, options: PlanOptions) -> Result<u64> {
    // Products should stay in cache between the passes: the last level of a CPU, the L2 of a large GPU.
    let default = if target.software { 4 << 20 } else { 32 << 20 };
    let hard = target.limits.max_storage_buffer_binding_size.min(target.limits.max_buffer_size);
    if image_bytes > hard {
        return Err(Error::Limit {
            field: "bytes of products of one image".to_owned(),
            value: image_bytes,
            limit_name: "max_storage_buffer_binding_size",
            limit: hard,
        });
    }
    Ok((options.workspace_limit.unwrap_or(default).min(hard) / image_bytes).max(1))
}

/// Where the parts of the table that the accumulation reads begin, in words.
pub(super) struct TableOffsets {
    pub(super) tap_slots: usize,
    pub(super) scale: usize,
    pub(super) bias: usize,
}

/// The table: bases [groups * rows], the slots of every row [groups * rows, kinds of sums], the slots every filter
/// adds up [O, neighbours, terms], and where there are two neighbours the fractions [O].
pub(super) struct Tables {
    words: Vec<u32>,
    /// Bases of the largest group.
    pub(super) rows: usize,
    /// Rows that are stored.
    pub(super) slots: usize,
    pub(super) at: TableOffsets,
}

impl Tables {
    /// The slots that every filter adds up, `[O, terms]`, where filters are no blends.
    pub(super) fn tap_slots(&self) -> &[u32] {
        &self.words[self.at.tap_slots..]
    }

    fn new(problem: &Problem, Stored { row_taps, tap_rows, .. }: Stored) -> Self {
        let (sharing, taps) = (problem.sharing(), problem.placement().window().taps());
        let (groups, filters) = (problem.conv().groups, problem.out_channels());
        let (rows, kinds) = (sharing.most_bases(), tap_rows.kinds() as usize);
        let mut words = Vec::new();
        for bases in sharing.groups() {
            let padded = bases.iter().chain(std::iter::repeat(&bases[bases.len() - 1]));
            words.extend(padded.take(rows).map(|&base| base as u32));
        }
        // What every segment of a filter adds up: its taps, or their sums. Groups have their rows one after another.
        let segments_a_group = filters * problem.bases().neighbours / groups;
        let of_segments = sharing.rows().chunks(taps).enumerate();
        let read: Vec<usize> = of_segments
            .flat_map(|(segment, tap_rows_of)| {
                let first = segment / segments_a_group * rows;
                let sums = tap_rows.sums(tap_rows_of, taps / row_taps);
                sums.map(move |(row, kind)| (first + row as usize) * kinds + kind as usize)
            })
            .collect();
        let mut is_read = vec![false; groups * rows * kinds];
        read.iter().for_each(|&sum| is_read[sum] = true);
        // Sums that no filter reads get the slot past the last, which the kernel leaves out.
        let slots = is_read.iter().filter(|&&read| read).count() as u32;
        let numbers = is_read.iter().scan(0, |next, &read| {
            let slot = if read { *next } else { slots };
            *next += u32::from(read);
            Some(slot)
        });
        let slot_of_sum: Vec<u32> = numbers.collect();
        words.extend(&slot_of_sum);
        let tap_slots = words.len();
        words.extend(read.iter().map(|&sum| slot_of_sum[sum]));
        words.extend(fractions(problem));
        let at = TableOffsets { tap_slots, scale: words.len(), bias: words.len() + filters };
        Self { words, rows, slots: slots as usize, at }
    }
}

fn accumulate_step(pass: &Pass<'_>, stored: Stored) -> Step {
    let Pass { problem, target, options, chunk, tables } = pass;
    let at = &tables.at;
    let kernel = if stored.row_taps > 1 { Kernel::AccumulateRows } else { Kernel::AccumulateTaps };
    let [_, _, height, width] = problem.input_shape();
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, window) = (problem.conv(), problem.placement().window());
    let tile = Tile { lanes_x: 64, lanes_y: 1, rows: 4, quads: 1, depth: 0, slices: 1 };
    let output = Access::for_lengths(&[out_width]);
    let in_place = stored.row_taps == 1 && conv.stride[1] == 1 && conv.dilation[1] == 1 && problem.begins_rows();
    let row_taps = in_place.then_some(RowTaps { taps: window.width() as u32, padding: conv.padding[1] as u32 });
    let spec = Spec {
        row_taps,
        terms: Some([window.height() as u32, (window.width() / stored.row_taps) as u32]),
        blended: problem.bases().neighbours > 1,
        output: Some(output),
        residual: problem.residual().then_some(output),
        activation: Some(problem.activation()),
        storage: options.storage.of_tensors(),
        read_write: options.bind_read_write,
        ..Spec::new(kernel, tile)
    };
    let row_quads = out_width.div_ceil(4);
    // On a CPU a thread's indices cost as much as ten rows; a GPU wants threads. No thread walks a column without end.
    let most_rows = (MOST_TURNS as usize / turns::of_terms(&spec)).max(1) * tile.rows as usize;
    let thread_rows = if target.software { out_height.min(most_rows) } else { tile.rows as usize };
    let thread_rows = thread_rows.next_multiple_of(tile.rows as usize);
    let row_blocks = out_height.div_ceil(thread_rows);
    let threads = row_quads * row_blocks * out_channels * chunk.images;
    let tiles = threads.div_ceil(tile.threads() as usize) as u64;
    let params = vec![
        ("threads", threads as u32),
        ("row_quads", row_quads as u32),
        ("row_blocks", row_blocks as u32),
        ("thread_rows", thread_rows as u32),
        ("height", height as u32),
        ("width", width as u32),
        ("pitch", stored.pitch as u32),
        ("out_channels", out_channels as u32),
        ("out_height", out_height as u32),
        ("out_width", out_width as u32),
        ("channels_total", problem.output_tensor_shape()[1] as u32),
        ("channel_offset", problem.channel_offset() as u32),
        ("first_image", chunk.first as u32),
        ("images", chunk.images as u32),
        ("stride_y", conv.stride[0] as u32),
        ("stride_x", conv.stride[1] as u32),
        ("dilation_y", conv.dilation[0] as u32),
        ("dilation_x", conv.dilation[1] as u32),
        ("pad_top", problem.before()[0]),
        ("pad_left", problem.before()[1]),
        ("slots_at", at.tap_slots as u32),
        ("scale_at", at.scale as u32),
        ("bias_at", at.bias as u32),
    ];
    Step::new(spec, tiles, target.limits.max_compute_workgroups_per_dimension, params)
}
