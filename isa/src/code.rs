//! Machine code as lists of operations and loops, whatever compiler wrote it.

mod aco;
mod agx;
mod brw;
mod ir3;
mod nak;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

/// What an instruction does, so far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A fused multiply-add of f32 a lane.
    MultiplyAdd,
    /// An addition of f32 a lane.
    Addition,
    /// A multiplication of matrices: of so many multiply-adds a lane.
    Matrix(u32),
    /// Other vector arithmetic.
    Vector,
    /// A 32-bit multiplication of integers, four times as long as the others.
    IntegerProduct,
    /// For all lanes at once.
    Scalar,
    /// From memory, by lanes.
    Load,
    /// Into memory.
    Store,
    /// From workgroup memory, of so many bytes a lane.
    WorkgroupLoad(u32),
    /// Into workgroup memory, of so many bytes a lane.
    WorkgroupStore(u32),
    /// To or from where registers are spilled.
    Spill,
    /// Branches, waits, barriers, what does nothing.
    Other,
}

/// An instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    /// It waits for loads: for all but so many of those from memory that were started last (`Some(0)` for all of them).
    pub(crate) waits: Waits,
    /// What a load is waited for by, where that has a name.
    pub(crate) tag: Option<u32>,
    /// Issued more than once.
    pub(crate) repeats: u32,
}

/// What an instruction waits for before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Nothing,
    /// All loads but so many of the last.
    AllBut(u32),
    /// Loads with these tags, as bits.
    Tags(u32),
    /// Something that is no load from memory.
    Else,
}

impl Operation {
    fn new(kind: Kind) -> Self {
        Self { kind, waits: Waits::Nothing, tag: None, repeats: 1 }
    }
}

/// A program and its loops.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) operations: Vec<Operation>,
    pub(crate) loops: Vec<Loop>,
    /// What a jump forwards jumps over.
    pub(crate) skipped: Vec<Range<usize>>,
}

/// Stretches of operations, in their order: some compilers put what follows a loop into its midst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loop(pub(crate) Vec<Range<usize>>);

impl Loop {
    /// One stretch.
    fn of(range: Range<usize>) -> Self {
        Self(std::iter::once(range).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Whether the other lies in it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let within = |inner: &Range<usize>| self.0.iter().any(|own| own.start <= inner.start && inner.end <= own.end);
        other.0.iter().all(within)
    }
}

impl Program {
    /// The operations of a loop.
    pub(crate) fn of(&self, one: &Loop) -> Vec<Operation> {
        one.0.iter().flat_map(|range| &self.operations[range.clone()]).copied().collect()
    }

    /// Those of a usual turn: without what branches jump over, if it is no work, and less than half of the loads in
    /// all. So the places of a tap are left out, which are computed when the tap changes.
    pub(crate) fn usual(&self, one: &Loop) -> Vec<Operation> {
        let is_work =
            |kind: Kind| matches!(kind, Kind::MultiplyAdd | Kind::Addition | Kind::Matrix(_) | Kind::WorkgroupStore(_));
        let all: Vec<usize> = one.0.iter().flat_map(Range::clone).collect();
        let is_aside = |range: &&Range<usize>| {
            Range::clone(range)
                .all(|at| one.0.iter().any(|own| own.contains(&at)) && !is_work(self.operations[at].kind))
        };
        let aside: Vec<&Range<usize>> = self.skipped.iter().filter(is_aside).collect();
        let kept: Vec<usize> = all.iter().copied().filter(|at| !aside.iter().any(|range| range.contains(at))).collect();
        let loads = |list: &[usize]| list.iter().filter(|&&at| self.operations[at].kind == Kind::Load).count();
        let few = 2 * loads(&kept) > loads(&all) || loads(&all) == 0;
        (if few { kept } else { all }).into_iter().map(|at| self.operations[at]).collect()
    }
}

/// Which compiler wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compiler {
    Aco,
    Nak,
    Agx,
    Ir3,
    Brw,
}

impl Compiler {
    /// Reads the text; `None` where there is none that is understood.
    pub(crate) fn read(self, texts: &BTreeMap<String, String>, printed: Option<&str>) -> Option<Program> {
        match self {
            Self::Aco => texts.get("Assembly").map(|text| aco::read(text)),
            Self::Nak => texts.get("NAK assembly").map(|text| nak::read(text)),
            Self::Agx => printed.map(agx::read),
            Self::Ir3 => texts.get("IR3 Assembly").map(|text| ir3::read(text)),
            Self::Brw => texts.get("GEN Assembly").map(|text| brw::read(text)),
        }
    }
}

/// Jumps by labels: a jump to a label that stands before it closes a loop, others jump over what lies between.
#[derive(Default)]
struct Jumps<'a> {
    labels: BTreeMap<&'a str, usize>,
    loops: Vec<Loop>,
    open: Vec<(&'a str, usize)>,
    skipped: Vec<Range<usize>>,
}

impl<'a> Jumps<'a> {
    fn label(&mut self, name: &'a str, at: usize) {
        self.labels.insert(name, at);
        let (here, open) = self.open.drain(..).partition(|(to, _)| *to == name);
        self.open = open;
        self.skipped.extend(here.into_iter().map(|(_, from): (&str, usize)| from + 1..at));
    }

    /// A jump that is the operation at `at`.
    fn jump(&mut self, to: &'a str, at: usize) {
        match self.labels.get(to) {
            Some(&begin) => self.loops.push(Loop::of(begin..at + 1)),
            None => self.open.push((to, at)),
        }
    }
}
