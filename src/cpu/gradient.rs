//! Gradients on the CPU, with the products that filters share.
//!
//! ```text
//! dP[u, q]         = sum over (i, segment, t) with base u of k(i, segment, t) * dY[i, q - shift(t)]
//! dX[c, q]         = sum_u f[u + c * channel_stride] * dP[u, q]
//! dG[u, c]         = sum over images and q of dP[u, q] * X[c, q];   df[l] = sum of dG over (u, c) that lie at l
//! D[i, segment, t] = sum over images and p of dY[i, p] * P[base(i, segment, t), p + shift(t)]
//! ```
//!
//! with `k` the gain times the segment's share of the blend. Two matrix products of the size of the forward pass's give
//! the gradients of input and summary. Those of gains and positions are sums of `D`, for which products are computed
//! once more; a position's two segments may have bases that the forward pass has not (`Placement::slope`).
//!
//! An image is worked through in bands of rows of the input, each of which is computed from its outputs alone.
//!
//! **The same bits on any number of threads.** The batch is cut into pieces of some images, by the problem alone.
//! Every piece is one thread's work and has sums of its own, in f32 over at most 2048 pixels and in f64 beyond; sums of
//! pieces are added in f64, in the order of images. What is not finite in the input or in the gradient of the output
//! may make NaN of sums that do not read it, as products are shared and padding is multiplied by.

mod dots;
mod gradients_mut;
mod layer;
mod padded;
mod pass;
mod spread;
mod sums;

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::check_placement;
use super::costs::THREAD_COST;
use super::matmul::PART;
use super::memory::check_memory;
use super::scratch::Pool;
use super::shared::{self, weights_of};
use super::walk::Walk;
use crate::check::check_length;
use crate::error::{Error, Result};
use crate::method::problem::Problem;
use crate::method::sharing::{Bases, Sharing};
use crate::method::summary::FilterSummary;
use crate::method::wanted::Wanted;
pub use gradients_mut::GradientsMut;
use layer::{Analysis, Phase};
use pass::{DotPhase, Group, Layout, SpreadPhase};
use sums::Sums;

/// Pixels of a piece, where images are small.
const PIECE_PIXELS: usize = 512;
/// Pieces that a batch is cut into at least, if it has so many images.
const PIECES: usize = 4;
/// Pieces a thread that are summed up before their sums are added: threads wait for each other then.
const PIECES_OF_THREAD: usize = 4;
/// Most values of all sums that wait to be added.
const WAITING_VALUES: usize = 1 << 26;

/// The gradients of a convolution with its weights packed for the CPU. Its results are the same bits whatever the
/// number of threads is.
///
/// ```
/// use filter_summary::cpu::{CpuGradient, GradientsMut};
/// use filter_summary::{Conv2d, FilterSummary, Placement, Problem, Wanted};
///
/// let summary = FilterSummary::new(vec![0.5; 8], Placement::tap_major(1, 8, 1, 1, 8)?)?;
/// let problem = Problem::new(summary.placement(), Conv2d::default(), [2, 3, 3])?;
/// let gradient = CpuGradient::new(&problem, &summary, Wanted::all(&problem))?;
/// let (mut grad_input, mut grad_summary) = ([f32::NAN; 2 * 8 * 9], [f32::NAN; 8]);
/// let input = Some(grad_input.as_mut_slice());
/// let summary = Some(grad_summary.as_mut_slice());
/// gradient.run(&[2.0; 2 * 8 * 9], &[1.0; 2 * 9], &mut GradientsMut { input, summary, ..GradientsMut::default() })?;
/// assert_eq!((grad_input[0], grad_summary[0]), (0.5, 2.0 * 18.0));
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct CpuGradient {
    problem: Problem,
    wanted: Wanted,
    layout: Layout,
    groups: Vec<Group>,
    /// Bases of all groups and phases.
    bases: usize,
    /// `[O, T]`; empty where there are none.
    gains: Vec<f32>,
    /// Segments that every filter has sums of taps for.
    neighbours: usize,
    images_per_piece: usize,
    /// Pixels of an image are too many for a sum in f32.
    long: bool,
    /// Time of an image, in multiply-adds of a matrix product.
    cost: usize,
    pool: Arc<Pool>,
    sums: Mutex<Vec<Sums>>,
}

