//! Operations that put values elsewhere: each is a map from places to places that is linear in some digits of theirs.

mod blocks;
mod channel_shuffle;
mod concat;
mod flatten;
mod permute;
mod reshape;
mod slice;

pub use blocks::{BlockOrder, DepthToSpace, SpaceToDepth};
pub use channel_shuffle::ChannelShuffle;
pub use concat::Concat;
pub(in crate::network) use concat::Copy;
pub(super) use flatten::Flatten;
pub use permute::Permute;
pub use reshape::Reshape;
pub use slice::Slice;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::error::Result;
use crate::kernels::{Access, moves as kernel};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::Stage;
use crate::plan::Step;

/// What files call them.
pub(super) const FILE_OPS: [&[FileOp]; 7] = [
    concat::FILE_OPS,
    slice::FILE_OPS,
    permute::FILE_OPS,
    reshape::FILE_OPS,
    flatten::FILE_OPS,
    blocks::FILE_OPS,
    channel_shuffle::FILE_OPS,
];

/// Values that go from places of one image to places of another: element `(i, j, ..)` of the digits is read from
/// `first_read + i * reads[0] + ..` and written to `first_written + i * writes[0] + ..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moves {
    sizes: [usize; DIGITS],
    reads: [usize; DIGITS],
    writes: [usize; DIGITS],
    first_read: usize,
    first_written: usize,
}

/// Most digits of a place.
const DIGITS: usize = 5;

/// Values from one `[C, H, W]` place to the next.
fn strides([_, height, width]: [usize; 3]) -> [usize; 3] {
    [height * width, width, 1]
}

impl Moves {
    /// Values that are written one after another: `(size, read stride)` of each digit, the slowest first.
    fn in_order(digits: &[(usize, usize)], first_read: usize) -> Self {
        let sizes: Vec<usize> = digits.iter().map(|&(size, _)| size).collect();
        let written = |at: usize| (sizes[at], digits[at].1, sizes[at + 1..].iter().product());
        Self::new((0..digits.len()).map(written), first_read, 0)
    }

    /// Of digits `(size, read stride, write stride)`, those of one value left out and those that go on from one to the
    /// next in one.
    fn new(digits: impl Iterator<Item = (usize, usize, usize)>, first_read: usize, first_written: usize) -> Self {
        let mut joined: Vec<(usize, usize, usize)> = Vec::new();
        for (size, read, write) in digits.filter(|&(size, ..)| size > 1) {
            match joined.last_mut() {
                Some(last) if last.1 == size * read && last.2 == size * write => *last = (last.0 * size, read, write),
                _ => joined.push((size, read, write)),
            }
        }
        let before = std::iter::repeat_n((1, 0, 0), DIGITS.saturating_sub(joined.len()));
        let all: Vec<(usize, usize, usize)> = before.chain(joined).collect();
        let of = |pick: fn(&(usize, usize, usize)) -> usize| std::array::from_fn(|at| pick(&all[at]));
        Self {
            sizes: of(|digit| digit.0),
            reads: of(|digit| digit.1),
            writes: of(|digit| digit.2),
            first_read,
            first_written,
        }
    }
}

impl Stage for Moves {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [_, height, width] = wiring.shape;
        let [_, in_height, in_width] = context.layout.shape_of(wiring.inputs[0]);
        let (view, plane, in_plane) = (context.view(wiring.inputs[0]), height * width, in_height * in_width);
        let read = (view.channel_offset * in_plane + self.first_read, view.channels_total * in_plane);
        let written = (to.channel_offset * plane + self.first_written, to.channels_total * plane);
        let [_, b, c, d, e] = self.sizes;
        let rows: usize = self.sizes[..DIGITS - 1].iter().product();
        let row_quads = e.div_ceil(4);
        let uniform = kernel::Uniform {
            images: word(context.batch),
            image_quads: word(rows * row_quads),
            row_quads: word(row_quads),
            size_b: word(b),
            size_c: word(c),
            size_d: word(d),
            size_e: word(e),
            read_first: word(read.0),
            read_image: word(read.1),
            read_a: word(self.reads[0]),
            read_b: word(self.reads[1]),
            read_c: word(self.reads[2]),
            read_d: word(self.reads[3]),
            read_e: word(self.reads[4]),
            written_first: word(written.0),
            written_image: word(written.1),
            written_a: word(self.writes[0]),
            written_b: word(self.writes[1]),
            written_c: word(self.writes[2]),
            written_d: word(self.writes[3]),
            written_e: word(self.writes[4]),
        };
        // Together where rows are, and begin at multiples of what lies together.
        let access = |(first, image): (usize, usize), strides: [usize; DIGITS]| {
            let [a, b, c, d, last] = strides;
            if last == 1 { Access::for_lengths(&[e, first, image, a, b, c, d], false) } else { Access::Scalar }
        };
        let kernel = kernel::Moves {
            input: access(read, self.reads),
            output: access(written, self.writes),
            read_write: context.options.bind_read_write,
        };
        let quads = (context.batch * rows) as u64 * row_quads as u64;
        Ok(vec![context.dispatch(kernel, &uniform, quads, wiring, to)?])
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let (input, [a, b, c, d, e]) = (operands.inputs[0], self.sizes);
        let (reads, writes) = (self.reads, self.writes);
        for outer in 0..a * b * c * d {
            let digits = [outer / (b * c * d), outer / (c * d) % b, outer / d % c, outer % d];
            let first = |first: usize, strides: [usize; DIGITS]| {
                digits.iter().zip(strides).map(|(digit, stride)| digit * stride).sum::<usize>() + first
            };
            let (read, written) = (first(self.first_read, reads), first(self.first_written, writes));
            if reads[4] == 1 && writes[4] == 1 {
                to[written..written + e].copy_from_slice(&input[read..read + e]);
                continue;
            }
            for at in 0..e {
                to[written + at * writes[4]] = input[read + at * reads[4]];
            }
        }
    }
}
