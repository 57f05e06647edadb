//! What a layer has beside its summary.

/// Weights of a layer beside its summary.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChannelParams<'a> {
    /// `[O]`, multiplies the sum (batch norm, folded); 1 when absent.
    pub scale: Option<&'a [f32]>,
    /// `[O]`, added to it; 0 when absent.
    pub bias: Option<&'a [f32]>,
}
