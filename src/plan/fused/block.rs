//! Blocks of pixels: what of an image, or how many whole images, a tile computes.

use crate::method::problem::Problem;

/// A block of outputs, and of the input that their taps read, padding included. Its rows lie one after another, `pitch`
/// positions apart; images follow after `image_rows` rows. A quarter of the positions are those of a quad's first
/// values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Outputs.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) images: usize,
    pub(super) pitch: usize,
    pub(super) image_rows: usize,
    /// Positions of a quarter.
    pub(super) span: usize,
    /// Rows of outputs in a quarter.
    pub(super) output_rows: usize,
    /// Quads of a row of products, with those past `span` that taps read.
    pub(super) row_quads: usize,
    /// Columns of blocks, rows of them, and blocks of images.
    pub(super) counts: [usize; 3],
}

impl Block {
    /// The blocks of a tile of `quads` quads, one for each width that it can have.
    pub(super) fn all(problem: &Problem, quads: usize) -> impl Iterator<Item = Self> {
        let [_, _, _, out_width] = problem.output_shape();
        // Wider ones are whole rows, or do not fit.
        (1..=out_width.min(quads)).chain([out_width]).filter_map(move |width| Self::of_width(problem, quads, width))
    }

    fn of_width(problem: &Problem, quads: usize, width: usize) -> Option<Self> {
        let (conv, window) = (problem.conv(), problem.placement().window());
        let [batch, _, in_height, in_width] = problem.input_shape();
        let [_, _, out_height, out_width] = problem.output_shape();
        let [stride_y, stride_x] = conv.stride;
        let [pad_top, pad_left, ..] = conv.padding;
        // What the taps of one output reach over, and of several.
        let reach_y = (window.height() - 1) * conv.dilation[0] + 1;
        let reach_x = (window.width() - 1) * conv.dilation[1] + 1;
        let reads_x = (width - 1) * stride_x + reach_x;
        // Whole rows have one padding between them: what one reads past its end is left of the next.
        let pitch =
            if width == out_width { (pad_left + in_width).max(reads_x.saturating_sub(pad_left)) } else { reads_x };
        let most_rows = quads / pitch / stride_y * stride_y;
        if most_rows == 0 {
            return None;
        }
        let rows_for = |needed: usize| needed.div_ceil(4).next_multiple_of(stride_y);
        let reads_y = (out_height - 1) * stride_y + reach_y;
        // Rows have theirs in common, too, as long as each output begins in a row of its own image.
        let whole_image = (pad_top + in_height).max(reads_y.saturating_sub(pad_top)).max(out_height * stride_y);
        let whole_image = whole_image.next_multiple_of(stride_y);
        let fitting = if width == out_width { 4 * most_rows / whole_image } else { 0 };
        let (images, height, image_rows, rows) = if fitting > 0 {
            let images = batch.div_ceil(batch.div_ceil(fitting));
            (images, out_height, whole_image, rows_for(images * whole_image))
        } else {
            let most_height = (4 * most_rows).checked_sub(reach_y)? / stride_y + 1;
            let height = out_height.div_ceil(out_height.div_ceil(most_height));
            let rows = rows_for((height - 1) * stride_y + reach_y);
            (1, height, 4 * rows, rows)
        };
        let (span, output_rows) = (rows * pitch, rows / stride_y);
        let last = (output_rows - 1) * stride_y * pitch + (width - 1) * stride_x;
        let reach = (reach_y - 1) * pitch + reach_x - 1;
        let counts = [out_width.div_ceil(width), out_height.div_ceil(height), batch.div_ceil(images)];
        let row_quads = span.max(last + reach + 1);
        Some(Self { width, height, images, pitch, image_rows, span, output_rows, row_quads, counts })
    }

    /// Blocks of a batch.
    pub(super) fn count(&self) -> usize {
        self.counts.iter().product()
    }
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::conv2d::Conv2d;
    use crate::method::placement::Placement;

    fn best(conv: Conv2d, size: [usize; 3], quads: usize) -> Block {
        let placement = Placement::tap_major(8, 8, 3, 3, 8).unwrap();
        let problem = Problem::new(&placement, conv, size).unwrap();
        Block::all(&problem, quads).min_by_key(Block::count).unwrap()
    }

    #[test]
    fn large_images_are_cut_and_small_ones_put_together() {
        let cut = best(Conv2d::padded(1), [2, 56, 56], 64);
        assert_eq!(([cut.width, cut.height, cut.images], cut.counts), ([14, 14, 1], [4, 4, 2]));
        assert_eq!([cut.pitch, cut.span, cut.row_quads], [16, 64, 96]);
        let whole = best(Conv2d::padded(1), [2, 14, 14], 64);
        assert_eq!(([whole.width, whole.height, whole.images], whole.counts), ([14, 14, 1], [1, 1, 2]));
        // Rows of 7 pixels and one of padding, eight of them an image.
        let small = best(Conv2d::padded(1), [32, 7, 7], 64);
        assert_eq!(([small.pitch, small.image_rows, small.images], small.counts), ([8, 8, 4], [1, 1, 8]));
        let smaller = best(Conv2d::padded(1), [32, 4, 4], 16);
        assert_eq!(([smaller.pitch, smaller.image_rows, smaller.images], smaller.counts), ([5, 5, 2], [1, 1, 16]));
    }

    #[test]
    fn outputs_below_the_picture_are_their_own_images() {
        let placement = Placement::tap_major(8, 8, 1, 1, 8).unwrap();
        let conv = Conv2d { padding: [1, 0, 3, 0], ..Conv2d::default() };
        let problem = Problem::new(&placement, conv, [2, 1, 3]).unwrap();
        assert!(Block::all(&problem, 16).all(|block| block.images == 1 || block.image_rows >= 5));
    }

    #[test]
    fn rows_of_a_quarter_begin_at_outputs() {
        let conv = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
        let block = best(conv, [1, 56, 56], 64);
        assert_eq!(block.output_rows * 2 * block.pitch, block.span);
        assert!(4 * block.span / block.pitch > 2 * block.height, "{block:?}");
    }
}
