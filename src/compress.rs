//! Compressing trained dense filters: a summary, and the filters' order in it, that come near to given weights.
//!
//! A filter of the summary is `a_i * segment(s_i)`: a scale of its own (the layer's `scale`) times the segment
//! at its start. With scales and starts fixed, the best summary in the sense of least squares is exact and cheap:
//! every weight of every filter maps to one value of the summary, so the normal equations are diagonal,
//!
//! ```text
//! f[u] = sum a_i W_i[k] / sum a_i^2        over all (i, k) whose weight lies at u
//! ```
//!
//! and so are those of the scales, `a_i = <W_i, segment_i> / <segment_i, segment_i>`; the two alternate.
//! Where the placement has gains, a filter's scale becomes one a tap, and the same two steps go on from there,
//!
//! ```text
//! g[i, t] = <W_i[t], segment_i[t]> / <segment_i[t], segment_i[t]>
//! ```
//!
//! so that gains never fit worse than scales. With one base a filter that does not overlap, this is the power method
//! for the best rank-1 approximation of `W_i`, channels by taps.
//!
//! What is left is how well filters agree where they overlap, and that depends on which filters are neighbours.
//! Starts may come in any order (`Y[i]` reads the bases of its own start), so filters are *ordered* by giving them
//! each other's starts: the function of the network around them stays as it is, and no channel moves. `order` looks
//! for the order by annealing; a filter may also change its sign, which its scale undoes.

mod fit;
mod order;
mod overlap;

use crate::check::check_finite;
use crate::error::{Error, Result};
use crate::method::placement::Placement;
use crate::method::starts::Starts;
use crate::method::summary::FilterSummary;

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Effort {
    /// Exchanges of two filters, or changes of a sign, that are tried for each filter;
    /// none keeps the filters in their order.
    pub moves_per_filter: usize,
    /// Rounds of least squares: the summary, then the scales.
    pub rounds: usize,
    /// Seed of the search: the same seed finds the same order.
    pub seed: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { moves_per_filter: 4000, rounds: 20, seed: 0 }
    }
}

impl Effort {
    /// The same with so many exchanges tried for each filter.
    #[must_use]
    pub fn with_moves_per_filter(self, moves_per_filter: usize) -> Self {
        Self { moves_per_filter, ..self }
    }

    /// The same with so many rounds of least squares.
    #[must_use]
    pub fn with_rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same without a search for an order.
    pub fn unordered(self) -> Self {
        Self { moves_per_filter: 0, ..self }
    }
}

/// A summary that comes near to dense filters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Compressed {
    /// The summary, its starts in the order found.
    pub summary: FilterSummary,
    /// `[O]`: filter `i` is `scale[i]` times its segment. 1 where the placement has gains, which are the summary's.
    pub scale: Vec<f32>,
    /// `|W - scale * segments| / |W|` over all filters; 0 when all weights are zero.
    pub relative_error: f64,
    /// What it was before the scales became gains, where the placement has some.
    pub error_without_gains: Option<f64>,
}

/// Finds a summary for dense filters `[O, C/groups, KH, KW]`, placed as `placement` but in whichever order
/// of the filters comes nearest.
///
/// ```
/// use filter_summary::compress::{Effort, compress};
/// use filter_summary::{FilterSummary, Placement};
///
/// // Filters that do lie in a summary, but the other way round.
/// let placement = Placement::tap_major(16, 4, 3, 3, 8)?;
/// let values = (0..placement.length()).map(|u| ((u * u) as f32).sin()).collect();
/// let hidden = FilterSummary::new(values, placement.clone())?.expand();
/// let weights: Vec<f32> = hidden.rchunks(36).flatten().copied().collect();
///
/// let found = compress(&weights, &placement, Effort::default())?;
/// let unordered = compress(&weights, &placement, Effort::default().unordered())?;
/// assert!(found.relative_error < 0.8 * unordered.relative_error);
/// # Ok::<(), filter_summary::Error>(())
/// ```
///
/// # Errors
/// When the number of weights is not the placement's, one is not finite, or the placement has a summary of rank 3.
pub fn compress(weights: &[f32], placement: &Placement, effort: Effort) -> Result<Compressed> {
    let expected = placement.filters() * placement.window().weights();
    if weights.len() != expected {
        let rule = format!("the placement's filters have {expected}");
        return Err(Error::value("weights", format!("{} values", weights.len()), rule));
    }
    check_finite("weights", weights)?;
    let Starts::Line { .. } = placement.starts() else {
        return Err(Error::value("summary", "of rank 3", "compression needs a summary of rank 1"));
    };
    let order = order::search(weights, placement, effort)?;
    fit::fit(weights, order, effort.rounds)
}

/// An order of the filters: whose start each one takes, and with which sign.
struct Order {
    placement: Placement,
    signs: Vec<f64>,
}

#[cfg(test)]
mod tests;
