//! The registers that plans assume for tiles. Candidates keep them to themselves, so that they are read where they are
//! written.

use std::collections::BTreeMap;

/// How labels of a family's kernels begin, and where its tiles and their registers stand.
const SOURCES: [(&str, &str); 3] = [
    ("fs_tiled_", include_str!("../../../plan/gemm/tiled.rs")),
    ("fs_matrix_", include_str!("../../../plan/gemm/matrix.rs")),
    ("fs_fused", include_str!("../../../plan/fused.rs")),
];

/// By the beginning of a family's labels and the word of the tile, the second of a label.
pub(super) struct Assumed(BTreeMap<(&'static str, String), u32>);

impl Assumed {
    pub(super) fn read() -> Self {
        let of_source = |(family, source): (&'static str, &'static str)| {
            source.lines().filter_map(tile).map(move |(word, registers)| ((family, word), registers))
        };
        Self(SOURCES.into_iter().flat_map(of_source).collect())
    }

    /// Of a variant; `None` of kernels without such tiles.
    pub(super) fn of(&self, label: &str) -> Option<u32> {
        let word = label.split('-').nth(1)?;
        let is_of = |(family, tile): &(&str, String)| label.starts_with(family) && tile == word;
        self.0.iter().find(|(key, _)| is_of(key)).map(|(_, &registers)| registers)
    }
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
            let few = if x > 8 && quads == 1 { "q1" } else { "" };
            Some((format!("{}x{}x{depth}{slices}{few}", y * rows, 4 * x * quads), registers))
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
    let assumed = Assumed::read();
    let count = |family: &str| assumed.0.keys().filter(|(other, _)| *other == family).count();
    assert_eq!(count("fs_tiled_"), crate::plan::gemm::tiled::tiles().count());
    assert_eq!(count("fs_matrix_"), crate::plan::gemm::matrix::tiles().count());
    assert_eq!(count("fs_fused"), crate::plan::fused::tiles().count());
    assert!(assumed.of("fs_tiled_products-72x128x8-in1-f4-out1").is_some());
    assert!(assumed.of("fs_tiled_accumulate-16x256-out1").is_none());
}
