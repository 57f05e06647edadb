//! The result of a benchmark, for people and programs.

use serde::Serialize;

use super::{Measured, Timing};
use crate::table::{render, table};

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    device: String,
    /// What `milliseconds` are: GPU timestamps or wall clock.
    time: &'static str,
    /// What the speedups are made from.
    speedups_from: &'static str,
    layers: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    measured: Measured,
    /// How many times faster than dense gather is, and than gather shared is.
    #[serde(skip_serializing_if = "Option::is_none")]
    gather_over_dense: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_over_gather: Option<f64>,
    shared_over_dense: f64,
}

impl Report {
    pub(crate) fn new(device: String, time: &'static str, software: bool, measured: Vec<Measured>) -> Self {
        // Where a CPU computes, other programs' work stretches the time but hardly the CPU time.
        let has_cpu = |timing: &Timing| timing.cpu_milliseconds.is_some();
        let by_cpu = software && measured.iter().flat_map(timings).flatten().all(has_cpu);
        let cost = |timing: &Timing| match timing.cpu_milliseconds {
            Some(cpu) if by_cpu => cpu,
            _ => timing.milliseconds,
        };
        let row = |measured: Measured| Row {
            gather_over_dense: measured.gather.as_ref().map(|gather| cost(&measured.dense) / cost(gather)),
            shared_over_gather: measured.gather.as_ref().map(|gather| cost(gather) / cost(&measured.shared)),
            shared_over_dense: cost(&measured.dense) / cost(&measured.shared),
            measured,
        };
        let speedups_from = if by_cpu { "CPU time of the process" } else { time };
        Self { device, time, speedups_from, layers: measured.into_iter().map(row).collect() }
    }

    pub(crate) fn text(&self) -> String {
        let by_cpu = self.speedups_from != self.time;
        // Three columns, one a kernel, under a unit.
        let unit = |unit: &str| ["dense", "gather", "shared"].map(|kernel| format!("{kernel}\n{unit}"));
        let mut header: Vec<String> = ["layer", "step", "auto", "r", "sharing"].map(str::to_owned).into();
        header.extend(unit("ms"));
        if by_cpu {
            header.extend(unit("CPU ms"));
        }
        header.extend(unit("GFLOP/s"));
        header.extend(["gather\n/ dense", "shared\n/ gather", "shared\n/ dense"].map(str::to_owned));
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let mut table = table(3, &header);
        for row in &self.layers {
            let Measured { layer, step, auto, ratio, sharing_factor, .. } = &row.measured;
            let timings = timings(&row.measured);
            let number = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let mut cells = vec![layer.clone(), step.clone(), (*auto).to_owned()];
            cells.extend([ratio, sharing_factor].map(|value| format!("{value:.2}")));
            cells.extend(timings.map(|timing| number(timing.map(|timing| timing.milliseconds), 3)));
            if by_cpu {
                cells.extend(timings.map(|timing| number(timing.and_then(|timing| timing.cpu_milliseconds), 2)));
            }
            cells.extend(timings.map(|timing| number(timing.map(|timing| timing.effective_gflops), 1)));
            let speedups = [row.gather_over_dense, row.shared_over_gather, Some(row.shared_over_dense)];
            cells.extend(speedups.map(|speedup| number(speedup, 2)));
            table.add_row(cells);
        }
        format!(
            "{}\n\n{}\n\n\
             3x3, padding 1; CxSIZE, or C-OxSIZE/STRIDE, @BATCH. Results agreed bit for bit before anything was measured.\n\
             Times are medians by {}; GFLOP/s are those of the dense convolution over that time;\n\
             A / B is how many times faster A is than B, from the {}.\n",
            self.device,
            render(&table),
            self.time,
            self.speedups_from,
        )
    }
}

/// Dense, gather (which the CPU executor lacks), shared.
fn timings(measured: &Measured) -> [Option<&Timing>; 3] {
    [Some(&measured.dense), measured.gather.as_ref(), Some(&measured.shared)]
}
