//! Sums over images: of every piece of the batch, and of all.

use rayon::prelude::*;

use super::layer::{Phase, place, share};
use crate::cpu::shared::index_at;
use crate::method::problem::Problem;
use crate::method::starts::Segments;

/// Values that a thread adds at a time.
const SHARE: usize = 1 << 14;

/// Sums over some images.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// `dG` of all phases of all groups, `[bases, C / groups]`, over so many pixels as f32 suffices for.
    pub(super) part: Vec<f32>,
    /// The same over more of them; empty where there are none.
    weights: Vec<f64>,
    /// `D`, `[O, neighbours, T]`.
    pub(super) dots: Vec<f64>,
    /// Room for the gradient of the summary.
    line: Vec<f64>,
}

impl Sums {
    /// Makes them 0.
    pub(super) fn clear(&mut self, [part, weights]: [usize; 2], dots: usize) {
        zero(&mut self.part, part);
        zero(&mut self.weights, weights);
        zero(&mut self.dots, dots);
    }

    /// Values of all of them.
    pub(super) fn values(&self) -> usize {
        self.part.len() + 2 * (self.weights.len() + self.dots.len())
    }

    /// Adds what has been summed in f32 so far, of some bases, to the sums in f64.
    pub(super) fn flush(&mut self, values: std::ops::Range<usize>) {
        let (weights, part) = (&mut self.weights[values.clone()], &mut self.part[values]);
        for (weight, part) in weights.iter_mut().zip(part) {
            *weight += f64::from(std::mem::take(part));
        }
    }

    /// Adds those of pieces, in their order.
    pub(super) fn add(&mut self, pieces: &[Self], long: bool, threads: usize) {
        let share = |(index, to): (usize, &mut [f64])| {
            let own = index * SHARE..index * SHARE + to.len();
            for piece in pieces {
                if long {
                    to.iter_mut().zip(&piece.weights[own.clone()]).for_each(|(to, &value)| *to += value);
                } else {
                    to.iter_mut().zip(&piece.part[own.clone()]).for_each(|(to, &value)| *to += f64::from(value));
                }
            }
        };
        if threads > 1 {
            self.weights.par_chunks_mut(SHARE).enumerate().for_each(share);
        } else {
            self.weights.chunks_mut(SHARE).enumerate().for_each(share);
        }
        for piece in pieces {
            self.dots.iter_mut().zip(&piece.dots).for_each(|(to, &value)| *to += value);
        }
    }

    /// Adds up what lies on the same value of the summary.
    pub(super) fn write_summary<'a>(
        &mut self,
        problem: &Problem,
        phases: impl Iterator<Item = &'a Phase>,
        to: &mut [f32],
    ) {
        let channels = problem.placement().window().channels();
        zero(&mut self.line, to.len());
        for phase in phases {
            let weights = self.weights[phase.first * channels..].chunks_exact(channels);
            for (&base, weights) in phase.bases.iter().zip(weights) {
                for (channel, weight) in weights.iter().enumerate() {
                    if let Some(at) = index_at(problem.placement(), place(problem.bases(), base, channel)) {
                        self.line[at] += weight;
                    }
                }
            }
        }
        to.iter_mut().zip(&self.line).for_each(|(to, &sum)| *to = sum as f32);
    }

    /// Adds up what every gain `[O, T]` multiplies: `segments` of filters have sums, by their shares.
    pub(super) fn write_gains(
        &self,
        neighbours: usize,
        taps: usize,
        segments: impl Fn(usize) -> Option<Segments>,
        to: &mut [f32],
    ) {
        let dots = self.dots.chunks_exact(neighbours * taps);
        for (filter, (to, dots)) in to.chunks_exact_mut(taps).zip(dots).enumerate() {
            let segments = segments(filter);
            for (tap, to) in to.iter_mut().enumerate() {
                let dots = dots.iter().skip(tap).step_by(taps).enumerate();
                let shares = dots.map(|(segment, dot)| (f64::from(share(segments, segment)), dot));
                *to = shares.filter(|&(share, _)| share > 0.0).map(|(share, dot)| share * dot).sum::<f64>() as f32;
            }
        }
    }

    /// Adds up what every position `[O]` moves: the second segment's sums without the first's.
    pub(super) fn write_positions(&self, taps: usize, gains: &[f32], to: &mut [f32]) {
        for (filter, (to, dots)) in to.iter_mut().zip(self.dots.chunks_exact(2 * taps)).enumerate() {
            let (first, second) = dots.split_at(taps);
            let gain = |tap: usize| gains.get(filter * taps + tap).map_or(1.0, |&gain| f64::from(gain));
            let slopes = first.iter().zip(second).enumerate();
            *to = slopes.map(|(tap, (first, second))| gain(tap) * (second - first)).sum::<f64>() as f32;
        }
    }
}

fn zero<T: Copy + Default>(values: &mut Vec<T>, length: usize) {
    values.clear();
    values.resize(length, T::default());
}
