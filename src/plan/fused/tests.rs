//! Which tiles are chosen for whose compilers.

use std::collections::BTreeSet;

use super::*;
use crate::plan::vendor::Vendor;
use crate::plan::{Family, Plan, PlanOptions};
use crate::{Algorithm, Conv2d, Placement};

fn target(vendor: Vendor, kib: u32, processors: u32) -> Target {
    let mut target = Target { vendor, ..Target::portable() }.with_processors(processors);
    target.limits.max_compute_workgroup_storage_size = kib << 10;
    target
}

/// The tiles of layers with 64 to 512 channels, with one base a filter and with nine, in small and in large batches.
fn chosen(vendor: Vendor) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let options = PlanOptions::new().with_algorithm(Algorithm::Fused);
    for (channels, size) in [(64, 56), (128, 28), (256, 14), (512, 7)] {
        let nine = Placement::tap_major(channels, channels, 3, 3, channels).unwrap();
        let one = Placement::one_base(channels, channels, 3, 3, channels).unwrap();
        for (placement, batch) in [(&nine, 1), (&one, 1), (&nine, 32), (&one, 32)] {
            let problem = Problem::new(placement, Conv2d::padded(1), [batch, size, size]).unwrap();
            for (kib, processors) in [(16, 8), (32, 8), (32, 96), (48, 32)] {
                for family in [Family::Portable, Family::Tiled] {
                    let target = target(vendor, kib, processors);
                    let plan = Plan::new(&problem, &target, options.with_family(family)).unwrap();
                    found.extend(plan.kernels()[0].split('-').nth(1).map(str::to_owned));
                }
            }
        }
    }
    found
}

#[test]
fn tiles_have_no_more_sums_than_compilers_hold() {
    for vendor in [Vendor::Apple, Vendor::Arm, Vendor::Intel, Vendor::Hidden] {
        let most = target(vendor, 32, 96).most_sums();
        let suiting: Vec<_> = CANDIDATES.iter().filter(|candidate| candidate.suits(&target(vendor, 32, 96))).collect();
        assert!(suiting.iter().all(|candidate| candidate.tile.sums_per_thread() <= most.min(36)), "{vendor:?}");
        let found = chosen(vendor);
        let is_suiting = |word: &String| suiting.iter().any(|candidate| *word == candidate.word());
        assert!(found.iter().all(is_suiting), "{vendor:?}: {found:?}");
        // Not only the smallest.
        assert!(found.len() > 1, "{vendor:?}: {found:?}");
    }
}

#[test]
fn others_have_the_large_tiles_and_no_substitutes() {
    assert_eq!(CANDIDATES.iter().map(|candidate| candidate.tile.sums_per_thread()).max(), Some(MOST_SUMS));
    for vendor in [Vendor::Amd, Vendor::Nvidia, Vendor::Qualcomm, Vendor::Other] {
        let target = target(vendor, 32, 96);
        assert!(CANDIDATES.iter().all(|candidate| candidate.suits(&target) != candidate.is_substitute), "{vendor:?}");
    }
}

/// As labels have it.
impl Candidate {
    fn word(&self) -> String {
        let Tile { depth, .. } = self.tile;
        let [rows, pixels] = [self.tile.rows_per_tile(), self.tile.pixels_per_tile()];
        format!("{rows}x{pixels}x{depth}x{}k", self.bytes >> 10)
    }
}
