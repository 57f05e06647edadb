//! Values repeated along axes of size 1, in operations that store next to nothing: copies of pixels, products with 1.

use crate::error::Result;
use crate::network::ops::{Binary, Constant, Coordinates, Op, Reshape, Resize, ResizeMode, Rounding};

/// Most ones that one channel is multiplied with to be many, in images of any size.
const MOST_ONES: usize = 1 << 16;

/// What it stores, in bytes.
pub(super) fn stored([channels, ..]: [usize; 3], to: [usize; 3]) -> usize {
    if channels == to[0] || to[0] > MOST_ONES { 0 } else { 4 * to[0] }
}

/// Operations that make `to` of `[C, H, W]`, where sizes are equal or 1.
pub(super) fn repetition([channels, height, width]: [usize; 3], to: [usize; 3]) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    if channels != to[0] && to[0] <= MOST_ONES {
        let ones = Constant::new([to[0], 1, 1], vec![1.0; to[0]])?;
        ops.push(Op::Binary(Binary::mul().with_constant(ones)));
    } else if channels != to[0] {
        // As rows of one image, and back.
        let pixels = height * width;
        if height != 1 {
            ops.push(Op::Reshape(Reshape::new([1, 1, pixels])));
        }
        ops.push(copies([to[0], pixels]));
        ops.push(Op::Reshape(Reshape::new([to[0], height, width])));
    }
    if [height, width] != to[1..] {
        ops.push(copies([to[1], to[2]]));
    }
    Ok(ops)
}

/// An image of `[H, W]`, of one of those sizes or 1: every pixel is one of its.
fn copies(size: [usize; 2]) -> Op {
    let nearest = ResizeMode::Nearest(Rounding::Floor);
    Op::Resize(Resize::to(size).with_mode(nearest).with_coordinates(Coordinates::Asymmetric))
}
