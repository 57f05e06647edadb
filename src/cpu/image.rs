//! One group's channels of one input image.

/// One group's channels of one input image, `[C, H, W]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) values: &'a [f32],
    /// H * W.
    pub(super) plane: usize,
}
