//! What the gather kernels of all families have in common: weights and tables of a convolution computed directly.

use super::Step;
use super::ask::{Ask, fractions, weight_load, widens};
use super::cost::Costs;
use super::draft::Draft;
use crate::error::Result;
use crate::kernels::depthwise::{Depthwise, Uniform};
use crate::kernels::{Access, Filters, Geometry, WeightLoad, Weights};
use crate::method::problem::Problem;

/// Filters of one channel from which on tiles of filters are worth their loads of X.
const LEAST_FILTERS: usize = 4;

/// What a depthwise multiply-add costs, in those of tiles: nothing that is loaded serves another filter.
const LOADS_A_MULTIPLY_ADD: f64 = 4.0;

/// A convolution to compute directly, on the summary or on dense weights.
pub(super) struct Direct<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) weights: Weights,
    /// How quads of output pixels are stored: they are cut from the flattened pixels, and aligned planes keep them
    /// together.
    pub(super) output: Access,
    /// How they are loaded: together only where every output pixel reads its own input pixel.
    pub(super) input: Access,
    /// Filters are packed on their own, `[O, T, channels]`, not read from the summary.
    #[cfg_attr(not(feature = "software"), allow(dead_code, reason = "its kernels alone ask"))]
    pub(super) dense: bool,
    /// What is done to weights where they are loaded: dense ones are filters already.
    pub(super) made_of: Filters,
    channel_stride: i32,
    /// The table: bases `[O, neighbours, T]`, then fractions `[O]` where there are two neighbours.
    table: Vec<u32>,
}

/// A family's dispatches of a convolution.
pub(super) struct Dispatches {
    pub(super) steps: Vec<Step>,
    /// Bytes of scratch memory between them.
    pub(super) workspace: u64,
    /// Multiply-adds that the device could do in their time, for families whose costs were measured.
    pub(super) multiply_adds: f64,
    pub(super) hankel_levels: u32,
}

impl<'a> Direct<'a> {
    fn new(mut ask: Ask<'a>, dense: bool) -> Self {
        let problem = ask.problem;
        if dense && widens(problem, ask.storage().weights()) {
            ask.options.storage = ask.storage().widened();
        }
        let (table, channel_stride, load): (Vec<u32>, _, _) = if dense {
            (dense_bases(problem).collect(), 1, WeightLoad::Vec4)
        } else {
            let bases = problem.bases();
            let table = bases.of_tap.iter().map(|&base| base as u32).chain(fractions(problem)).collect();
            (table, bases.channel_stride, weight_load(problem))
        };
        let [_, _, out_height, out_width] = problem.output_shape();
        let output = ask.access(&[out_height * out_width]);
        let conv = problem.conv();
        let pointwise = problem.whole().kernel == [1, 1] && conv.stride == [1, 1] && conv.padding == [0; 4];
        Self {
            ask,
            weights: ask.weights(load),
            output,
            input: if pointwise { output } else { Access::Scalar },
            dense,
            made_of: if dense { Filters::PLAIN } else { ask.filters() },
            channel_stride,
            table,
        }
    }

    /// Whether filters see one channel each, and so few of them the same one that tiles of filters would be empty.
    fn is_depthwise(&self) -> bool {
        self.ask.problem.whole().channels == 1 && self.filters() < LEAST_FILTERS
    }

    /// The dispatch that computes such a convolution, for all families alike.
    fn depthwise(&self) -> Dispatches {
        let (ask, problem) = (&self.ask, self.ask.problem);
        let [batch, out_channels, out_height, out_width] = problem.output_shape();
        let kernel = Depthwise {
            half: ask.input(Access::Scalar).half,
            weights: self.weights,
            filters: self.made_of,
            // Quads are cut from rows.
            end: ask.end(ask.access(&[out_width])),
            read_write: ask.options.bind_read_write,
        };
        let (row_quads, row_blocks) = (out_width.div_ceil(4), out_height.div_ceil(Depthwise::ROWS as usize));
        let threads = row_quads * row_blocks * out_channels * batch;
        let [scale_at, bias_at] = self.affine_at();
        let uniform = Uniform {
            conv: self.geometry(),
            threads: threads as u32,
            row_quads: row_quads as u32,
            row_blocks: row_blocks as u32,
            filters: self.filters() as u32,
            scale_at,
            bias_at,
        };
        Dispatches {
            steps: vec![Step::of_threads(kernel, &uniform, threads as u64, ask.most_workgroups())],
            workspace: 0,
            // A load each, of four pixels.
            multiply_adds: LOADS_A_MULTIPLY_ADD * problem.dense_multiply_adds() as f64,
            hankel_levels: 0,
        }
    }

    /// What uniforms begin with.
    pub(super) fn geometry(&self) -> Geometry {
        Geometry::of(self.ask.problem, self.channel_stride)
    }

    /// Where the scales begin in the table, and the biases.
    pub(super) fn affine_at(&self) -> [u32; 2] {
        [self.table.len(), self.table.len() + self.ask.problem.out_channels()].map(|words| words as u32)
    }

    /// Output pixels of all images.
    pub(super) fn pixels(&self) -> usize {
        let [batch, _, height, width] = self.ask.problem.output_shape();
        batch * height * width
    }

    /// Output channels of a group.
    pub(super) fn filters(&self) -> usize {
        self.ask.problem.out_channels() / self.ask.problem.conv().groups
    }
}

/// Plans a convolution computed directly, on dense weights or on the summary, by a family's `kernels`.
pub(super) fn draft(
    ask: Ask<'_>,
    dense: bool,
    costs: Option<Costs>,
    kernels: impl FnOnce(&Direct<'_>) -> Result<Dispatches>,
) -> Result<Draft> {
    let direct = Direct::new(ask, dense);
    let dispatches = if direct.is_depthwise() { Ok(direct.depthwise()) } else { kernels(&direct) };
    let Dispatches { steps, workspace, multiply_adds, hankel_levels } = dispatches?;
    Ok(Draft {
        steps,
        workspace,
        storage: direct.ask.storage(),
        hankel_levels,
        terms: 0,
        cost: costs.map(|costs| costs.of_direct(multiply_adds, direct.made_of)),
        table: direct.table,
        stage: Vec::new(),
    })
}

/// Where the taps of filters begin that are packed `[O, T, channels]`: a summary without overlap.
fn dense_bases(problem: &Problem) -> impl Iterator<Item = u32> {
    let whole = *problem.whole();
    let (channels, taps) = (problem.padded_channels(), whole.kernel[0] * whole.kernel[1]);
    let in_filter = problem.own_taps().map(move |tap| tap * channels + whole.first_channel);
    (0..problem.out_channels())
        .flat_map(move |filter| in_filter.clone().map(move |offset| (filter * taps * channels + offset) as u32))
}
