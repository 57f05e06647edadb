//! The table that the kernels of gradients read: the bases, and which filters and taps add up the product of each.

use crate::kernels::WeightLoad;
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::sharing::{Bases, Sharing};
use crate::method::wanted::Wanted;
use crate::plan::ask::load_of;

/// The table and where its parts begin, in words: bases `[groups * rows]`, ascending in each group, whose last is
/// repeated where a group has fewer; how many each group has, `[groups]`; for every row its first term, and the end
/// `[groups * rows + 1]`; the terms, two words each; for every tap of every segment its row `[O, neighbours, T]`; and
/// where filters are blends how much of each is the second segment `[O]`.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) words: Vec<u32>,
    pub(super) groups: usize,
    /// Of a group: a multiple of four, so that they are whole quads of channels of a convolution.
    pub(super) rows: usize,
    /// The bases of all rows.
    pub(super) bases: Vec<i32>,
    pub(super) channel_stride: i32,
    /// Segments of a filter.
    pub(super) neighbours: usize,
    pub(super) load: WeightLoad,
    pub(super) counts_at: usize,
    pub(super) firsts_at: usize,
    pub(super) terms_at: usize,
    pub(super) tap_rows_at: usize,
    pub(super) fractions_at: usize,
    /// Of a row.
    pub(super) most_terms: usize,
    /// Of a group, that reach over one value of the summary.
    pub(super) most_bases: usize,
    /// Of a wrapped summary, that channels reach over.
    pub(super) turns: usize,
}

impl Terms {
    pub(super) fn new(problem: &Problem, wanted: Wanted) -> Self {
        let placement = problem.placement();
        // A position's derivative takes two segments, also where the filter itself is one.
        let (bases, fraction): (_, Box<dyn Fn(usize) -> f32>) = if wanted.positions {
            let slope = |filter| placement.slope(filter).map_or(0.0, |segments| segments.fraction);
            (Bases::of_slopes(placement), Box::new(slope))
        } else {
            (Bases::new(placement), Box::new(|filter| placement.fraction(filter)))
        };
        let (groups, taps) = (problem.conv().groups, placement.taps());
        let sharing = Sharing::from_bases(&bases, placement, groups);
        let rows = sharing.most_bases().next_multiple_of(4);
        let of_rows: Vec<i32> = sharing.groups().iter().flat_map(|bases| padded(bases, rows)).collect();

        let neighbours = bases.neighbours;
        let segments_a_group = placement.filters() * neighbours / groups;
        let tap_rows: Vec<u32> = (sharing.rows().chunks(taps).enumerate())
            .flat_map(|(segment, tap_rows)| {
                let first = (segment / segments_a_group * rows) as u32;
                tap_rows.iter().map(move |&row| first + row)
            })
            .collect();
        let terms = by_row(&tap_rows, of_rows.len(), |at| {
            let (filter, segment) = (at / taps / neighbours, at / taps % neighbours);
            // A segment without a share is left out, as it is in the convolution.
            let share = if neighbours == 1 { 1.0 } else { [1.0 - fraction(filter), fraction(filter)][segment] };
            share != 0.0
        });

        let mut words: Vec<u32> = of_rows.iter().map(|&base| base as u32).collect();
        let counts_at = words.len();
        words.extend(sharing.groups().iter().map(|bases| bases.len() as u32));
        let firsts_at = words.len();
        let firsts = terms.iter().scan(0, |next, of_row| {
            let first = *next;
            *next += of_row.len() as u32;
            Some(first)
        });
        words.extend(firsts);
        words.push(terms.iter().map(|of_row| of_row.len() as u32).sum());
        let terms_at = words.len();
        let width = placement.window().width();
        words.extend(terms.iter().flatten().flat_map(|&at| {
            let (filter, segment, tap) = (at / taps / neighbours, at / taps % neighbours, at % taps);
            [((segment << 31) | filter) as u32, (((tap / width) << 16) | (tap % width)) as u32]
        }));
        let tap_rows_at = words.len();
        words.extend(&tap_rows);
        let fractions_at = words.len();
        if neighbours > 1 {
            words.extend((0..placement.filters()).map(|filter| fraction(filter).to_bits()));
        }
        let reach = (placement.window().channels() as i64 - 1) * i64::from(bases.channel_stride);
        Self {
            words,
            groups,
            rows,
            load: load_of(placement, bases.channel_stride, &of_rows),
            bases: of_rows,
            channel_stride: bases.channel_stride,
            neighbours,
            counts_at,
            firsts_at,
            terms_at,
            tap_rows_at,
            fractions_at,
            most_terms: terms.iter().map(Vec::len).max().unwrap_or(0),
            most_bases: sharing.groups().iter().map(|bases| most_within(bases, reach.abs())).max().unwrap_or(0),
            turns: turns(placement, &sharing, reach),
        }
    }
}

