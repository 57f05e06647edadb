//! What stands in a stretch of machine code.

use serde::{Deserialize, Serialize};

use crate::code::{Kind, Loop, Operation, Program, Waits};

/// Numbers of instructions, but where it says something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) multiply_adds: u32,
    pub(crate) additions: u32,
    /// Instructions on matrices.
    pub(crate) matrices: u32,
    /// Their multiply-adds a lane.
    pub(crate) matrix_multiply_adds: u32,
    /// Other vector arithmetic, additions of f32 included, integer products not.
    pub(crate) vector: u32,
    pub(crate) integer_products: u32,
    pub(crate) scalar: u32,
    pub(crate) loads: u32,
    pub(crate) stores: u32,
    pub(crate) workgroup_loads: u32,
    pub(crate) workgroup_stores: u32,
    /// Bytes a lane.
    pub(crate) workgroup_bytes_read: u32,
    pub(crate) workgroup_bytes_written: u32,
    pub(crate) spills: u32,
    pub(crate) waits: u32,
    pub(crate) instructions: u32,
    /// Loads from memory that are waited for before the first multiply-add.
    pub(crate) loads_waited_for: u32,
}

/// Four times as long as others.
const PRODUCT_SLOTS: u32 = 4;

impl Counts {
    /// Of all these operations.
    pub(crate) fn of(operations: &[Operation]) -> Self {
        let mut all = Self::default();
        for operation in operations {
            all.add(operation);
        }
        all.loads_waited_for = loads_waited_for(operations);
        all
    }

    fn add(&mut self, operation: &Operation) {
        let times = operation.repeats;
        self.instructions += times;
        self.waits += u32::from(operation.waits != Waits::Nothing);
        match operation.kind {
            Kind::MultiplyAdd => self.multiply_adds += times,
            Kind::Addition => {
                self.additions += times;
                self.vector += times;
            }
            Kind::Matrix(multiply_adds) => {
                self.matrices += times;
                self.matrix_multiply_adds += times * multiply_adds;
            }
            Kind::Vector => self.vector += times,
            Kind::IntegerProduct => self.integer_products += times,
            Kind::Scalar => self.scalar += times,
            Kind::Load => self.loads += times,
            Kind::Store => self.stores += times,
            Kind::WorkgroupLoad(bytes) => {
                self.workgroup_loads += times;
                self.workgroup_bytes_read += times * bytes;
            }
            Kind::WorkgroupStore(bytes) => {
                self.workgroup_stores += times;
                self.workgroup_bytes_written += times * bytes;
            }
            Kind::Spill => self.spills += times,
            Kind::Other => {}
        }
    }

    /// Cycles of vector arithmetic, of which a multiply-add takes one.
    pub(crate) fn vector_slots(&self) -> u32 {
        self.multiply_adds + self.matrices + self.vector + PRODUCT_SLOTS * self.integer_products
    }

    /// Those and the instructions to and from memory, which are issued by the same lanes.
    pub(crate) fn lane_slots(&self) -> u32 {
        let memory = self.loads + self.stores + self.workgroup_loads + self.workgroup_stores + self.spills;
        self.vector_slots() + memory
    }

    /// With another stretch, so many times.
    fn with(&self, other: &Self, times: u32) -> Self {
        self.combined(other, |own, other| own + times * other)
    }

    /// Without what is counted in another stretch, which lies in this one.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.combined(other, u32::saturating_sub)
    }

    /// Of both, number by number; of loads that are waited for nothing but its own is known.
    fn combined(&self, other: &Self, of: impl Fn(u32, u32) -> u32) -> Self {
        Self {
            multiply_adds: of(self.multiply_adds, other.multiply_adds),
            additions: of(self.additions, other.additions),
            matrices: of(self.matrices, other.matrices),
            matrix_multiply_adds: of(self.matrix_multiply_adds, other.matrix_multiply_adds),
            vector: of(self.vector, other.vector),
            integer_products: of(self.integer_products, other.integer_products),
            scalar: of(self.scalar, other.scalar),
            loads: of(self.loads, other.loads),
            stores: of(self.stores, other.stores),
            workgroup_loads: of(self.workgroup_loads, other.workgroup_loads),
            workgroup_stores: of(self.workgroup_stores, other.workgroup_stores),
            workgroup_bytes_read: of(self.workgroup_bytes_read, other.workgroup_bytes_read),
            workgroup_bytes_written: of(self.workgroup_bytes_written, other.workgroup_bytes_written),
            spills: of(self.spills, other.spills),
            waits: of(self.waits, other.waits),
            instructions: of(self.instructions, other.instructions),
            loads_waited_for: self.loads_waited_for,
        }
    }
}

