//! Plans shared products: the product pass and the accumulation, for as many images at a time as the workspace holds.

use super::{Algorithm, Packing, Plan, PlanOptions, Step, Target, fold_grid, weight_load};
use crate::error::{Error, Result};
use crate::problem::Problem;
use crate::spec::{Access, Kernel, Spec, Tile};

/// The product pass keeps its tile in workgroup memory: 56 bases by 64 pixels is 14 KiB, below every device's limit.
const TILE: Tile = Tile { lanes_x: 8, lanes_y: 8, rows: 7, quads: 2 };

/// Where a tile of the product pass lies in the image and what is summed in it.
struct Form {
    /// Taps summed with the products: KW in the Q form, 1 in the plain form.
    row_taps: usize,
    row_step: usize,
    stride_x: usize,
    dilation_x: usize,
    pad_left: usize,
    /// Columns of the products that are stored.
    columns: usize,
    /// Whole image rows fit a tile.
    whole_rows: bool,
    tile_width: usize,
    tile_rows: usize,
    segment_columns: usize,
    segments: usize,
}

impl Form {
    fn pitch(&self) -> usize {
        self.columns.next_multiple_of(4)
    }

    fn rows_per_tile(&self) -> usize {
        TILE.rows_per_tile() - (self.row_taps - 1) * self.row_step
    }

    /// Tiles over `image_rows` rows of pixels.
    fn pixel_tiles(&self, image_rows: usize) -> usize {
        self.segments * image_rows.div_ceil(self.tile_rows)
    }

    /// Tiles over a group's bases. Those that only feed others need no tile of their own.
    fn row_tiles(&self, rows: usize) -> usize {
        let feeding = (self.row_taps - 1) * self.row_step;
        (rows - feeding.min(rows - 1)).div_ceil(self.rows_per_tile())
    }

    /// Sums over kernel rows, where the taps of a row are evenly spaced and a tile is large enough for them.
    fn row_sums(problem: &Problem) -> Option<Self> {
        let (conv, window) = (problem.conv(), problem.placement().window());
        let row_step = problem.sharing().row_step()? as usize;
        // Half of a tile's bases, at least, must finish in it.
        if (window.width() - 1) * row_step * 2 > TILE.rows_per_tile() {
            return None;
        }
        let reach = (window.width() - 1) * conv.dilation[1] + 1;
        Self::tiled(
            problem.input_shape()[3],
            Self {
                row_taps: window.width(),
                row_step,
                stride_x: conv.stride[1],
                dilation_x: conv.dilation[1],
                pad_left: conv.padding[1],
                columns: problem.output_shape()[3],
                ..Self::plain_untiled(problem)
            },
            reach,
        )
    }

    /// The products themselves.
    fn plain(problem: &Problem) -> Option<Self> {
        Self::tiled(problem.input_shape()[3], Self::plain_untiled(problem), 1)
    }

    fn plain_untiled(problem: &Problem) -> Self {
        Self {
            row_taps: 1,
            row_step: 0,
            stride_x: 1,
            dilation_x: 1,
            pad_left: 0,
            columns: problem.input_shape()[3],
            whole_rows: true,
            tile_width: 1,
            tile_rows: 1,
            segment_columns: 4,
            segments: 1,
        }
    }

    /// Cuts rows of `width` pixels into tiles; a sum needs `reach` neighbouring pixels. `None` if a tile cannot hold one
    /// quad of sums.
    fn tiled(width: usize, form: Self, reach: usize) -> Option<Self> {
        let pixels = TILE.pixels_per_tile();
        // Padding can make rows of sums far longer than rows of pixels: those are cut up, or one tile would store them all.
        if width <= pixels && form.columns <= 2 * pixels {
            let segment_columns = form.columns;
            return Some(Self {
                whole_rows: true,
                tile_width: width,
                tile_rows: pixels / width,
                segment_columns,
                segments: 1,
                ..form
            });
        }
        let sums = pixels.checked_sub(reach)? / form.stride_x + 1;
        let segment_columns = sums / 4 * 4;
        if segment_columns == 0 {
            return None;
        }
        let segments = form.columns.div_ceil(segment_columns);
        Some(Self { whole_rows: false, tile_width: pixels, tile_rows: 1, segment_columns, segments, ..form })
    }
}

/// What shared products have to do, for the cost model.
pub(super) struct Work {
    /// Of the product pass, tiles' surplus included.
    pub(super) multiply_adds: u64,
    /// Values stored by the product pass.
    pub(super) stored: u64,
    /// Products added up for each of them.
    pub(super) row_taps: usize,
    pub(super) outputs: u64,
    /// Stored values added up for each output.
    pub(super) terms: usize,
}

