//! What bounds a kernel, by the device's measured peaks.

use serde::{Deserialize, Serialize};

use crate::model::{Comparison, Peaks, Timing};

/// Both roofs together must explain this share of the time, or neither of them is what bounds it.
const EXPLAINED: f64 = 0.5;

/// What a kernel's time goes to.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound {
    pub(crate) by: By,
    /// The nearer of the two roofs, and the share of the time that it would take at its peak.
    pub(crate) roof: By,
    pub(crate) share: f64,
}

/// A roof, or whatever else there is.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    #[serde(rename = "memory")]
    Memory,
    #[serde(rename = "arithmetic")]
    Arithmetic,
    /// Loads from caches and workgroup memory, address arithmetic, waiting, dispatches: what no peak was measured of.
    #[serde(rename = "loads, dispatches")]
    Rest,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Arithmetic => "arithmetic",
            Self::Rest => "loads, dispatches",
        }
    }
}

impl Bound {
    fn new(timing: &Timing, peaks: Peaks) -> Self {
        // Rates over peaks are shares of the time.
        let memory = timing.gigabytes_per_second / peaks.gigabytes_per_second;
        let arithmetic = timing.gflops / peaks.gflops;
        let (roof, share) = if memory > arithmetic { (By::Memory, memory) } else { (By::Arithmetic, arithmetic) };
        Self { by: if memory + arithmetic < EXPLAINED { By::Rest } else { roof }, roof, share }
    }

    /// `memory, 61 %`, `loads, dispatches (arithmetic 23 %)`.
    pub(crate) fn text(self) -> String {
        let Self { by, roof, share } = self;
        let percent = 100.0 * share;
        if by == roof {
            format!("{}, {percent:.0} %", roof.name())
        } else {
            format!("{} ({} {percent:.0} %)", by.name(), roof.name())
        }
    }
}

/// Says it of all that ran on the adapter. The CPU executor's peaks are unknown.
pub(crate) fn mark(comparison: &mut Comparison) {
    let peaks = comparison.peaks;
    let rows = comparison.layers.iter_mut().flat_map(|layer| &mut layer.gpu);
    for timing in rows.flat_map(|row| &mut row.timings) {
        timing.bound = peaks.map(|peaks| Bound::new(timing, peaks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::comparison;

    fn bound(gflops: f64, gigabytes_per_second: f64) -> Bound {
        let timing = Timing { gflops, gigabytes_per_second, ..Timing::default() };
        Bound::new(&timing, Peaks { gflops: 100.0, gigabytes_per_second: 10.0 })
    }

    #[test]
    fn the_nearer_roof_bounds() {
        assert_eq!(bound(61.0, 1.0), Bound { by: By::Arithmetic, roof: By::Arithmetic, share: 0.61 });
        assert_eq!(bound(61.0, 1.0).text(), "arithmetic, 61 %");
        assert_eq!(bound(20.0, 4.0).text(), "memory, 40 %");
        // Caches are faster than the memory that copies go through.
        assert_eq!(bound(20.0, 12.0).text(), "memory, 120 %");
    }

    #[test]
    fn far_from_both_roofs_something_else_does() {
        assert_eq!(bound(23.0, 2.0), Bound { by: By::Rest, roof: By::Arithmetic, share: 0.23 });
        assert_eq!(bound(23.0, 2.0).text(), "loads, dispatches (arithmetic 23 %)");
        assert_eq!(bound(23.0, 2.4).text(), "loads, dispatches (memory 24 %)");
        // Neither explains half, but both together do.
        assert_eq!(bound(30.0, 2.0).text(), "arithmetic, 30 %");
    }

    #[test]
    fn only_measured_peaks_bound() {
        let mut comparison = comparison();
        mark(&mut comparison);
        let bound = |comparison: &Comparison| comparison.layers[0].gpu[0].timings[0].bound;
        assert_eq!(bound(&comparison).map(|bound| bound.by), Some(By::Rest));
        assert_eq!(serde_json::to_value(bound(&comparison)).unwrap()["by"], "loads, dispatches");
        comparison.peaks = None;
        mark(&mut comparison);
        assert_eq!(bound(&comparison), None);
    }
}