/// A group's bases, whose last is repeated.
fn padded(bases: &[i32], rows: usize) -> impl Iterator<Item = i32> {
    let last = bases.last().copied().unwrap_or(0);
    bases.iter().copied().chain(std::iter::repeat(last)).take(rows)
}

/// Of every row the places in `tap_rows` that have it, ascending, of those that are `kept`.
fn by_row(tap_rows: &[u32], rows: usize, kept: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); rows];
    let places = tap_rows.iter().enumerate().filter(|(at, _)| kept(*at));
    places.for_each(|(at, &row)| lists[row as usize].push(at));
    lists
}

/// Most of some ascending numbers that lie within `reach` of the first of them.
fn most_within(numbers: &[i32], reach: i64) -> usize {
    let mut first = 0;
    let counts = numbers.iter().enumerate().map(|(last, &number)| {
        while i64::from(number) - i64::from(numbers[first]) > reach {
            first += 1;
        }
        last + 1 - first
    });
    counts.max().unwrap_or(0)
}

/// How often the channels of a base may pass the end of a wrapped summary.
fn turns(placement: &Placement, sharing: &Sharing, reach: i64) -> usize {
    if placement.boundary() != Boundary::Wrap {
        return 0;
    }
    let last = sharing.groups().iter().filter_map(|bases| bases.last()).max();
    // Wrapped strides are not negative, and bases begin in the summary.
    ((i64::from(last.copied().unwrap_or(0)) + reach.max(0)) / placement.length() as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::{Terms, most_within};
    use crate::{Conv2d, Placement, Problem, Wanted};

    #[test]
    fn bases_that_reach_over_a_value_are_counted() {
        assert_eq!(most_within(&[0, 1, 2, 5, 6, 20], 2), 3);
        assert_eq!(most_within(&[0, 10, 20], 9), 1);
        assert_eq!(most_within(&[-4, 3, 4], 7), 2);
    }

    /// Every tap of every filter is a term of its base, once.
    #[test]
    fn every_tap_is_a_term_of_its_base() {
        let placement = Placement::tap_major(6, 4, 3, 3, 4).unwrap();
        let problem = Problem::new(&placement, Conv2d { groups: 2, ..Conv2d::padded(1) }, [1, 5, 5]).unwrap();
        let terms = Terms::new(&problem, Wanted::all(&problem));
        // Three filters of a group: nine taps and two steps.
        assert_eq!((terms.groups, terms.rows, terms.most_terms), (2, 12, 3));
        let mut seen = Vec::new();
        for row in 0..24 {
            let first = terms.words[terms.firsts_at + row] as usize;
            for term in first..terms.words[terms.firsts_at + row + 1] as usize {
                let at = terms.terms_at + 2 * term;
                let (filter, tap) = (terms.words[at] as usize, terms.words[at + 1] as usize);
                let tap = (tap >> 16) * 3 + (tap & 0xffff);
                assert_eq!(terms.bases[row] as usize, 4 * filter + 4 * tap, "filter {filter}, tap {tap}");
                assert_eq!(terms.words[terms.tap_rows_at + filter * 9 + tap] as usize, row);
                seen.push((filter, tap));
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 6 * 9);
    }
}
