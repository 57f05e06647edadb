//! Intel's instructions as Mesa's brw writes them: `mad(16) g10<1>F g20<8,8,1>F g30<8,8,1>F g40<1,1,1>F { align1 1H
//! $2.dst };`, messages with a second line that says what they are, labels `LABEL3:`, loops that end with `while`.
//!
//! A kernel has 8, 16 or 32 lanes, and an instruction so many in parentheses; a vector engine does [`ENGINE`] a clock,
//! and no instruction takes less than one. A slot of a lane is what an instruction of all lanes takes, so that of those
//! for half the lanes every second is counted, and of those for one lane (of 16) too.

use super::{Jumps, Kind, Operation, Program, Waits};

/// Lanes of 32 bits of a vector engine.
const ENGINE: u32 = 8;

/// Names for what is under way.
const TAGS: usize = 16;

/// Reads a program.
pub(super) fn read(text: &str) -> Program {
    let lines = joined(text);
    let lanes = lines.iter().filter_map(|line| Instruction::of(line)).map(|one| one.reach()).max();
    let mut jumps = Jumps::default();
    let mut reader = Reader { passes: lanes.unwrap_or(ENGINE).div_ceil(ENGINE), ..Reader::default() };
    for line in &lines {
        if let Some(label) = line.strip_suffix(':') {
            jumps.label(label, reader.operations.len());
            continue;
        }
        let Some(one) = Instruction::of(line) else { continue };
        let target = one.rest.split_once("JIP:").and_then(|(_, rest)| rest.split_whitespace().next());
        // A break leaves a loop, and skips nothing of a turn.
        if let Some(target) = target.filter(|_| ["while", "if", "else"].contains(&one.name)) {
            jumps.jump(target, reader.operations.len());
        }
        reader.add(&one);
    }
    Program { operations: reader.operations, loops: jumps.loops, skipped: jumps.skipped }
}

/// Labels, and instructions with all of their lines.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let (is_further, line) = (line.starts_with(char::is_whitespace), line.trim());
        match lines.last_mut().filter(|last| is_further && last.contains('(') && !last.contains("};")) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

/// A line taken apart.
struct Instruction<'a> {
    /// Without conditions and the like: `cmp` of `cmp.ge.f0.0`.
    name: &'a str,
    /// It waits for all that was to be written.
    all_written: bool,
    lanes: u32,
    /// Operands and what a message is.
    rest: &'a str,
    /// What stands in braces.
    notes: &'a str,
}

impl<'a> Instruction<'a> {
    /// `None` of labels and headings.
    fn of(line: &'a str) -> Option<Self> {
        let (line, notes) = line.rsplit_once('{')?;
        // A predicate stands before the name.
        let line = match line.strip_prefix('(') {
            Some(rest) => rest.split_once(')')?.1.trim_start(),
            None => line,
        };
        let (name, rest) = line.split_once('(')?;
        let (lanes, rest) = rest.split_once(')')?;
        let all_written = name.contains("allwr");
        // `sync nop`, `math inv`.
        let name = name.split(['.', ' ']).next()?;
        let (lanes, notes) = (lanes.parse().ok()?, notes.trim_end_matches(['}', ';', ' ']));
        Some(Self { name, all_written, lanes, rest, notes })
    }

    fn has(&self, note: &str) -> bool {
        self.notes.split_whitespace().any(|word| word == note)
    }

    /// The last lane that it has to do with: `2H` are the second sixteen. Those without lanes' masks may be for more.
    fn reach(&self) -> u32 {
        let group = self.notes.split_whitespace().find_map(|word| {
            let (number, size) = [('N', 4), ('Q', 8), ('H', 16)]
                .iter()
                .find_map(|(letter, size)| Some((word.strip_suffix(*letter)?, *size)))?;
            Some(number.parse::<u32>().ok()? * size)
        });
        if self.has("WE_all") { 0 } else { group.unwrap_or(0).max(self.lanes) }
    }

    fn is_message(&self) -> bool {
        self.name.starts_with("send")
    }

