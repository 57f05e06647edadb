//! NVIDIA's instructions as NAK writes them: `r50 = ffma.ftz r50 r59 r14 // delay=1 wt=000110`, in blocks
//! `block.u 2 L3 [1, 251] -> {` with `} -> [3, 250]` after them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Kind, Loop, Operation, Program, Waits};

/// A warp shares a matrix.
const LANES: u32 = 32;

/// A block: where it begins and ends, and which come after it.
struct Block {
    operations: Range<usize>,
    next: Vec<usize>,
}

/// Reads a program.
pub(super) fn read(text: &str) -> Program {
    let (mut operations, mut blocks) = (Vec::new(), Vec::new());
    let mut begin = 0;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("block") && line.ends_with('{') {
            begin = operations.len();
        } else if let Some(next) = line.strip_prefix("} -> ") {
            let next = next.trim_matches(['[', ']']).split(',').filter_map(|word| word.trim().parse().ok());
            blocks.push(Block { operations: begin..operations.len(), next: next.collect() });
        } else if let Some(operation) = operation(line) {
            operations.push(operation);
        }
    }
    let edges = blocks.iter().enumerate().flat_map(|(from, block)| block.next.iter().map(move |&to| (from, to)));
    let back = edges.filter(|(from, to)| to <= from);
    let loops = back.map(|(from, to)| loop_of(&blocks, from, to)).collect();
    let over = blocks.iter().enumerate().flat_map(|(from, block)| block.next.iter().map(move |&to| from + 1..to));
    let over = over.filter_map(|range| blocks.get(range).filter(|range| !range.is_empty()));
    let stretch = |range: &[Block]| Some(range.first()?.operations.start..range.last()?.operations.end);
    let skipped = over.filter_map(stretch).collect();
    Program { operations, loops, skipped }
}

/// The blocks from which a jump back is reached without its destination: blocks stand in an order in which only loops
/// jump back, but what follows a loop may stand before its end.
fn loop_of(blocks: &[Block], from: usize, to: usize) -> Loop {
    let mut within = BTreeSet::from([to, from]);
    let mut open = vec![from];
    while let Some(block) = open.pop().filter(|&block| block != to) {
        for (before, _) in blocks.iter().enumerate().filter(|(_, other)| other.next.contains(&block)) {
            if within.insert(before) {
                open.push(before);
            }
        }
    }
    Loop(within.into_iter().filter_map(|block| Some(blocks.get(block)?.operations.clone())).collect())
}

fn operation(line: &str) -> Option<Operation> {
    let (code, notes) = line.split_once("//").unwrap_or((line, ""));
    let (results, code) = code.split_once(" = ").unwrap_or(("", code));
    // A guard stands before instructions without a result, or before the result.
    let name = code.split_whitespace().find(|word| !word.starts_with('@'))?;
    if name == "}" {
        return None;
    }
    let note = |key: &str| notes.split_whitespace().find_map(|note| note.strip_prefix(key));
    // Results in uniform registers are for all lanes.
    let is_uniform = results.split_whitespace().any(|word| word.starts_with("ur") || word.starts_with("up"));
    let kind = if is_uniform { Kind::Scalar } else { kind(name) };
    let tags = note("wt=").and_then(|bits| u32::from_str_radix(bits, 2).ok());
    Some(Operation {
        waits: tags.map_or(Waits::Nothing, Waits::Tags),
        tag: note("wr:").and_then(|tag| tag.parse().ok()),
        ..Operation::new(kind)
    })
}

fn kind(name: &str) -> Kind {
    let begins = |begin: &str| name.starts_with(begin);
    match name {
        _ if begins("ffma") || begins("hfma2") => Kind::MultiplyAdd,
        _ if begins("fadd") => Kind::Addition,
        _ if begins("hmma") => Kind::Matrix(matrix(name)),
        _ if begins("imad") => Kind::IntegerProduct,
        _ if begins("ld.shared") => Kind::WorkgroupLoad(bytes(name)),
        _ if begins("ldsm") => Kind::WorkgroupLoad(16),
        _ if begins("st.shared") => Kind::WorkgroupStore(bytes(name)),
        _ if begins("ld.local") || begins("st.local") => Kind::Spill,
        _ if begins("ld.") => Kind::Load,
        _ if begins("st.") => Kind::Store,
        _ if ["bra", "nop", "bar", "bsync", "bssy", "bclear", "exit", "break", "warpsync", "yield", "jmp"]
            .iter()
            .any(|other| begins(other)) =>
        {
            Kind::Other
        }
        _ => Kind::Vector,
    }
}

/// Of `ld.shared.strong.cta.b128`.
fn bytes(name: &str) -> u32 {
    let word = name.rsplit('.').find_map(|word| word.trim_start_matches(['b', 'u', 's']).parse::<u32>().ok());
    word.unwrap_or(32) / 8
}

/// Multiply-adds a lane of `hmma.m16n8k16.f32`.
fn matrix(name: &str) -> u32 {
    let sizes = name.split('.').find(|word| word.starts_with('m')).unwrap_or_default();
    let sizes = sizes.split(|char: char| !char.is_ascii_digit()).filter_map(|size| size.parse::<u32>().ok());
    sizes.product::<u32>() / LANES
}
