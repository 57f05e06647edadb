//! Long reductions, cut into parts: how much of a sum one invocation of a kernel may walk.
//!
//! Drivers end loops that turn too often (Mesa's llvmpipe, without an error, once the loops of an invocation have
//! turned 65,535 times together; others lose the device after some seconds), and a running sum in f32 loses what is
//! small beside it. So a filter of more than [`BLOCK`] products is several convolutions of fewer taps and channels,
//! each of which adds its sum to that of the parts before it: a blocked sum in a fixed order, whatever kernel
//! computes the blocks.

use std::ops::Range;

use crate::method::window::Window;

/// Most turns that the loops of one invocation may take together, of those whose number depends on the layer. Plans
/// check it for every dispatch.
pub(crate) const MOST_TURNS: u64 = 1 << 14;

/// Most turns that all loops of one invocation may take together where drivers unroll none: of llvmpipe's 65,535 three
/// quarters. The rest is for loops that an invocation comes to once.
pub(crate) const MOST_TURNS_OF_ALL: u64 = 3 << 14;

/// Most products of one part of a sum. Kernels take four products a turn, so that it is a quarter of [`MOST_TURNS`];
/// the rest is for what else a kernel loops over.
pub(crate) const BLOCK: usize = 1 << 14;

/// Where shaders are checked, parts are halved as long as a kernel's loops turn too often; no shorter than this.
pub(crate) const LEAST_BLOCK: usize = 1 << 8;

/// Kernels of as many taps as this stay whole as long as their channels can be cut instead: taps share products,
/// channels do not.
const WHOLE_TAPS: usize = 256;

/// Most kernel columns of an accumulation of stored products, which is unrolled along them: 256 take a driver ten
/// seconds.
const MOST_STORED_COLUMNS: usize = 64;

/// Some of the channels and taps that a filter sums.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    /// Of those a filter sees.
    pub(crate) channels: Range<usize>,
    /// Kernel rows.
    pub(crate) rows: Range<usize>,
    /// Kernel columns.
    pub(crate) columns: Range<usize>,
}

/// Most turns of a kernel's loops, of those whose number depends on the layer: [`MOST_TURNS`], or where shaders are
/// `checked`, and each of those turns is followed by so many that are not `unrolled`, fewer.
pub(crate) fn most_turns(checked: bool, unrolled: u64) -> u64 {
    if checked { MOST_TURNS.min(MOST_TURNS_OF_ALL / (1 + unrolled)) } else { MOST_TURNS }
}

/// The parts of a window's sum of at most `block` products, in the order in which they are added: one for nearly all
/// windows in use. `stored` products are added up by kernels that want fewer kernel columns.
pub(crate) fn parts(window: &Window, stored: bool, block: usize) -> Vec<Part> {
    let whole_taps = window.taps().min(WHOLE_TAPS);
    let channels = even(window.channels(), (block / whole_taps).saturating_sub(4), 4);
    let taps = (block / (channels.next_multiple_of(4) + 4)).max(1);
    let columns = even(window.width(), if stored { taps.min(MOST_STORED_COLUMNS) } else { taps }, 1);
    let rows = even(window.height(), taps / columns, 1);
    let mut parts = Vec::new();
    for channels in ranges(window.channels(), channels) {
        for rows in ranges(window.height(), rows) {
            for columns in ranges(window.width(), columns) {
                parts.push(Part { channels: channels.clone(), rows: rows.clone(), columns });
            }
        }
    }
    parts
}

/// The length of pieces of at most `most` (at least `multiple`), a multiple of `multiple` where there are several,
/// that `length` falls into most evenly.
fn even(length: usize, most: usize, multiple: usize) -> usize {
    let most = (most / multiple * multiple).max(multiple);
    if length <= most { length } else { length.div_ceil(length.div_ceil(most)).next_multiple_of(multiple) }
}

fn ranges(length: usize, piece: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(piece.max(1)).map(move |first| first..(first + piece).min(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(channels: usize, height: usize, width: usize) -> Window {
        Window::tap_major(channels, height, width).unwrap()
    }

    #[test]
    fn layers_in_use_are_whole() {
        for [channels, height, width] in [[512, 3, 3], [1792, 3, 3], [16_368, 1, 1], [3, 11, 11], [1, 32, 64]] {
            for stored in [false, true] {
                assert_eq!(
                    parts(&window(channels, height, width), stored, BLOCK).len(),
                    1,
                    "{channels}x{height}x{width}"
                );
            }
        }
        // A wide kernel, of which only stored products are cut.
        assert_eq!([false, true].map(|stored| parts(&window(1, 1, 65), stored, BLOCK).len()), [1, 2]);
    }

    #[test]
    fn parts_cover_every_product_once_and_are_short() {
        for [channels, height, width] in [
            [16_384, 1, 1],
            [1_000_003, 1, 1],
            [2048, 3, 3],
            [25_088, 7, 7],
            [1, 256, 256],
            [1, 1, 65_536],
            [1, 65_536, 1],
            [5, 255, 257],
            [100, 129, 1],
            [70, 20, 20],
        ] {
            let window = window(channels, height, width);
            for block in [BLOCK, BLOCK / 8, LEAST_BLOCK] {
                let parts = [parts(&window, false, block), parts(&window, true, block)].concat();
                let products = |part: &Part| part.channels.len() * part.rows.len() * part.columns.len();
                let twice = 2 * window.weights();
                assert_eq!(parts.iter().map(products).sum::<usize>(), twice, "{channels}x{height}x{width}");
                for part in &parts {
                    assert!(products(part) <= block, "{part:?}");
                    // Kernels walk a tap's channels by fours, and look up where it begins.
                    let turns = part.rows.len() * part.columns.len() * (part.channels.len().div_ceil(4) + 1);
                    assert!(turns <= block / 4, "{part:?}");
                    assert!(part.channels.start.is_multiple_of(4), "{part:?}");
                }
            }
        }
    }
}
