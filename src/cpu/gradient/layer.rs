//! A layer's bases and taps, phase by phase, packed for gradients.

use super::super::shared::rows_by_phase;
use super::super::walk::Walk;
use super::dots::Dot;
use super::padded::Padded;
use super::spread::Terms;
use crate::method::problem::Problem;
use crate::method::sharing::{Bases, Sharing};
use crate::method::starts::Segments;
use crate::method::summary::FilterSummary;

/// Which bases a gradient goes through.
pub(super) struct Analysis<'a> {
    pub(super) sharing: &'a Sharing,
    pub(super) bases: &'a Bases,
}

/// The bases of one phase of one group.
#[derive(Debug)]
pub(super) struct Phase {
    /// Its place among the walk's.
    pub(super) index: usize,
    /// Where the channels of each lie in the summary.
    pub(super) bases: Vec<i32>,
    /// Their place among all phases' and groups'.
    pub(super) first: usize,
    taps: Vec<TapOfPhase>,
}

/// A tap that reads the image.
#[derive(Debug, Clone, Copy)]
struct TapOfPhase {
    /// Among the group's.
    filter: u32,
    segment: u32,
    /// In the window.
    tap: u32,
    /// Among the phase's.
    base: u32,
}

impl TapOfPhase {
    /// What it reads at the first place of a phase's first row.
    fn offset(&self, walk: &Walk, padded: &Padded) -> Option<u32> {
        let tap = walk.taps[self.tap as usize]?;
        // Checked with the scratch memory: places are far below 2^32.
        Some(padded.offset(walk, self.filter as usize, tap) as u32)
    }
}

impl Phase {
    /// Those of every group; phases without bases are left out.
    pub(super) fn of_groups(problem: &Problem, walk: &Walk, analysis: &Analysis<'_>) -> Vec<Vec<Self>> {
        let (sharing, neighbours, taps) = (analysis.sharing, analysis.bases.neighbours, walk.taps.len());
        let per_group = sharing.rows().len() / sharing.groups().len();
        let mut first = 0;
        let mut groups = Vec::with_capacity(problem.conv().groups);
        for ((rows, lists), list) in
            sharing.rows().chunks(per_group).zip(rows_by_phase(sharing, walk)).zip(sharing.groups())
        {
            let mut phases: Vec<Self> = Vec::with_capacity(lists.len());
            for (index, of_phase) in lists.iter().enumerate() {
                let bases = of_phase.iter().map(|&row| list[row as usize]).collect();
                phases.push(Self { index, bases, first, taps: Vec::new() });
                first += of_phase.len();
            }
            for (at, &row) in rows.iter().enumerate() {
                let Some(reads) = walk.taps[at % taps] else { continue };
                let Ok(base) = lists[reads.phase].binary_search(&row) else { continue };
                let filter = (at / taps / neighbours) as u32;
                let [segment, tap, base] = [at / taps % neighbours, at % taps, base].map(|index| index as u32);
                phases[reads.phase].taps.push(TapOfPhase { filter, segment, tap, base });
            }
            phases.retain(|phase| !phase.bases.is_empty());
            groups.push(phases);
        }
        groups
    }

    /// The taps that every base's gradient is added up from: those of segments with a share of the blend.
    pub(super) fn terms(&self, summary: &FilterSummary, walk: &Walk, padded: &Padded, first_filter: usize) -> Terms {
        let placement = summary.placement();
        let term = |tap: &TapOfPhase| {
            let filter = first_filter + tap.filter as usize;
            let share = share(placement.segments(filter), tap.segment as usize);
            let offset = tap.offset(walk, padded).filter(|_| share > 0.0)?;
            Some((tap.base, offset, share * summary.gain(filter, tap.tap as usize)))
        };
        Terms::new(self.bases.len(), self.taps.iter().filter_map(term).collect())
    }

    /// The products of all its taps with what they read; sums go to `[O, neighbours, T]`.
    pub(super) fn dots(&self, walk: &Walk, padded: &Padded, first_filter: usize, neighbours: usize) -> Vec<Dot> {
        let dot = |tap: &TapOfPhase| {
            let segment = (first_filter + tap.filter as usize) * neighbours + tap.segment as usize;
            let to = (segment * walk.taps.len() + tap.tap as usize) as u32;
            Some(Dot { base: tap.base, offset: tap.offset(walk, padded)?, to })
        };
        self.taps.iter().filter_map(dot).collect()
    }
}

/// Where a base's channel lies.
pub(super) fn place(bases: &Bases, base: i32, channel: usize) -> i64 {
    i64::from(base) + channel as i64 * i64::from(bases.channel_stride)
}

/// The share of a blend that a segment has: all of it with fixed starts.
pub(super) fn share(segments: Option<Segments>, segment: usize) -> f32 {
    match segments {
        Some(segments) if segment > 0 => segments.fraction,
        Some(segments) => 1.0 - segments.fraction,
        None => 1.0,
    }
}
