//! What a kernel is.

use super::{Description, Variant, Work};

/// A kernel; a value of it is one of its variants. Only what makes another text is part of the value:
/// fields of a kernel are all of use to it, so that equal shaders are equal values.
pub(crate) trait Kernel: Copy {
    /// The shader's `Params`, field for field: a test compares names and order. Kernels of convolutions begin it with
    /// their [`Geometry`](super::Geometry).
    type Uniform: bytemuck::Pod;

    /// It among the variants of all kernels.
    fn variant(self) -> Variant;

    /// Its label, text, bindings and needs.
    fn describe(&self) -> Description;

    /// Most turns that the loops of one invocation take together, of those whose number depends on the layer:
    /// plans refuse more than [`most_turns`](crate::method::reduction::most_turns).
    fn turns(&self, uniform: &Self::Uniform) -> u64;

    /// Most turns that the other loops, over what a tile keeps in registers, take together within one of
    /// [`Self::turns`]: drivers unroll them, but not where shaders are checked. A loop that ends is one turn more.
    /// A test counts them in the shader.
    fn unrolled(&self) -> u64 {
        0
    }

    /// What a thread does: plans predict times by it.
    fn work(&self, uniform: &Self::Uniform) -> Work;
}