impl CpuGradient {
    /// Packs a layer for the gradients that are wanted.
    ///
    /// # Errors
    /// When the summary does not fit the problem, the problem has not what is wanted ([`Wanted::check`]), or the packed
    /// layer would take gigabytes.
    pub fn new(problem: &Problem, summary: &FilterSummary, wanted: Wanted) -> Result<Self> {
        wanted.check(problem)?;
        check_placement(summary, problem)?;
        let placement = problem.placement();
        let channels = placement.window().channels();
        let walk = Walk::new(problem);
        let cost = shared::cost(problem, &walk).saturating_mul(2);
        let slopes = wanted.positions.then(|| {
            let bases = Bases::of_slopes(placement);
            (Sharing::from_bases(&bases, placement, problem.conv().groups), bases)
        });
        let forward = Analysis { sharing: problem.sharing(), bases: problem.bases() };
        let sloped = slopes.as_ref().map(|(sharing, bases)| Analysis { sharing, bases });
        let (spreads, has_dots) = (wanted.input || wanted.summary, wanted.gains || wanted.positions);
        let of_dots = sloped.as_ref().unwrap_or(&forward);
        let bases = forward.sharing.bases().max(of_dots.sharing.bases()).saturating_mul(walk.phases());
        // Sums are in f64.
        check_memory("sums", &[bases, channels, 2])?;
        let phases = |analysis: &Analysis<'_>, any: bool| {
            if any { Phase::of_groups(problem, &walk, analysis) } else { Vec::new() }
        };
        let (spread, dots) = (phases(&forward, spreads), phases(of_dots, has_dots));
        let most = spread.iter().chain(&dots).flatten().map(|phase| phase.bases.len()).max().unwrap_or(0);
        let bases = spread.iter().flatten().map(|phase| phase.bases.len()).sum();
        let layout = Layout::new(problem, walk, most)?;
        let (filters, neighbours) = (layout.filters, of_dots.bases.neighbours);
        let weights = |phase: &Phase, bases: &Bases| weights_of(summary, bases, &phase.bases);
        let mut groups: Vec<Group> = (0..problem.conv().groups).map(|_| Group::default()).collect();
        for (index, (group, phases)) in groups.iter_mut().zip(spread).enumerate() {
            let packed = phases.into_iter().map(|phase| {
                let weights = if wanted.input { weights(&phase, problem.bases()) } else { Vec::new() };
                let terms = phase.terms(summary, &layout.walk, &layout.padded, index * filters);
                SpreadPhase { phase, weights, terms }
            });
            group.spread = packed.collect();
        }
        for (index, (group, phases)) in groups.iter_mut().zip(dots).enumerate() {
            let packed = phases.into_iter().map(|phase| {
                let weights = weights(&phase, of_dots.bases);
                let dots = phase.dots(&layout.walk, &layout.padded, index * filters, neighbours);
                DotPhase { phase, weights, dots }
            });
            group.dots = packed.collect();
        }
        let (pixels, batch) = (layout.pixels().max(1), problem.batch());
        let images_per_piece = PIECE_PIXELS.div_ceil(pixels).min(batch.div_ceil(PIECES)).max(1);
        Ok(Self {
            problem: problem.clone(),
            wanted,
            layout,
            groups,
            bases,
            gains: summary.gains().unwrap_or_default().to_vec(),
            neighbours,
            images_per_piece,
            long: images_per_piece.saturating_mul(pixels) > PART,
            cost,
            pool: Arc::default(),
            sums: Mutex::default(),
        })
    }

    /// Takes the values and gains of another summary of the same placement, as training steps bring them. Everything
    /// else stays, scratch memory too.
    ///
    /// # Errors
    /// When it is placed otherwise.
    pub fn set_summary(&mut self, summary: &FilterSummary) -> Result<()> {
        check_placement(summary, &self.problem)?;
        let (problem, filters) = (&self.problem, self.layout.filters);
        for (index, group) in self.groups.iter_mut().enumerate() {
            for spread in &mut group.spread {
                if self.wanted.input {
                    spread.weights = weights_of(summary, problem.bases(), &spread.phase.bases);
                }
                if problem.placement().has_gains() {
                    let (walk, padded) = (&self.layout.walk, &self.layout.padded);
                    spread.terms = spread.phase.terms(summary, walk, padded, index * filters);
                }
            }
            for dots in &mut group.dots {
                // Strides are those of the window, whichever segments these are.
                dots.weights = weights_of(summary, problem.bases(), &dots.phase.bases);
            }
        }
        self.gains = summary.gains().unwrap_or_default().to_vec();
        Ok(())
    }

    /// The problem it was packed for.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The gradients that it computes.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Computes the gradients of a batch from `input` `[N, C, H, W]` and the gradient of the output `[N, O, OH, OW]`.
    ///
    /// # Errors
    /// Names the operand whose length or presence is wrong.
    pub fn run(&self, input: &[f32], grad_output: &[f32], gradients: &mut GradientsMut<'_>) -> Result<()> {
        let (problem, placement) = (&self.problem, self.problem.placement());
        check_length("input", Some(input), problem.input_shape().iter().product())?;
        check_length("grad_output", Some(grad_output), problem.output_shape().iter().product())?;
        let wanted = self.wanted;
        check_gradient("grad_input", gradients.input.as_deref(), wanted.input, input.len())?;
        check_gradient("grad_summary", gradients.summary.as_deref(), wanted.summary, placement.length())?;
        check_gradient("grad_gains", gradients.gains.as_deref(), wanted.gains, placement.gains())?;
        check_gradient("grad_positions", gradients.positions.as_deref(), wanted.positions, placement.filters())?;
        let mut total = self.total(input, grad_output, gradients.input.as_deref_mut());
        if let Some(to) = gradients.summary.as_deref_mut() {
            let phases = self.groups.iter().flat_map(|group| &group.spread).map(|spread| &spread.phase);
            total.write_summary(problem, phases, to);
        }
        if let Some(to) = gradients.gains.as_deref_mut() {
            // The segments that there are sums of.
            let segments = |filter| if wanted.positions { placement.slope(filter) } else { placement.segments(filter) };
            total.write_gains(self.neighbours, placement.taps(), segments, to);
        }
        if let Some(to) = gradients.positions.as_deref_mut() {
            total.write_positions(placement.taps(), &self.gains, to);
        }
        self.give_back(total);
        Ok(())
    }

    /// Computes the gradient of the input, and the sums over all images of all else.
    fn total(&self, input: &[f32], grad_output: &[f32], grad_input: Option<&mut [f32]>) -> Sums {
        let image = input.len() / self.problem.batch();
        let (pieces, images) = (self.problem.batch().div_ceil(self.images_per_piece), self.images_per_piece);
        let mut grad_inputs: Vec<Option<&mut [f32]>> = match grad_input {
            Some(values) => values.chunks_mut(images * image).map(Some).collect(),
            None => (0..pieces).map(|_| None).collect(),
        };
        let work = self.problem.batch().saturating_mul(self.cost) / THREAD_COST;
        let threads = work.clamp(1, rayon::current_num_threads());
        let mut total = self.zeros(false, true);
        let waiting = WAITING_VALUES / (total.values() + 1);
        let at_once = (threads * PIECES_OF_THREAD).min(waiting).max(1);
        for (index, grad_inputs) in grad_inputs.chunks_mut(at_once).enumerate() {
            let mut sums: Vec<Sums> = grad_inputs.iter().map(|_| self.zeros(true, self.long)).collect();
            let piece = |(at, (sums, grad_input)): (usize, (&mut Sums, &mut Option<&mut [f32]>))| {
                let first = (index * at_once + at) * images;
                self.piece(first, input, grad_output, grad_input.as_deref_mut(), sums);
            };
            if threads > 1 {
                let pieces = sums.par_iter_mut().zip(grad_inputs).with_max_len(1).enumerate();
                pieces.for_each(piece);
            } else {
                sums.iter_mut().zip(grad_inputs).enumerate().for_each(piece);
            }
            total.add(&sums, self.long, threads);
            sums.into_iter().for_each(|sums| self.give_back(sums));
        }
        total
    }

    /// The images of one piece, from `first` on.
    fn piece(&self, first: usize, input: &[f32], grad: &[f32], mut grad_input: Option<&mut [f32]>, sums: &mut Sums) {
        let (batch, groups) = (self.problem.batch(), self.groups.len());
        let (own_input, own_grad) = (input.len() / (batch * groups), grad.len() / (batch * groups));
        self.pool.with(|scratch| {
            for image in first..(first + self.images_per_piece).min(batch) {
                for (index, group) in self.groups.iter().enumerate() {
                    let at = image * groups + index;
                    let input = &input[at * own_input..][..own_input];
                    let grad = &grad[at * own_grad..][..own_grad];
                    let from = (at - first * groups) * own_input;
                    let grad_input = grad_input.as_deref_mut().map(|values| &mut values[from..][..own_input]);
                    let sums = (&mut *sums, self.wanted.summary, self.long);
                    self.layout.run(group, input, grad, grad_input, sums, scratch);
                }
            }
        });
    }

    /// Sums that are 0, those of weights in f32 and f64 as far as they are needed.
    fn zeros(&self, in_f32: bool, in_f64: bool) -> Sums {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let weights = if self.wanted.summary { self.bases * self.layout.channels } else { 0 };
        let has_dots = self.wanted.gains || self.wanted.positions;
        let placement = self.problem.placement();
        let dots = if has_dots { placement.filters() * self.neighbours * placement.taps() } else { 0 };
        sums.clear([in_f32, in_f64].map(|needed| if needed { weights } else { 0 }), dots);
        sums
    }

    fn give_back(&self, sums: Sums) {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).push(sums);
    }
}

/// Checks that a gradient is given exactly when it is wanted, and has the right length.
fn check_gradient(field: &str, values: Option<&[f32]>, wanted: bool, length: usize) -> Result<()> {
    if values.is_some() != wanted {
        let value = if wanted { "absent" } else { "given" };
        return Err(Error::value(field, value, "it must be given exactly when it is wanted"));
    }
    check_length(field, values, length)
}
