//! Apple's instructions as Asahi's compiler disassembles them: `1c38: ba81b8822946c211 ffma $r32, $r28, $r44, r99`.
//! Of what it prints, the first listing is the shader; others are of its preamble, which runs once.

use super::{Kind, Loop, Operation, Program, Waits};

/// Reads a program.
pub(super) fn read(printed: &str) -> Program {
    let mut program = Program::default();
    let mut offsets: Vec<i64> = Vec::new();
    let mut open: Vec<(i64, usize)> = Vec::new();
    for (offset, name, rest) in printed.lines().filter_map(instruction) {
        if offset == 0 && !offsets.is_empty() {
            break;
        }
        let at = program.operations.len();
        offsets.push(offset);
        let (here, further) = open.into_iter().partition(|(to, _)| *to == offset);
        open = further;
        program.skipped.extend(here.into_iter().map(|(_, from): (i64, usize)| from..at));
        if name.starts_with("jmp") {
            let distance = rest.trim().parse::<i64>().unwrap_or(0);
            if distance > 0 {
                open.push((offset + distance, at + 1));
            }
            let begin = offsets.iter().position(|&begin| begin == offset + distance && distance < 0);
            program.loops.extend(begin.map(|begin| Loop::of(begin..at + 1)));
        }
        program.operations.push(operation(name, rest));
    }
    program
}

/// Offset, name and operands of a line that is an instruction.
fn instruction(line: &str) -> Option<(i64, &str, &str)> {
    let (offset, rest) = line.trim_start().split_once(':')?;
    let offset = i64::from_str_radix(offset, 16).ok()?;
    let (code, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let is_code = code.len() >= 4 && code.chars().all(|char| char.is_ascii_hexdigit());
    let rest = rest.trim_start();
    let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    is_code.then_some((offset, name, rest))
}

fn operation(name: &str, rest: &str) -> Operation {
    // The slot is the last operand: a letter.
    let slot = rest.rsplit([',', ' ']).next().and_then(|word| match word.trim().as_bytes() {
        &[slot @ b'a'..=b'd'] => Some(u32::from(slot - b'a')),
        _ => None,
    });
    let kind = match name {
        "ffma" => Kind::MultiplyAdd,
        "fadd" => Kind::Addition,
        "imul" | "imadd" | "imsub" | "imad" => Kind::IntegerProduct,
        "lload" => Kind::WorkgroupLoad(bytes(rest)),
        "lstore" => Kind::WorkgroupStore(bytes(rest)),
        "stack_load" | "stack_store" => Kind::Spill,
        "load" => Kind::Load,
        "store" => Kind::Store,
        "wait" | "stop" | "barrier" | "if" | "else" | "while" | "pop_exec" | "stack_adjust" | "nop" | "trap" => {
            Kind::Other
        }
        _ if name.starts_with("jmp") => Kind::Other,
        _ => Kind::Vector,
    };
    let waits = match (name, slot) {
        ("wait", Some(slot)) => Waits::Tags(1 << slot),
        _ => Waits::Nothing,
    };
    let tag = slot.filter(|_| kind == Kind::Load);
    Operation { waits, tag, ..Operation::new(kind) }
}

/// Of `i32, xyzw`.
fn bytes(operands: &str) -> u32 {
    let mut words = operands.split(',').map(str::trim).rev();
    let mask = words.find(|word| !word.is_empty() && word.chars().all(|char| "xyzw".contains(char)));
    let size = if operands.contains("i16") || operands.contains("f16") { 2 } else { 4 };
    size * mask.map_or(1, |mask| mask.len() as u32)
}