/// `None` where shared cannot run.
pub(super) fn work(problem: &Problem) -> Option<Work> {
    let form = Form::row_sums(problem).or_else(|| Form::plain(problem))?;
    let window = problem.placement().window();
    let [batch, _, height, _] = problem.input_shape();
    let rows = problem.sharing().groups().iter().map(Vec::len).max()?;
    let tiles = form.pixel_tiles(batch * height) * form.row_tiles(rows) * problem.conv().groups;
    let tile = (TILE.rows_per_tile() * TILE.pixels_per_tile()) as u64;
    Some(Work {
        multiply_adds: tiles as u64 * tile * window.channels() as u64,
        stored: problem.sharing().bases() as u64 * (batch * height * form.columns) as u64,
        row_taps: form.row_taps,
        outputs: problem.output_shape().iter().map(|&size| size as u64).product(),
        terms: window.taps() / form.row_taps,
    })
}

pub(super) fn plan(problem: &Problem, target: &Target, options: PlanOptions) -> Result<Plan> {
    let row_sums = Form::row_sums(problem);
    let kernel = if row_sums.is_some() { Kernel::AccumulateRows } else { Kernel::AccumulateTaps };
    let Some(form) = row_sums.or_else(|| Form::plain(problem)) else {
        return Err(Error::Unsupported { kernel: "shared", reason: "a tile cannot hold a row of products".to_owned() });
    };
    let tables = Tables::new(problem, &form);

    let [batch, _, height, _] = problem.input_shape();
    let image_bytes = 4 * tables.slots as u64 * height as u64 * form.pitch() as u64;
    let images = images_a_chunk(image_bytes, target, options)?.min(batch as u64) as usize;
    let mut steps = Vec::new();
    for first in (0..batch).step_by(images) {
        let chunk = Chunk { first, images: images.min(batch - first) };
        steps.push(products_step(problem, target, options, &form, &chunk, &tables));
        steps.push(accumulate_step(problem, target, options, kernel, &form, &chunk, &tables.at));
    }
    Ok(Plan {
        algorithm: Algorithm::Shared,
        problem: problem.clone(),
        steps,
        packing: Packing { dense: false, table: tables.words },
        workspace: image_bytes * images as u64,
    })
}

