//! Whether kernels compute what they should: the GPU tests, which run over the table of cases.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::process::{self, End};
use super::steps::{Outcome, Told};

/// The program of the tests.
pub(crate) struct Tests<'a> {
    pub(crate) program: &'a Path,
    pub(crate) root: &'a Path,
    /// Only tests whose names contain it.
    pub(crate) filter: Option<&'a str>,
}

/// What became of them.
#[derive(Serialize, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    /// Their names.
    pub(crate) failed: Vec<String>,
    /// How many there are, where that was said.
    pub(crate) total: usize,
    /// What tests said that they left out.
    pub(crate) left_out: Vec<String>,
}

impl Tests<'_> {
    /// Runs them on an adapter, or on the best; what they say goes to `log`.
    pub(crate) fn run(
        &self,
        adapter: Option<usize>,
        software: bool,
        log: &Path,
        limit: Duration,
    ) -> Result<Told<Counts>> {
        let file = std::fs::File::create(log).with_context(|| log.display().to_string())?;
        let start = Instant::now();
        let mut end = None;
        // The table of cases first, in case that the time does not suffice for all.
        let parts: [&[&str]; 2] = [&["conv::"], &["--skip", "conv::"]];
        for part in parts.iter().take(if self.filter.is_some() { 1 } else { 2 }) {
            let mut command = Command::new(self.program);
            // Everything is shown, since a program that is stopped shows nothing later.
            command.current_dir(self.root).arg("--nocapture");
            match self.filter {
                Some(filter) => command.arg(filter),
                None => command.args(*part),
            };
            if let Some(index) = adapter {
                command.env("FILTER_SUMMARY_ADAPTER", index.to_string());
            }
            if software && std::env::var_os("GALLIVM_PERF").is_none() {
                // As `cargo xtask test` does: optimising takes longer than all that it speeds up here.
                command.env("GALLIVM_PERF", "nopt");
            }
            let left = limit.saturating_sub(start.elapsed());
            end = Some(End::worse(end, process::run(&mut command, file.try_clone()?, file.try_clone()?, left)?));
            if matches!(end, Some(End::Stopped)) {
                break;
            }
        }
        let end = end.context("no tests were run")?;
        let text = std::fs::read(log).with_context(|| log.display().to_string())?;
        let counts = Counts::of(&String::from_utf8_lossy(&text));
        let (outcome, said) = counts.verdict(&end);
        let said = self.filter.map_or(said.clone(), |filter| format!("of those named {filter}, {said}"));
        Ok(Told { outcome, said, value: counts })
    }
}

impl Counts {
    /// From the log of a run.
    fn of(log: &str) -> Self {
        let mut counts = Self::default();
        for line in log.lines() {
            if let Some((count, _)) = line.strip_prefix("running ").and_then(|rest| rest.split_once(" test")) {
                counts.total += count.parse().unwrap_or(0);
            } else if let Some((name, "FAILED")) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
            {
                counts.failed.push(name.to_owned());
            } else if line.starts_with("SKIPPED: ") && !counts.left_out.iter().any(|known| known == line) {
                counts.left_out.push(line.to_owned());
            } else if line.ends_with(" ... ignored") {
                counts.total = counts.total.saturating_sub(1);
            }
            // Tests that run at once write between the name of one and its result.
            counts.passed += usize::from(line == "ok" || line.ends_with(" ... ok"));
        }
        counts
    }

    fn verdict(&self, end: &End) -> (Outcome, String) {
        let Self { passed, failed, total, .. } = self;
        let tests = format!("{passed} of {total} tests passed");
        match end {
            End::Stopped if failed.is_empty() => (Outcome::Unfinished, format!("{tests} when the time was up")),
            End::Status(status) if status.success() && passed == total && *total > 0 => (Outcome::Done, tests),
            End::Status(status) if status.success() => (Outcome::Failed, format!("{tests}, the others were not run")),
            End::Status(status) if failed.is_empty() => {
                (Outcome::Failed, format!("{tests}; the program ended, {status}"))
            }
            _ => (Outcome::Failed, format!("{tests}, failed: {}", failed.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "
running 4 tests
kernels run on Vulkan: x
test conv::a ... ok
SKIPPED: 128x128x16 does not fit Vulkan: x
SKIPPED: 128x128x16 does not fit Vulkan: x
test conv::b ... FAILED
test conv::c ... ignored
test lost::d ... ok
test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.52s
";

    #[test]
    fn a_log_has_counts_and_names() {
        let counts = Counts::of(LOG);
        assert_eq!((counts.passed, counts.total, counts.failed.as_slice()), (2, 3, &["conv::b".to_owned()][..]));
        assert_eq!(counts.left_out, ["SKIPPED: 128x128x16 does not fit Vulkan: x"]);
        assert_eq!(Counts::of(""), Counts::default());
    }

    /// What the first part's end says is not forgotten when the second has no time.
    #[test]
    #[cfg(unix)]
    fn the_first_end_that_is_no_success_counts() {
        use std::os::unix::process::ExitStatusExt;
        let status = |code: i32| End::Status(std::process::ExitStatus::from_raw(code << 8));
        let is = |end: End, code: i32| matches!(end, End::Status(status) if status.code() == Some(code));
        assert!(is(End::worse(Some(status(134)), End::Stopped), 134));
        assert!(is(End::worse(Some(status(0)), status(101)), 101));
        assert!(is(End::worse(None, status(0)), 0));
        assert!(matches!(End::worse(Some(status(0)), End::Stopped), End::Stopped));
    }

    #[test]
    #[cfg(unix)]
    fn only_all_tests_are_done() {
        use std::os::unix::process::ExitStatusExt;
        let status = |code: i32| End::Status(std::process::ExitStatus::from_raw(code << 8));
        let counts = |passed, failed: &[&str]| Counts {
            passed,
            failed: failed.iter().map(|&name| name.to_owned()).collect(),
            total: 3,
            left_out: Vec::new(),
        };
        let verdict = |counts: Counts, end: End| counts.verdict(&end);
        let text = |text: &str| text.to_owned();
        assert_eq!(verdict(counts(3, &[]), status(0)), (Outcome::Done, text("3 of 3 tests passed")));
        assert_eq!(verdict(counts(2, &["a"]), status(101)), (Outcome::Failed, text("2 of 3 tests passed, failed: a")));
        assert_eq!(verdict(counts(2, &["a"]), End::Stopped).0, Outcome::Failed);
        let unfinished = text("2 of 3 tests passed when the time was up");
        assert_eq!(verdict(counts(2, &[]), End::Stopped), (Outcome::Unfinished, unfinished));
        // A driver that ends the program, and a filter that matches nothing.
        assert_eq!(verdict(counts(1, &[]), status(134)).0, Outcome::Failed);
        assert_eq!(verdict(Counts::default(), status(0)).0, Outcome::Failed);
    }
}
