//! The time for everything, and what of it a step may take.

use std::time::{Duration, Instant};

/// How much there is, since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    start: Instant,
    total: Duration,
}

impl Budget {
    /// Begins now.
    pub(crate) fn new(minutes: f64) -> Self {
        Self { start: Instant::now(), total: Duration::from_secs_f64(60.0 * minutes) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What a step may take that gets a `share` of the whole, where later ones need `reserve` of it.
    pub(crate) fn allot(&self, share: f64, reserve: f64) -> Duration {
        allot(self.total, self.elapsed(), share, reserve)
    }
}

fn allot(total: Duration, elapsed: Duration, share: f64, reserve: f64) -> Duration {
    total.mul_f64(share).min(total.saturating_sub(elapsed).saturating_sub(total.mul_f64(reserve)))
}

/// Of the command line: from a tenth of a minute to a day.
pub(crate) fn minutes(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.1..=1440.0).contains(number));
    number.ok_or_else(|| "it is a number of minutes from 0.1 to 1440".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_gets_its_share_of_what_later_ones_leave() {
        let seconds = |total, elapsed, share, reserve| {
            allot(Duration::from_secs(total), Duration::from_secs(elapsed), share, reserve).as_secs_f64()
        };
        assert_eq!(seconds(600, 0, 0.5, 0.25), 300.0);
        assert_eq!(seconds(600, 200, 0.5, 0.25), 250.0, "150 seconds are for others");
        assert_eq!(seconds(600, 200, 1.0, 0.0), 400.0);
        assert_eq!(seconds(600, 500, 0.5, 0.25), 0.0);
        assert_eq!(seconds(600, 700, 0.5, 0.0), 0.0);
    }

    #[test]
    fn minutes_are_some() {
        assert_eq!(minutes("2.5"), Ok(2.5));
        for text in ["0", "-1", "NaN", "inf", "1441", "ten"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }
}
