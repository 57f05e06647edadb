//! The axes that kernels have in common.

use crate::kernels::{Access, Affine, End, Tensor, WeightLoad, Weights};
use crate::method::activation::Activation;
use crate::method::finite::Finite;
use crate::method::placement::Boundary;
use crate::method::quantization::Precision;

/// What convolutions are tried with: no text, that of base stages, that of numbers, and that of an exponential.
pub(in crate::kernels) const ACTIVATIONS: [Activation; 4] =
    [Activation::None, Activation::Relu, Activation::HardSigmoid(Finite::ZERO, Finite::ZERO), Activation::Gelu];

/// Every text, for kernels that do little else.
#[cfg(feature = "network")]
pub(in crate::kernels) const EVERY_ACTIVATION: [Activation; 18] = [
    Activation::None,
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu(Finite::ZERO),
    Activation::Clip { low: Finite::ZERO, high: Finite::ZERO },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Silu,
    Activation::HardSigmoid(Finite::ZERO, Finite::ZERO),
    Activation::HardSwish,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Elu(Finite::ZERO),
    Activation::Softplus,
    Activation::Mish,
    Activation::Softsign,
    Activation::Sqrt,
    Activation::Exp,
];

pub(in crate::kernels) const BASE_STAGES: [Option<Activation>; 4] =
    [None, Some(Activation::None), Some(Activation::Relu), Some(Activation::Relu6)];

/// Accesses without words of 64 bits first.
pub(in crate::kernels) const ACCESSES: [Access; 5] =
    [Access::Scalar, Access::Vec2, Access::Vec4, Access::Word, Access::Words];

pub(in crate::kernels) const LOADS: [WeightLoad; 4] = [
    WeightLoad::Vec4,
    WeightLoad::Scalar(Boundary::None),
    WeightLoad::Scalar(Boundary::Zero),
    WeightLoad::Scalar(Boundary::Wrap),
];

/// What tensors and weights are stored in, and what lies in the workspace as parts of a long sum do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) struct Memory {
    pub(in crate::kernels) half: bool,
    pub(in crate::kernels) weights: Precision,
    pub(in crate::kernels) words: bool,
    pub(in crate::kernels) has_addend: bool,
    pub(in crate::kernels) is_addend: bool,
    pub(in crate::kernels) affine: Affine,
}

/// As plans have it: without words of 64 bits, then with them.
pub(in crate::kernels) const MEMORIES: [Memory; 15] = {
    const F32: Memory = Memory {
        half: false,
        weights: Precision::F32,
        words: false,
        has_addend: false,
        is_addend: false,
        affine: Affine { scale_is_lent: false, bias_is_lent: false },
    };
    const LENT: Affine = Affine { scale_is_lent: true, bias_is_lent: true };
    const F16: Memory = Memory { half: true, weights: Precision::F16, ..F32 };
    [
        F32,
        Memory { weights: Precision::F16, ..F32 },
        Memory { weights: Precision::U8, ..F32 },
        F16,
        Memory { weights: Precision::U8, ..F16 },
        Memory { weights: Precision::F32, ..F16 },
        Memory { has_addend: true, ..F16 },
        Memory { is_addend: true, ..F16 },
        Memory { has_addend: true, is_addend: true, ..F16 },
        Memory { words: true, ..F32 },
        Memory { words: true, weights: Precision::F16, ..F32 },
        Memory { words: true, weights: Precision::U8, ..F32 },
        Memory { affine: LENT, ..F32 },
        Memory { affine: Affine { scale_is_lent: false, ..LENT }, ..F32 },
        Memory { affine: Affine { bias_is_lent: false, ..LENT }, words: true, ..F32 },
    ]
};

impl Memory {
    /// Whether it fits an access: words of 64 bits are for runs of f32, and all runs are moved so or none.
    pub(in crate::kernels) fn fits(self, access: Access) -> bool {
        access == Access::Scalar || access.moves_words() == self.words
    }

    pub(in crate::kernels) fn input(self, access: Access) -> Tensor {
        Tensor { access, half: self.half }
    }

    pub(in crate::kernels) fn weights(self, load: WeightLoad) -> Weights {
        Weights::new(load, self.weights, self.words)
    }

    pub(in crate::kernels) fn end(self, access: Access, has_residual: bool, activation: Activation) -> End {
        let residual = Tensor { access, half: self.half && !self.has_addend };
        End {
            output: Tensor { access, half: self.half && !self.is_addend },
            residual: has_residual.then_some(residual),
            activation: activation.into(),
            affine: self.affine,
        }
    }
}
