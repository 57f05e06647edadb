//! The steps of plans, as the library's tests list them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::fault::{Result, at};

/// A dispatch of a plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dispatch {
    pub(crate) gpu: String,
    pub(crate) layer: String,
    pub(crate) batch: u32,
    pub(crate) family: String,
    pub(crate) algorithm: String,
    /// The plan is the one that is taken where nothing but the family is asked for.
    pub(crate) chosen: bool,
    pub(crate) step: u32,
    pub(crate) label: String,
    pub(crate) workgroups: u64,
    /// Seconds that the plan itself predicts, which knows no machine code.
    #[serde(default)]
    pub(crate) planned: f64,
}

impl Dispatch {
    /// Which plan it is a step of.
    pub(crate) fn plan(&self) -> (&str, &str, u32, &str, &str) {
        (&self.gpu, &self.layer, self.batch, &self.family, &self.algorithm)
    }

    /// Whether it is the same step of the same plan.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.plan(), self.step) == (other.plan(), other.step)
    }
}

/// What is known of it before it is compiled.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    #[serde(flatten)]
    pub(crate) dispatch: Dispatch,
    /// Of a workgroup.
    pub(crate) threads: u32,
    /// Products of a sum of multiply-adds; 0 where products are only added up.
    pub(crate) terms: f64,
    /// Of the layer's window.
    pub(crate) taps: u32,
    pub(crate) outputs: f64,
    pub(crate) bytes_read: f64,
    pub(crate) bytes_written: f64,
    /// That plans assume for the tile.
    pub(crate) registers: Option<u32>,
}

/// One a line.
pub(crate) fn read(path: &Path) -> Result<Vec<Step>> {
    let text = fs::read_to_string(path).map_err(at(path))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(at(path))).collect()
}

/// Rows, pixels, depth, and groups of threads that share a reduction, as labels have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) rows: u32,
    pub(crate) pixels: u32,
    /// Channels that are in workgroup memory at a time; 0 where none are.
    pub(crate) depth: u32,
    pub(crate) slices: u32,
}

impl Tile {
    /// Of `fs_tiled_gather-32x32x8x4-in1-f4-out1`. The last word of a fused kernel's is its workgroup memory.
    pub(crate) fn of(label: &str) -> Option<Self> {
        let word = label.split('-').nth(1)?;
        let numbers = word.trim_end_matches("q1").split('x').filter_map(|number| number.parse().ok());
        let numbers: Vec<u32> = numbers.collect();
        match numbers[..] {
            [rows, pixels] => Some(Self { rows, pixels, depth: 0, slices: 1 }),
            [rows, pixels, depth] => Some(Self { rows, pixels, depth, slices: 1 }),
            [rows, pixels, depth, slices] => Some(Self { rows, pixels, depth, slices }),
            _ => None,
        }
    }

    /// Multiply-adds of a thread from one filling of workgroup memory to the next.
    pub(crate) fn round(self, threads: u32) -> f64 {
        self.sums(threads) * f64::from(self.depth)
    }

    /// Sums, or outputs, of a thread.
    pub(crate) fn sums(self, threads: u32) -> f64 {
        f64::from(self.rows * self.pixels * self.slices) / f64::from(threads)
    }
}

#[cfg(test)]
mod tests {
    use super::Tile;

    #[test]
    fn tiles_are_in_labels() {
        let tile = |label| Tile::of(label).map(|tile| [tile.rows, tile.pixels, tile.depth, tile.slices]);
        assert_eq!(tile("fs_tiled_gather-32x32x8x4-in1-f4-out1"), Some([32, 32, 8, 4]));
        assert_eq!(tile("fs_tiled_products-72x128x8-in1-f4-out1"), Some([72, 128, 8, 1]));
        assert_eq!(tile("fs_tiled_gather-64x64x8q1-in1-f4-out1"), Some([64, 64, 8, 1]));
        assert_eq!(tile("fs_tiled_accumulate-16x256-out1"), Some([16, 256, 0, 1]));
        assert_eq!(tile("fs_fused-32x64x4x14k-in1-f4-out1"), Some([32, 64, 4, 1]));
        assert_eq!(tile("fs_depthwise"), None);
        let sums = |label, threads| Tile::of(label).unwrap().sums(threads);
        assert_eq!(sums("fs_tiled_gather-32x32x8x4-in1", 256), 16.0);
        assert_eq!(sums("fs_tiled_products-72x128x8-in1", 128), 72.0);
    }
}
