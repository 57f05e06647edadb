//! Where gradients go.

/// Where gradients go: exactly those that are wanted. What is in them is overwritten, not added to.
#[derive(Debug, Default)]
pub struct GradientsMut<'a> {
    /// `[N, C, H, W]`.
    pub input: Option<&'a mut [f32]>,
    /// `[L]`.
    pub summary: Option<&'a mut [f32]>,
    /// `[O, T]`.
    pub gains: Option<&'a mut [f32]>,
    /// `[O]`, per unit. At a whole position, where the blend has a corner, the derivative on the right, or where the
    /// summary ends there the one on the left.
    pub positions: Option<&'a mut [f32]>,
}
