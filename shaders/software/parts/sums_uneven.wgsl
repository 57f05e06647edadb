// Which rows a row sum adds up where taps lie in each kernel row differently, but in all filters alike: one kind of sum
// a kernel row, all counted from the filter's first row, which is a multiple of SUMS_APART.
const SUM_KINDS: u32 = 3u;
const SUMS_APART: u32 = 1u;
const FEEDING: u32 = 8u;       // the largest offset
// The offsets of a kernel row's taps, the first in the lowest byte.
const OFFSETS_0: u32 = 0x080400u;
const OFFSETS_1: u32 = 0x060501u;
const OFFSETS_2: u32 = 0x070302u;

// Rows from where a sum begins to its tap `k`.
fn row_of_tap(kind: u32, k: u32) -> u32 {
    let offsets = select(select(OFFSETS_2, OFFSETS_1, kind == 1u), OFFSETS_0, kind == 0u);
    return (offsets >> (8u * k)) & 255u;
}

