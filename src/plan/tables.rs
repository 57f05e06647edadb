//! The table that the kernels of shared products read: which base, which slot, for whom.

use super::ask::fractions;
use crate::method::problem::Problem;
use crate::method::sharing::TapRows;

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
    /// Parts of a product's sum over channels, each stored by itself; 1 where they are whole.
    pub(super) splits: usize,
}

/// Where the parts of the table that the accumulation reads begin, in words.
pub(super) struct TableOffsets {
    pub(super) tap_slots: usize,
    pub(super) scale: usize,
    pub(super) bias: usize,
    /// A base stage's scale and bias of every row.
    pub(super) stage: usize,
}

/// The table: bases `[groups * rows]`, the slots of every row `[groups * rows, kinds of sums]`, the slots every filter
/// adds up `[O, neighbours, terms]`, and where there are two neighbours the fractions `[O]`. Scales, biases, gains and
/// a base stage follow, which are the layer's.
pub(super) struct Tables {
    pub(super) words: Vec<u32>,
    /// The base of every row, group after group, where there is a base stage.
    pub(super) stage: Vec<usize>,
    /// Bases of the largest group.
    pub(super) rows: usize,
    /// Rows that are stored.
    pub(super) slots: usize,
    pub(super) at: TableOffsets,
}

impl Tables {
    pub(super) fn new(problem: &Problem, Stored { row_taps, tap_rows, .. }: Stored) -> Self {
        let (sharing, taps) = (problem.sharing(), problem.placement().window().taps());
        let (groups, filters) = (problem.conv().groups, problem.out_channels());
        let (rows, kinds) = (sharing.most_bases(), tap_rows.kinds() as usize);
        let (mut words, mut stage) = (Vec::new(), Vec::new());
        for (group, bases) in sharing.groups().iter().enumerate() {
            let padded = bases.iter().chain(std::iter::repeat(&bases[bases.len() - 1]));
            words.extend(padded.take(rows).map(|&base| base as u32));
            if problem.base_stage().is_some() {
                stage.extend((0..rows).map(|row| sharing.first_base(group) + row.min(bases.len() - 1)));
            }
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
        let (scale, bias) = (words.len(), words.len() + filters);
        let at = TableOffsets { tap_slots, scale, bias, stage: stage_at(problem, words.len()) };
        Self { words, stage, rows, slots: slots as usize, at }
    }
}

/// Where a base stage stands behind a table's `words`: after scales, biases and gains.
pub(super) fn stage_at(problem: &Problem, words: usize) -> usize {
    words + 2 * problem.out_channels() + problem.placement().gains()
}
