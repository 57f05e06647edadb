//! The steps of a check-up: each has a line on the terminal and one in the results.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

/// How a step ended.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Done,
    Failed,
    /// Its time was up.
    Unfinished,
    /// What it needs is not there.
    Skipped,
}

impl Outcome {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "FAILED",
            Self::Unfinished => "UNFINISHED",
            Self::Skipped => "skipped",
        }
    }
}

/// What comes of a step that did not fail altogether.
pub(crate) struct Told<T> {
    pub(crate) outcome: Outcome,
    /// In a line.
    pub(crate) said: String,
    pub(crate) value: T,
}

/// One of them, as results have it.
#[derive(Serialize, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) said: String,
    pub(crate) seconds: f64,
}

/// Those so far.
#[derive(Serialize, Debug, Default)]
#[serde(transparent)]
pub(crate) struct Steps {
    pub(crate) all: Vec<Step>,
}

impl Steps {
    /// Runs a step, which is told how long it may take; an error is written down, and no value comes of it.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        limit: Duration,
        step: impl FnOnce(Duration) -> Result<Told<T>>,
    ) -> Option<T> {
        eprint!("measure: {name}, up to {:.0} s ... ", limit.as_secs_f64());
        let start = Instant::now();
        let (outcome, said, value) = match step(limit) {
            Ok(Told { outcome, said, value }) => (outcome, said, Some(value)),
            Err(error) => (Outcome::Failed, one_line(&format!("{error:#}")), None),
        };
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{}, {seconds:.1} s: {said}", outcome.name());
        self.all.push(Step { name, outcome, said, seconds });
        value
    }

    /// Writes down that a step was not begun.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        eprintln!("measure: {name}: {}: {why}", Outcome::Skipped.name());
        self.all.push(Step { name, outcome: Outcome::Skipped, said: why.to_owned(), seconds: 0.0 });
    }

    /// Whether a step did all that it was to do.
    pub(crate) fn is_done(&self, name: &str) -> bool {
        self.all.iter().any(|step| step.name == name && step.outcome == Outcome::Done)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_step_that_fails_is_written_down_and_the_next_one_runs() {
        let mut steps = Steps::default();
        let none: Option<()> = steps.run("first", Duration::ZERO, |_| Err(anyhow!("no\n  file").context("fsnet")));
        assert!(none.is_none());
        let told = |_| Ok(Told { outcome: Outcome::Done, said: "all".to_owned(), value: 7 });
        assert_eq!(steps.run("second", Duration::from_secs(1), told), Some(7));
        steps.skip("third", "no GPU");
        assert_eq!(steps.all[0].said, "fsnet: no file");
        assert_eq!(["first", "second", "third", "fourth"].map(|name| steps.is_done(name)), [false, true, false, false]);
    }
}
