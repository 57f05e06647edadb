//! What reaches the terminal: results on stdout, notices, progress and errors on stderr, each message one line.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use filter_summary::tensor_file::check_output;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Exit code of a comparison that failed.
pub(crate) const DIFFERS: u8 = 1;

/// Exit code of every error.
pub(crate) const ERROR: u8 = 2;

/// How a command ended when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It did what was asked.
    Done,
    /// It compared, and found a difference beyond the tolerance.
    Differs,
}

/// Results that are printed for people, or with `--json` for programs.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl Format {
    /// Prints a result: the JSON of `value`, or `text`.
    pub(crate) fn print(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let text = if self.json { serde_json::to_string_pretty(value)? } else { text() };
        print(&text)
    }
}

/// Prints to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()).map_err(|error| ClosedPipe(error).into())
}

/// stdout could not be written to.
#[derive(Debug)]
struct ClosedPipe(std::io::Error);

impl std::fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stdout: {}", self.0)
    }
}

impl std::error::Error for ClosedPipe {}

/// Whether an error is that the reader of stdout went away.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ClosedPipe>().is_some_and(|pipe| pipe.0.kind() == ErrorKind::BrokenPipe)
}

/// Says something that is no result.
pub(crate) fn notice(text: &str) {
    // There is no better place to complain about a closed stderr.
    let _ = writeln!(std::io::stderr().lock(), "{}", one_line(text));
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    notice(&format!("fsnet: error: {text}"));
}

/// Joins lines, and drops control characters: names from a hostile file must not drive the terminal.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Refuses an output that cannot be written or would replace what is read, before anything is computed for it.
pub(crate) fn refuse_to_replace(input: &Path, output: &Path) -> Result<()> {
    refuse_standard_output("-o", output)?;
    // A file that does not exist is no other one.
    let is_input = |output: std::path::PathBuf| input.canonicalize().is_ok_and(|input| input == output);
    if output.canonicalize().is_ok_and(is_input) {
        bail!("-o {}: it is the file that is read; name another one", one_line(&output.display().to_string()));
    }
    check_output(output).context("-o")
}

/// Refuses `-`, which means standard output to other programs: here that is for results.
pub(crate) fn refuse_standard_output(option: &str, path: &Path) -> Result<()> {
    ensure!(
        path != Path::new("-"),
        "{option} -: standard output is for the report; name a file (./- if it is called so)"
    );
    Ok(())
}

/// A progress bar on stderr; hidden when that is no terminal.
pub(crate) fn progress(length: usize, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{spinner} {msg} {wide_bar:.cyan} {pos}/{len} {per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(length as u64).with_style(style).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }

    #[test]
    fn messages_are_one_harmless_line() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
        assert_eq!(one_line("\u{1b}[31mred"), "\u{fffd}[31mred");
    }
}
