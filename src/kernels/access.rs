//! How kernels touch memory: one file of `shaders/access/` a way.

/// How a thread touches four consecutive values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Each at its own index.
    Scalar,
    /// Two and two, together and aligned; both are valid or neither.
    Vec2,
    /// Together and aligned; all are valid or none.
    Vec4,
    /// As [`Access::Vec2`], each two values of f32 as one word of 64 bits: for software adapters,
    /// whose loads and stores are loops over lanes and words.
    Word,
    /// As [`Access::Vec4`], as two words of 64 bits.
    Words,
}

impl Access {
    /// For runs of values that begin and end at sums of multiples of `lengths`: by fours where all are multiples of
    /// four, by twos where of two; in words of 64 bits with `words`.
    pub(crate) fn for_lengths(lengths: &[usize], words: bool) -> Self {
        let all_multiples_of = |count| lengths.iter().all(|length| length.is_multiple_of(count));
        match (all_multiples_of(4), all_multiples_of(2), words) {
            (true, _, false) => Self::Vec4,
            (true, _, true) => Self::Words,
            (false, true, false) => Self::Vec2,
            (false, true, true) => Self::Word,
            (false, false, _) => Self::Scalar,
        }
    }

    /// How many values lie together.
    pub(crate) fn values(self) -> u32 {
        match self {
            Self::Scalar => 1,
            Self::Vec2 | Self::Word => 2,
            Self::Vec4 | Self::Words => 4,
        }
    }

    /// The part that reads a tensor so.
    pub(super) fn read_text(self) -> &'static str {
        match self {
            Self::Scalar => include_str!("../../shaders/access/read_scalar.wgsl"),
            Self::Vec2 => include_str!("../../shaders/access/read_vec2.wgsl"),
            Self::Vec4 => include_str!("../../shaders/access/read_vec4.wgsl"),
            Self::Word => include_str!("../../shaders/access/read_word.wgsl"),
            Self::Words => include_str!("../../shaders/access/read_words.wgsl"),
        }
    }

    /// The part that writes the output so.
    pub(super) fn write_text(self) -> &'static str {
        match self {
            Self::Scalar => include_str!("../../shaders/access/write_scalar.wgsl"),
            Self::Vec2 => include_str!("../../shaders/access/write_vec2.wgsl"),
            Self::Vec4 => include_str!("../../shaders/access/write_vec4.wgsl"),
            Self::Word => include_str!("../../shaders/access/write_word.wgsl"),
            Self::Words => include_str!("../../shaders/access/write_words.wgsl"),
        }
    }

    /// Whether they are moved as words of 64 bits.
    pub(crate) fn moves_words(self) -> bool {
        matches!(self, Self::Word | Self::Words)
    }
}

/// A tensor as a kernel reads or writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tensor {
    pub(crate) access: Access,
    /// Its values are f16; else f32.
    pub(crate) half: bool,
}

impl Tensor {
    /// Of f32.
    #[cfg(any(feature = "network", feature = "gradients"))]
    pub(crate) const fn f32(access: Access) -> Self {
        Self { access, half: false }
    }
}