    /// Of the first operand: `F` of `g10<1>F`.
    fn result(&self) -> &'a str {
        self.rest.split_whitespace().next().and_then(|word| Some(word.rsplit_once('>')?.1)).unwrap_or_default()
    }

    /// What it sets, and waits for, of what is under way: `$3`, `$3.dst`. That a message has read its operands
    /// (`$3.src`) says nothing of its results.
    fn tags(&self) -> (Option<usize>, Option<usize>) {
        let tag = |word: &str, end: &str| word.strip_prefix('$')?.strip_suffix(end)?.parse().ok();
        let find = |end| self.notes.split_whitespace().find_map(|word| tag(word, end)).filter(|&tag| tag < TAGS);
        (find(""), find(".dst"))
    }

    fn kind(&self, lanes: u32) -> Kind {
        let is_float = ["F", "HF", "DF"].contains(&self.result());
        match self.name {
            "mad" | "mac" if is_float => Kind::MultiplyAdd,
            "add" if is_float => Kind::Addition,
            "mul" | "mach" | "mad" | "macl" if !is_float => Kind::IntegerProduct,
            _ if self.is_message() => self.message(lanes),
            "sync" | "nop" | "if" | "else" | "endif" | "while" | "do" | "break" | "cont" | "halt" | "jmpi" => {
                Kind::Other
            }
            _ if self.lanes == 1 => Kind::Scalar,
            _ => Kind::Vector,
        }
    }

    fn message(&self, lanes: u32) -> Kind {
        let Some((unit, message)) = self.rest.split_once("MsgDesc:") else { return Kind::Other };
        let is = |name: &str| unit.split_whitespace().last() == Some(name);
        let words: Vec<&str> = message.split(['(', ',', ')', ' ']).filter(|word| !word.is_empty()).collect();
        let what = words.first().copied().unwrap_or_default();
        let (loads, stores) = (what.starts_with("load"), what.starts_with("store") || what.starts_with("atomic"));
        match () {
            () if is("slm") && loads => Kind::WorkgroupLoad(bytes(&words, lanes)),
            () if is("slm") && stores => Kind::WorkgroupStore(bytes(&words, lanes)),
            // Scratch memory is the only surface that has a state of its own.
            () if is("ugm") && (loads || stores) && words.contains(&"ss") => Kind::Spill,
            () if loads => Kind::Load,
            () if stores => Kind::Store,
            () => Kind::Other,
        }
    }
}

/// A lane's, of `load a32 d32 V4`; what is loaded once for all lanes, `transpose`, is divided among them.
fn bytes(words: &[&str], lanes: u32) -> u32 {
    let number = |begin| words.iter().find_map(|word: &&str| word.strip_prefix(begin)?.parse::<u32>().ok());
    // `d16u32` is a half in a word.
    let bits = words.iter().find_map(|word| word.strip_prefix('d')?.split('u').next()?.parse::<u32>().ok());
    let mask = words.iter().find(|word| word.chars().all(|char| "xyzw".contains(char)));
    let values = number("V").or(mask.map(|mask| mask.len() as u32)).unwrap_or(1);
    let all = bits.unwrap_or(32) / 8 * values;
    if words.contains(&"transpose") { all.div_ceil(lanes) } else { all }
}

/// What was read.
#[derive(Default)]
struct Reader {
    operations: Vec<Operation>,
    /// Clocks of an instruction of all lanes.
    passes: u32,
    /// Clocks of each kind that do not make up a slot yet.
    begun: Vec<(Kind, u32)>,
    /// Loads that nothing has waited for.
    pending: [bool; TAGS],
}

impl Reader {
    fn add(&mut self, one: &Instruction<'_>) {
        let kind = one.kind(ENGINE * self.passes);
        let clocks = match kind {
            // By no lanes.
            Kind::Other => 1,
            // A message of one lane is one for all.
            _ if one.is_message() && one.lanes == 1 => self.passes,
            _ => one.lanes.div_ceil(ENGINE),
        };
        let repeats = self.slots(kind, clocks);
        let (set, waited) = one.tags();
        // Whoever takes a name that is in use waits too.
        let waited = waited.or(set.filter(|&tag| self.pending[tag]));
        let waits = match waited {
            Some(tag) => Waits::Tags(1 << tag),
            None if one.all_written => Waits::AllBut(0),
            None => Waits::Nothing,
        };
        waited.into_iter().for_each(|tag| self.pending[tag] = false);
        let tag = set.filter(|_| kind == Kind::Load);
        tag.into_iter().for_each(|tag| self.pending[tag] = true);
        self.operations.push(Operation { waits, tag: tag.map(|tag| tag as u32), repeats, ..Operation::new(kind) });
    }
    /// Whole slots that the clocks make with those begun before.
    fn slots(&mut self, kind: Kind, clocks: u32) -> u32 {
        let at = self.begun.iter().position(|(other, _)| *other == kind).unwrap_or_else(|| {
            self.begun.push((kind, 0));
            self.begun.len() - 1
        });
        let begun = &mut self.begun[at].1;
        let all = *begun + clocks;
        *begun = all % self.passes;
        all / self.passes
    }
}
