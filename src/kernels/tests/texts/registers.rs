//! The registers that plans assume for tiles. Candidates keep them to themselves, so that they are read where they are
//! written.

use std::collections::BTreeMap;

/// Where tiles and their registers stand, and the kernels whose labels begin so.
const SOURCES: [(&str, &[&str]); 3] = [
    (include_str!("../../../plan/gemm/tiled.rs"), &["fs_tiled_gather-", "fs_tiled_products-"]),
    (include_str!("../../../plan/gemm/matrix.rs"), &["fs_matrix_gather-", "fs_matrix_products-"]),
    (include_str!("../../../plan/fused.rs"), &["fs_fused-"]),
];

/// By the beginning of a label: the kernel's name and its tile.
pub(super) fn assumed() -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for (source, kernels) in SOURCES {
        for (word, registers) in source.lines().filter_map(tile) {
            for kernel in kernels {
                all.insert(format!("{kernel}{word}-"), registers);
            }
        }
    }
    all
}

/// The word of a label and the registers that a line gives.
fn tile(line: &str) -> Option<(String, u32)> {
    let (kind, rest) = line.trim().strip_prefix("Candidate { tile: ").unwrap_or(line.trim()).split_once('(')?;
    let numbers: Vec<u32> = rest
        .split(|char: char| !char.is_ascii_digit() && char != '.')
        .map(str::trim)
        .filter_map(|word| word.parse().ok())
        .collect();
    match (kind, numbers.as_slice()) {
        ("tile", &[x, y, rows, quads, depth, slices, .., registers]) => {
            let slices = if slices > 1 { format!("x{slices}") } else { String::new() };
            Some((format!("{}x{}x{depth}{slices}", y * rows, 4 * x * quads), registers))
        }
        ("tile", &[subgroups, depth, .., registers]) => Some((format!("{}x128x{depth}", 16 * subgroups), registers)),
        ("candidate" | "substitute", &[x, rows, quads, depth, kib, registers]) => {
            Some((format!("{}x{}x{depth}x{kib}k", 8 * rows, 4 * x * quads), registers))
        }
        _ => None,
    }
}

#[test]
fn registers_are_found_for_every_tile() {
    let assumed = assumed();
    let count = |kernel: &str| assumed.keys().filter(|label| label.starts_with(kernel)).count();
    assert_eq!(count("fs_tiled_gather-"), crate::plan::gemm::tiled::tiles().count());
    assert_eq!(count("fs_matrix_products-"), crate::plan::gemm::matrix::tiles().count());
    assert_eq!(count("fs_fused-"), crate::plan::fused::tiles().count());
}
