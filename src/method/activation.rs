//! Activations: what values go through last.

/// What a value goes through last, in the same pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(0, y)`; NaN stays NaN on every device, as in PyTorch.
    Relu,
    /// `min(max(0, y), 6)`; NaN stays NaN.
    Relu6,
}

impl Activation {
    /// In files and labels: `none`, `relu`, `relu6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
        }
    }

    /// In shaders and keys.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Relu => 1,
            Self::Relu6 => 2,
        }
    }

    /// Where values end above, if they do.
    pub(crate) fn ceiling(self) -> Option<f32> {
        match self {
            Self::None | Self::Relu => None,
            Self::Relu6 => Some(6.0),
        }
    }

    /// Applies it to a number.
    pub(crate) fn of<T: PartialOrd + Default + From<f32>>(self, value: T) -> T {
        // `max` and `min` would make a number of a NaN.
        match self.ceiling().map(T::from) {
            _ if self != Self::None && value < T::default() => T::default(),
            Some(ceiling) if value > ceiling => ceiling,
            _ => value,
        }
    }
}
