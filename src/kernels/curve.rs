//! An activation as kernels have it: which one it is makes another text, its numbers do not.
//!
//! Numbers stand in uniforms. A network with a number of its own for every layer, as quantized ones have, would
//! otherwise compile as many pipelines, and keep them; and a uniform's numbers are read once for all lanes, by no
//! shader whose activation has none. What is computed has a text of its own for every activation, so that no kernel
//! takes the registers of another's.

use bytemuck::{Pod, Zeroable};

use crate::method::activation::Activation;
use crate::method::finite::Finite;

/// An activation but for its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Curve(Activation);

impl From<Activation> for Curve {
    fn from(activation: Activation) -> Self {
        const ZERO: Finite = Finite::ZERO;
        Self(match activation {
            Activation::LeakyRelu(_) => Activation::LeakyRelu(ZERO),
            Activation::Clip { .. } => Activation::Clip { low: ZERO, high: ZERO },
            Activation::HardSigmoid(..) => Activation::HardSigmoid(ZERO, ZERO),
            // What tells them apart are numbers.
            Activation::Elu(_) | Activation::Celu { .. } | Activation::Selu => Activation::Elu(ZERO),
            other => other,
        })
    }
}

impl Curve {
    /// In labels, where there is one.
    pub(super) fn word(self) -> Option<&'static str> {
        (self.0 != Activation::None).then(|| self.0.name())
    }

    /// Of the texts that it has in common with base stages, which it is.
    pub(super) fn code(self) -> Option<u32> {
        self.0.check_of_bases().is_ok().then(|| self.0.code())
    }

    /// Its text, `activate`, and those before it.
    pub(super) fn texts(self) -> &'static [&'static str] {
        const NAN: &str = include_str!("../../shaders/parts/activations/nan.wgsl");
        const CLIPPED: &str = include_str!("../../shaders/parts/activations/clipped.wgsl");
        const FALLING: &str = include_str!("../../shaders/parts/activations/falling.wgsl");
        const TANH_NEAR: &str = include_str!("../../shaders/parts/activations/tanh_near.wgsl");
        const WITHOUT: &str = include_str!("../../shaders/parts/activations/without.wgsl");
        match self.0 {
            Activation::None | Activation::Relu | Activation::Relu6 => &[
                include_str!("../../shaders/parts/activation.wgsl"),
                include_str!("../../shaders/parts/activations/cut.wgsl"),
            ],
            Activation::LeakyRelu(_) => &[include_str!("../../shaders/parts/activations/leaky_relu.wgsl")],
            Activation::Clip { .. } => &[NAN, CLIPPED, include_str!("../../shaders/parts/activations/clip.wgsl")],
            Activation::Sigmoid => &[NAN, FALLING, include_str!("../../shaders/parts/activations/sigmoid.wgsl")],
            Activation::Tanh => &[NAN, FALLING, TANH_NEAR, include_str!("../../shaders/parts/activations/tanh.wgsl")],
            Activation::Silu => &[FALLING, WITHOUT, include_str!("../../shaders/parts/activations/silu.wgsl")],
            Activation::HardSigmoid(..) => {
                &[NAN, CLIPPED, include_str!("../../shaders/parts/activations/hard_sigmoid.wgsl")]
            }
            Activation::HardSwish => &[NAN, CLIPPED, include_str!("../../shaders/parts/activations/hard_swish.wgsl")],
            Activation::Gelu => &[FALLING, WITHOUT, include_str!("../../shaders/parts/activations/gelu.wgsl")],
            Activation::GeluTanh => &[FALLING, WITHOUT, include_str!("../../shaders/parts/activations/gelu_tanh.wgsl")],
            Activation::Elu(_) | Activation::Celu { .. } | Activation::Selu => {
                &[NAN, FALLING, TANH_NEAR, include_str!("../../shaders/parts/activations/elu.wgsl")]
            }
            Activation::Softplus => &[NAN, FALLING, include_str!("../../shaders/parts/activations/softplus.wgsl")],
            Activation::Mish => &[FALLING, WITHOUT, include_str!("../../shaders/parts/activations/mish.wgsl")],
            Activation::Softsign => &[include_str!("../../shaders/parts/activations/softsign.wgsl")],
            Activation::Exp => &[NAN, include_str!("../../shaders/parts/activations/exp.wgsl")],
            Activation::Sqrt => &[NAN, include_str!("../../shaders/parts/activations/sqrt.wgsl")],
        }
    }
}

/// `Numbers` of the shaders, field for field: those of an activation, 0 where it has none.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
pub(crate) struct Numbers {
    slope: f32,
    offset: f32,
    low: f32,
    high: f32,
}

impl From<Activation> for Numbers {
    fn from(activation: Activation) -> Self {
        let none = Self::default();
        if let Some(elu) = activation.of_elu() {
            return Self { slope: elu.above as f32, offset: elu.rate as f32, low: elu.below as f32, ..none };
        }
        match activation {
            Activation::LeakyRelu(slope) => Self { slope: slope.get(), ..none },
            Activation::HardSigmoid(slope, offset) => Self { slope: slope.get(), offset: offset.get(), ..none },
            Activation::Clip { low, high } => Self { low: low.get(), high: high.get(), ..none },
            _ => none,
        }
    }
}