/// Images of one pass over the workspace.
struct Chunk {
    first: usize,
    images: usize,
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
struct TableOffsets {
    tap_slots: usize,
    scale: usize,
    bias: usize,
}

/// The table: bases [groups * rows], the slot of every row [groups * rows], the slots every filter adds up [O, terms].
struct Tables {
    words: Vec<u32>,
    rows: usize,
    slots: usize,
    at: TableOffsets,
}

impl Tables {
    fn new(problem: &Problem, form: &Form) -> Self {
        let (sharing, window) = (problem.sharing(), problem.placement().window());
        let (groups, filters) = (problem.conv().groups, problem.out_channels());
        let rows = sharing.groups().iter().map(Vec::len).max().unwrap_or(1);
        let mut words = Vec::new();
        for bases in sharing.groups() {
            let padded = bases.iter().chain(std::iter::repeat(&bases[bases.len() - 1]));
            words.extend(padded.take(rows).map(|&base| base as u32));
        }
        // A filter adds up the rows of all its taps, or with row sums those of the first tap of each kernel row.
        let every = form.row_taps;
        let taps_per_group = filters / groups * window.taps();
        let used = |index: usize| index / taps_per_group * rows + sharing.rows()[index] as usize;
        let terms = || (0..filters * window.taps()).step_by(every);
        let mut is_read = vec![false; groups * rows];
        terms().for_each(|index| is_read[used(index)] = true);
        // Rows that no filter reads get the slot past the last, which the kernel leaves out.
        let slots = is_read.iter().filter(|&&read| read).count() as u32;
        let numbers = is_read.iter().scan(0, |next, &read| {
            let slot = if read { *next } else { slots };
            *next += u32::from(read);
            Some(slot)
        });
        let slot_of_row: Vec<u32> = numbers.collect();
        words.extend(&slot_of_row);
        let tap_slots = words.len();
        words.extend(terms().map(|index| slot_of_row[used(index)]));
        let at = TableOffsets { tap_slots, scale: words.len(), bias: words.len() + filters };
        Self { words, rows, slots: slots as usize, at }
    }
}

fn products_step(
    problem: &Problem,
    target: &Target,
    options: PlanOptions,
    form: &Form,
    chunk: &Chunk,
    &Tables { rows, slots, .. }: &Tables,
) -> Step {
    let [_, in_channels, height, width] = problem.input_shape();
    // Vector loads need quads that lie together: whole rows follow each other in memory, segments lie in one row.
    let input = if form.whole_rows {
        Access::for_lengths(&[height * width, form.tile_rows * width])
    } else if form.row_taps == 1 {
        Access::for_lengths(&[width])
    } else {
        Access::Scalar
    };
    let spec = Spec {
        kernel: Kernel::Products,
        tile: TILE,
        weights: Some(weight_load(problem)),
        input: Some(input),
        output: None,
        residual: None,
        activation: None,
        read_write: options.bind_read_write,
    };
    let (pixel_tiles, row_tiles) = (form.pixel_tiles(chunk.images * height), form.row_tiles(rows));
    let tiles = (pixel_tiles * row_tiles * problem.conv().groups) as u64;
    let params = vec![
        ("tiles", tiles as u32),
        ("segments", form.segments as u32),
        ("pixel_tiles", pixel_tiles as u32),
        ("row_tiles", row_tiles as u32),
        ("rows", rows as u32),
        ("rows_per_tile", form.rows_per_tile() as u32),
        ("channels", problem.placement().window().channels() as u32),
        ("in_channels", in_channels as u32),
        ("height", height as u32),
        ("width", width as u32),
        ("first_image", chunk.first as u32),
        ("images", chunk.images as u32),
        ("tile_width", form.tile_width as u32),
        ("tile_rows", form.tile_rows as u32),
        ("segment_columns", form.segment_columns as u32),
        ("columns", form.columns as u32),
        ("pitch", form.pitch() as u32),
        ("row_taps", form.row_taps as u32),
        ("row_step", form.row_step as u32),
        ("stride_x", form.stride_x as u32),
        ("dilation_x", form.dilation_x as u32),
        ("pad_left", form.pad_left as u32),
        ("whole_rows", u32::from(form.whole_rows)),
        ("channel_stride", problem.bases().channel_stride as u32),
        ("summary_length", problem.placement().length() as u32),
        ("slots_at", (problem.conv().groups * rows) as u32),
        ("slots", slots as u32),
    ];
    Step { spec, grid: fold_grid(tiles, target.limits.max_compute_workgroups_per_dimension), params }
}

fn accumulate_step(
    problem: &Problem,
    target: &Target,
    options: PlanOptions,
    kernel: Kernel,
    form: &Form,
    chunk: &Chunk,
    at: &TableOffsets,
) -> Step {
    let [_, _, height, width] = problem.input_shape();
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, window) = (problem.conv(), problem.placement().window());
    let tile = Tile { lanes_x: 64, lanes_y: 1, rows: 1, quads: 4 };
    let output = Access::for_lengths(&[out_width]);
    let spec = Spec {
        kernel,
        tile,
        weights: None,
        input: None,
        output: Some(output),
        residual: problem.residual().then_some(output),
        activation: Some(problem.activation()),
        read_write: options.bind_read_write,
    };
    let row_quads = out_width.div_ceil(4);
    let plane_quads = out_height * row_quads;
    let strips = plane_quads.div_ceil(tile.quads as usize);
    let threads = strips * out_channels * chunk.images;
    let tiles = threads.div_ceil(tile.threads() as usize) as u64;
    let params = vec![
        ("threads", threads as u32),
        ("strips", strips as u32),
        ("plane_quads", plane_quads as u32),
        ("row_quads", row_quads as u32),
        ("terms", (window.taps() / form.row_taps) as u32),
        ("height", height as u32),
        ("width", width as u32),
        ("pitch", form.pitch() as u32),
        ("out_channels", out_channels as u32),
        ("out_height", out_height as u32),
        ("out_width", out_width as u32),
        ("channels_total", problem.output_tensor_shape()[1] as u32),
        ("channel_offset", problem.channel_offset() as u32),
        ("first_image", chunk.first as u32),
        ("images", chunk.images as u32),
        ("kernel_width", window.width() as u32),
        ("stride_y", conv.stride[0] as u32),
        ("stride_x", conv.stride[1] as u32),
        ("dilation_y", conv.dilation[0] as u32),
        ("dilation_x", conv.dilation[1] as u32),
        ("pad_top", conv.padding[0] as u32),
        ("pad_left", conv.padding[1] as u32),
        ("slots_at", at.tap_slots as u32),
        ("scale_at", at.scale as u32),
        ("bias_at", at.bias as u32),
    ];
    Step { spec, grid: fold_grid(tiles, target.limits.max_compute_workgroups_per_dimension), params }
}