/// Of loads that were started, those that something waits for before the first multiply-add, of matrices or not.
fn loads_waited_for(operations: &[Operation]) -> u32 {
    let (mut pending, mut waited): (Vec<Option<u32>>, usize) = (Vec::new(), 0);
    for operation in operations {
        let kept = match operation.waits {
            Waits::AllBut(number) => pending.split_off(pending.len().saturating_sub(number as usize)),
            Waits::Tags(bits) => {
                let waits = |tag: &Option<u32>| tag.is_some_and(|tag| bits >> tag & 1 == 1);
                let kept = pending.iter().copied().filter(|tag| !waits(tag)).collect::<Vec<_>>();
                waited += pending.len() - kept.len();
                pending.clear();
                kept
            }
            Waits::Nothing | Waits::Else => std::mem::take(&mut pending),
        };
        waited += pending.len();
        pending = kept;
        match operation.kind {
            Kind::MultiplyAdd | Kind::Matrix(_) => return waited as u32,
            // Of two halves the second counts.
            Kind::Load if operation.repeats > 0 => pending.push(operation.tag),
            _ => {}
        }
    }
    0
}

/// A turn of the loop that does most of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    /// What is done in it.
    pub(crate) done: Counts,
    /// What stands there: less than is done where an inner loop was not unrolled.
    pub(crate) text: Counts,
}

/// Of the loop with most multiply-adds; where nothing is multiplied, additions. `expected` is how many multiply-adds a
/// lane does in a round: where the loop has fewer, it is one within the round's.
pub(crate) fn main_round(program: &Program, expected: f64) -> Option<Round> {
    let counted = program.loops.iter().map(|one| (one, Counts::of(&program.usual(one))));
    let counted: Vec<(&Loop, Counts)> = counted.collect();
    let kinds: [fn(&Counts) -> u32; 3] =
        [|counts| counts.matrix_multiply_adds, |counts| counts.multiply_adds, |counts| counts.additions];
    let (work, most) = kinds.into_iter().find_map(|work| {
        let most = counted.iter().map(|(_, counts)| work(counts)).max()?;
        (most > 0).then_some((work, most))
    })?;
    // An outer loop has all that an inner one has: of those with nearly as much, the innermost.
    let enough: Vec<&(&Loop, Counts)> = counted.iter().filter(|(_, counts)| 4 * work(counts) >= 3 * most).collect();
    let is_innermost = |one: &Loop| !enough.iter().any(|(other, _)| other.len() < one.len() && one.contains(other));
    let around = |one: &Loop| {
        let outer = counted.iter().filter(|(other, _)| other.len() > one.len() && other.contains(one));
        outer.min_by_key(|(other, _)| other.len())
    };
    let innermost = enough.iter().filter(|(one, _)| is_innermost(one));
    // The last round may stand behind the loop, and has then an inner loop too.
    let rounds = innermost.map(|(inner, counts)| {
        let turns = (expected / f64::from(work(counts))).round() as u32;
        match around(inner) {
            Some((_, outer)) if turns > 1 => {
                let once = outer.without(counts);
                Round { done: once.with(counts, turns), text: *outer }
            }
            _ => Round { done: *counts, text: *counts },
        }
    });
    rounds.max_by_key(|round| (work(&round.done), std::cmp::Reverse(round.text.instructions)))
}
