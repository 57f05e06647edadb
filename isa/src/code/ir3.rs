//! Adreno's instructions as ir3 writes them: `(sy)(rpt1)mad.f32 r0.x, ..`, labels `l572:`, jumps `br p0.y, #l1346`.

use super::{Jumps, Kind, Operation, Program, Waits};

/// Reads a program.
pub(super) fn read(text: &str) -> Program {
    let mut operations = Vec::new();
    let mut jumps = Jumps::default();
    for line in text.lines() {
        let line = line.trim();
        if let Some(label) = line.strip_suffix(':').filter(|label| is_label(label)) {
            jumps.label(label, operations.len());
            continue;
        }
        let Some((flags, name, rest)) = instruction(line) else { continue };
        if let Some((_, to)) = rest.rsplit_once('#').filter(|_| ["br", "jump", "bany", "ball"].contains(&name)) {
            jumps.jump(to.trim(), operations.len());
        }
        operations.push(operation(flags, name, rest));
    }
    Program { operations, loops: jumps.loops, skipped: jumps.skipped }
}

fn is_label(word: &str) -> bool {
    word.strip_prefix('l').is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Flags in parentheses, name, operands. Comments, declarations and headings are none.
fn instruction(line: &str) -> Option<(&str, &str, &str)> {
    let (flags, rest) = line.split_at(flags_end(line));
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "._".contains(char);
    (!name.is_empty() && name.chars().all(plain)).then_some((flags, name, rest))
}

/// Where the flags end that a line begins with.
fn flags_end(line: &str) -> usize {
    let mut end = 0;
    while line[end..].starts_with('(') {
        let Some(close) = line[end..].find(')') else { break };
        end += close + 1;
    }
    end
}

fn operation(flags: &str, name: &str, rest: &str) -> Operation {
    let begins = |begin: &str| name.starts_with(begin);
    let kind = match name {
        _ if begins("mad.f") => Kind::MultiplyAdd,
        _ if begins("add.f") => Kind::Addition,
        _ if begins("ldl") => Kind::WorkgroupLoad(4 * last_number(rest)),
        _ if begins("stl") => Kind::WorkgroupStore(4 * last_number(rest)),
        _ if begins("ldp") || begins("stp") => Kind::Spill,
        _ if ["ldib", "ldg", "isam", "ldc"].iter().any(|load| begins(load)) => Kind::Load,
        _ if begins("stib") || begins("stg") => Kind::Store,
        _ if ["br", "jump", "nop", "bar", "fence", "end", "shps", "getone", "bany", "ball", "predt", "prede"]
            .iter()
            .any(|other| begins(other)) =>
        {
            Kind::Other
        }
        _ => Kind::Vector,
    };
    let repeats = flags.split_once("(rpt").and_then(|(_, rest)| rest.split(')').next()?.parse::<u32>().ok());
    let repeats = 1 + repeats.unwrap_or(0);
    let waits = if flags.contains("(sy)") { Waits::AllBut(0) } else { Waits::Nothing };
    Operation { waits, repeats, ..Operation::new(kind) }
}

/// How many values a load of workgroup memory has: its last operand.
fn last_number(operands: &str) -> u32 {
    operands.rsplit(',').next().and_then(|word| word.trim().parse().ok()).unwrap_or(1)
}
