//! What stands in a stretch of machine code.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::code::{Kind, Operation, Program, Waits};

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

    /// Without what is counted in another stretch, which lies in this one.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self {
            multiply_adds: self.multiply_adds.saturating_sub(other.multiply_adds),
            additions: self.additions.saturating_sub(other.additions),
            matrices: self.matrices.saturating_sub(other.matrices),
            matrix_multiply_adds: self.matrix_multiply_adds.saturating_sub(other.matrix_multiply_adds),
            vector: self.vector.saturating_sub(other.vector),
            integer_products: self.integer_products.saturating_sub(other.integer_products),
            scalar: self.scalar.saturating_sub(other.scalar),
            loads: self.loads.saturating_sub(other.loads),
            stores: self.stores.saturating_sub(other.stores),
            workgroup_loads: self.workgroup_loads.saturating_sub(other.workgroup_loads),
            workgroup_stores: self.workgroup_stores.saturating_sub(other.workgroup_stores),
            workgroup_bytes_read: self.workgroup_bytes_read.saturating_sub(other.workgroup_bytes_read),
            workgroup_bytes_written: self.workgroup_bytes_written.saturating_sub(other.workgroup_bytes_written),
            spills: self.spills.saturating_sub(other.spills),
            waits: self.waits.saturating_sub(other.waits),
            instructions: self.instructions.saturating_sub(other.instructions),
            loads_waited_for: 0,
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
            Kind::Load => pending.push(operation.tag),
            _ => {}
        }
    }
    0
}

/// The loop that does most of the work.
pub(crate) fn main_loop(program: &Program) -> Option<Range<usize>> {
    let work = |range: &Range<usize>| {
        let counts = Counts::of(&program.operations[range.clone()]);
        // Where nothing is multiplied, products are added up.
        [counts.matrix_multiply_adds, counts.multiply_adds, counts.additions]
    };
    let most = program.loops.iter().map(work).max()?;
    let which = most.iter().position(|&count| count > 0)?;
    // An outer loop has all that an inner one has: of those with nearly as much, the shortest.
    let enough = |range: &&Range<usize>| 4 * work(range)[which] >= 3 * most[which];
    program.loops.iter().filter(enough).min_by_key(|range| range.len()).cloned()
}
