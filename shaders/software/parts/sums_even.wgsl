// Which rows a row sum adds up where in every kernel row each tap lies as many rows after the last: sums begin at every
// row, and kernel rows have them in common.
const ROW_STEP: u32 = 1u;

const SUM_KINDS: u32 = 1u;
const SUMS_APART: u32 = 1u;
const FEEDING: u32 = (ROW_TAPS - 1u) * ROW_STEP;

// Rows from where a sum begins to its tap `k`.
fn row_of_tap(kind: u32, k: u32) -> u32 {
    return k * ROW_STEP;
}

