//! Activations of values that are there: a pass over what is still in the first-level cache.

use pulp::Simd;
#[cfg(feature = "network")]
use pulp::{Arch, WithSimd};

use crate::method::activation::{Activation, EXP_END, Elu, GELU_CUBE, GELU_TANH};

/// Applies an activation to values, in place.
#[cfg(feature = "network")]
pub(crate) fn activate(activation: Activation, values: &mut [f32]) {
    if activation != Activation::None {
        Arch::new().dispatch(Job { activation, values });
    }
}

#[cfg(feature = "network")]
struct Job<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

#[cfg(feature = "network")]
impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        activate_with(simd, self.activation, self.values);
    }
}

/// [`activate`] inside a program for a machine's vectors. No closures: what is not inlined has none of its
/// instructions.
#[inline(always)]
pub(super) fn activate_with<S: Simd>(simd: S, activation: Activation, values: &mut [f32]) {
    if activation == Activation::None {
        return;
    }
    let (whole, rest) = S::as_mut_simd_f32s(values);
    for value in whole {
        *value = Vectors(simd).of(activation, *value);
    }
    if !rest.is_empty() {
        simd.partial_store_f32s(rest, Vectors(simd).of(activation, simd.partial_load_f32s(rest)));
    }
}

/// Below this size the hyperbolic tangent is a polynomial.
const TANH_NEAR: f32 = 0.625;
/// From here down on the exponential is taken for that of this: 1.6e-38, a normal number still.
const EXP_START: f32 = -87.0;
/// Size from which on an activation's value is 0 or the value itself, to all digits; its exponent is above -87. That of
/// Mish falls as SiLU's does.
const SILU_END: f32 = 87.0;
const GELU_TANH_END: f32 = 10.0;
const GELU_END: f32 = 13.0;
/// Size from which on the quotient of softsign is 1.
const SOFTSIGN_END: f32 = 1e30;

/// What activations are made of. NaN comes out where it goes in: comparisons with it are false, and `select` then
/// takes the value.
#[derive(Clone, Copy)]
struct Vectors<S>(S);

impl<S: Simd> Vectors<S> {
    /// Which activation it is is a branch a vector, and always the same.
    #[inline(always)]
    fn of(self, activation: Activation, value: S::f32s) -> S::f32s {
        let Self(simd) = self;
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        match activation {
            Activation::None => value,
            Activation::Relu => self.at_least(zero, value),
            Activation::Relu6 => self.clip(zero, simd.splat_f32s(6.0), value),
            Activation::LeakyRelu(a) => {
                let sloped = simd.mul_f32s(simd.splat_f32s(a.get()), value);
                simd.select_f32s(simd.less_than_f32s(value, zero), sloped, value)
            }
            Activation::Clip { low, high } => self.clip(simd.splat_f32s(low.get()), simd.splat_f32s(high.get()), value),
            Activation::Sigmoid => self.sigmoid(value),
            Activation::Tanh => self.tanh(value),
            Activation::Silu => self.gated(value, value, SILU_END),
            Activation::HardSigmoid(a, b) => {
                let line = simd.mul_add_e_f32s(simd.splat_f32s(a.get()), value, simd.splat_f32s(b.get()));
                self.clip(zero, one, line)
            }
            Activation::HardSwish => {
                let line = simd.mul_add_e_f32s(value, simd.splat_f32s(1.0 / 6.0), simd.splat_f32s(0.5));
                simd.mul_f32s(value, self.clip(zero, one, line))
            }
            Activation::Gelu => self.gelu(value),
            Activation::GeluTanh => {
                let end = simd.min_f32s(simd.abs_f32s(value), simd.splat_f32s(GELU_TANH_END));
                let slope = simd.splat_f32s(GELU_TANH as f32);
                let cube = simd.splat_f32s((GELU_TANH * GELU_CUBE) as f32);
                let line = simd.mul_add_e_f32s(simd.mul_f32s(end, end), cube, slope);
                self.gated(value, simd.mul_f32s(line, end), GELU_TANH_END)
            }
            Activation::Elu(_) | Activation::Celu { .. } | Activation::Selu => match activation.of_elu() {
                Some(elu) => self.elu(elu, value),
                None => value,
            },
            Activation::Softplus => self.softplus(value),
            Activation::Mish => self.mish(value),
            Activation::Softsign => {
                let end = simd.splat_f32s(SOFTSIGN_END);
                let cut = self.clip(simd.neg_f32s(end), end, value);
                let quotient = simd.div_f32s(cut, simd.add_f32s(one, simd.abs_f32s(cut)));
                let is_lost = simd.less_than_f32s(simd.splat_f32s(f32::MAX), simd.abs_f32s(value));
                simd.select_f32s(is_lost, simd.splat_f32s(f32::NAN), quotient)
            }
            Activation::Exp => self.exp(self.clip(simd.splat_f32s(f32::MIN), simd.splat_f32s(EXP_END), value)),
            Activation::Sqrt => simd.sqrt_f32s(self.at_least(zero, value)),
        }
    }

    /// `max` drops a NaN on some machines.
    #[inline(always)]
    fn at_least(self, low: S::f32s, value: S::f32s) -> S::f32s {
        self.0.select_f32s(self.0.less_than_f32s(value, low), low, value)
    }

    #[inline(always)]
    fn clip(self, low: S::f32s, high: S::f32s, value: S::f32s) -> S::f32s {
        let value = self.at_least(low, value);
        self.0.select_f32s(self.0.less_than_f32s(high, value), high, value)
    }

    /// `c[0] + x * (c[1] + x * ..)`.
    #[inline(always)]
    fn polynomial<const N: usize>(self, coefficients: [f32; N], x: S::f32s) -> S::f32s {
        let Self(simd) = self;
        let mut sum = simd.splat_f32s(coefficients[N - 1]);
        for number in coefficients[..N - 1].iter().rev() {
            sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(*number));
        }
        sum
    }

    /// `exp(x)` for `x <= 88`, to 2 units in the last place: `2^n * exp(r)` with `|r| <= ln(2) / 2`, whose polynomial
    /// is that of Cephes' `expf`.
    #[inline(always)]
    fn exp(self, x: S::f32s) -> S::f32s {
        // `ln 2` in two parts, the first of which has 9 bits: its product with `n` is exact.
        const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
        const POLYNOMIAL: [f32; 6] = [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_2e-3, 1.987_569_1e-4];
        // A float of this size has no digits behind the point, and its last bits are those of the integer.
        const INTEGER: f32 = 12_582_912.0;
        let Self(simd) = self;
        let x = self.at_least(simd.splat_f32s(EXP_START), x);
        let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), simd.splat_f32s(INTEGER));
        let n = simd.sub_f32s(shifted, simd.splat_f32s(INTEGER));
        let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2[0]), x);
        let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2[1]), r);
        let square = simd.mul_f32s(r, r);
        let one = simd.splat_f32s(1.0);
        let value = simd.add_f32s(simd.mul_add_e_f32s(self.polynomial(POLYNOMIAL, r), square, r), one);
        let bits = simd.add_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(127));
        let power = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
        simd.mul_f32s(value, simd.transmute_f32s_u32s(power))
    }

    /// `exp` of a size that is taken away below 0: no exponential overflows.
    #[inline(always)]
    fn falling(self, size: S::f32s) -> S::f32s {
        self.exp(self.0.neg_f32s(size))
    }

    #[inline(always)]
    fn sigmoid(self, value: S::f32s) -> S::f32s {
        let Self(simd) = self;
        let (one, fallen) = (simd.splat_f32s(1.0), self.falling(simd.abs_f32s(value)));
        let is_negative = simd.less_than_f32s(value, simd.splat_f32s(0.0));
        simd.div_f32s(simd.select_f32s(is_negative, fallen, one), simd.add_f32s(one, fallen))
    }

    /// `tanh(x)` of sizes below [`TANH_NEAR`], where an exponential would cancel: the odd polynomial of Cephes'
    /// `tanhf`.
    #[inline(always)]
    fn tanh_near(self, x: S::f32s) -> S::f32s {
        const POLYNOMIAL: [f32; 5] = [-3.333_328e-1, 1.333_144_2e-1, -5.373_971_6e-2, 2.063_908_8e-2, -5.704_988_7e-3];
        let Self(simd) = self;
        let square = simd.mul_f32s(x, x);
        simd.mul_add_e_f32s(simd.mul_f32s(self.polynomial(POLYNOMIAL, square), square), x, x)
    }

    #[inline(always)]
    fn tanh(self, value: S::f32s) -> S::f32s {
        let Self(simd) = self;
        let (size, near) = (simd.abs_f32s(value), self.tanh_near(value));
        let (one, fallen) = (simd.splat_f32s(1.0), self.falling(simd.add_f32s(size, size)));
        let far = simd.div_f32s(simd.sub_f32s(one, fallen), simd.add_f32s(one, fallen));
        let is_negative = simd.less_than_f32s(value, simd.splat_f32s(0.0));
        let far = simd.select_f32s(is_negative, simd.neg_f32s(far), far);
        // A NaN is not near.
        simd.select_f32s(simd.less_than_f32s(size, simd.splat_f32s(TANH_NEAR)), near, far)
    }

    /// Below 0 `exp(-size) - 1`, where that would cancel as `-2 t / (1 + t)` with `t = tanh(size / 2)`.
    #[inline(always)]
    fn elu(self, Elu { above, below, rate }: Elu, value: S::f32s) -> S::f32s {
        let Self(simd) = self;
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let size = simd.abs_f32s(simd.mul_f32s(value, simd.splat_f32s(rate as f32)));
        let half = self.tanh_near(simd.mul_f32s(size, simd.splat_f32s(0.5)));
        let near = simd.div_f32s(simd.mul_f32s(half, simd.splat_f32s(-2.0)), simd.add_f32s(one, half));
        let far = simd.sub_f32s(self.falling(size), one);
        let lost = simd.select_f32s(simd.less_than_f32s(size, simd.splat_f32s(2.0 * TANH_NEAR)), near, far);
        let [above, below] =
            [(above, value), (below, lost)].map(|(by, of)| simd.mul_f32s(simd.splat_f32s(by as f32), of));
        simd.select_f32s(simd.less_than_f32s(value, zero), below, above)
    }

    /// `max(0, value) + log(1 + f)` with `f = exp(-|value|)`, where `log(1 + f) = 2 atanh(z)` with `z = f / (2 + f)`,
    /// from 0 to 1/3: the series' end is a polynomial, off by 1.6e-8 of it at most.
    #[inline(always)]
    fn softplus(self, value: S::f32s) -> S::f32s {
        const POLYNOMIAL: [f32; 4] = [0.333_333_2, 0.200_037_8, 0.141_183_1, 0.134_257_5];
        let Self(simd) = self;
        let fallen = self.falling(simd.abs_f32s(value));
        let z = simd.div_f32s(fallen, simd.add_f32s(simd.splat_f32s(2.0), fallen));
        let square = simd.mul_f32s(z, z);
        let log = simd.mul_add_e_f32s(simd.mul_f32s(self.polynomial(POLYNOMIAL, square), square), z, z);
        simd.add_f32s(self.at_least(simd.splat_f32s(0.0), value), simd.add_f32s(log, log))
    }

    /// With `f = exp(-|value|)` the tangent is `(f^2 + 2 f) / (f^2 + 2 f + 2)` below 0, else
    /// `1 - 2 f^2 / (2 f^2 + 2 f + 1)`.
    #[inline(always)]
    fn mish(self, value: S::f32s) -> S::f32s {
        let Self(simd) = self;
        let (one, two) = (simd.splat_f32s(1.0), simd.splat_f32s(2.0));
        let is_negative = simd.less_than_f32s(value, simd.splat_f32s(0.0));
        let fallen = self.falling(simd.abs_f32s(value));
        let (square, twice) = (simd.mul_f32s(fallen, fallen), simd.add_f32s(fallen, fallen));
        let share = simd.add_f32s(square, simd.select_f32s(is_negative, twice, square));
        let rest = simd.select_f32s(is_negative, two, simd.add_f32s(twice, one));
        self.without(value, simd.div_f32s(share, simd.add_f32s(share, rest)), SILU_END)
    }

    /// `value * sigmoid(gate)` with a gate of the value's sign: as `max(0, value) - size * sigmoid(-|gate|)`, which
    /// cancels nowhere. The size ends where the sigmoid is nothing.
    #[inline(always)]
    fn gated(self, value: S::f32s, gate: S::f32s, end: f32) -> S::f32s {
        let Self(simd) = self;
        let fallen = self.falling(simd.abs_f32s(gate));
        let share = simd.div_f32s(fallen, simd.add_f32s(simd.splat_f32s(1.0), fallen));
        self.without(value, share, end)
    }

    /// By the error function's polynomial 7.1.26 of Abramowitz and Stegun, Handbook of Mathematical Functions, which is
    /// off by at most 1.5e-7: `erfc(x) = (a1 t + .. + a5 t^5) exp(-x^2)` with `t = 1 / (1 + p x)`, for `x >= 0`.
    #[inline(always)]
    fn gelu(self, value: S::f32s) -> S::f32s {
        const P: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
        // Halves: a Gaussian's share is half of `erfc`.
        const HALVES: [f32; 5] = [0.127_414_8, -0.142_248_37, 0.710_706_9, -0.726_576, 0.530_702_7];
        let Self(simd) = self;
        let (one, size) = (simd.splat_f32s(1.0), simd.abs_f32s(value));
        let size = simd.min_f32s(size, simd.splat_f32s(GELU_END));
        let t = simd.div_f32s(one, simd.mul_add_e_f32s(size, simd.splat_f32s(P), one));
        let fallen = self.falling(simd.mul_f32s(simd.mul_f32s(size, size), simd.splat_f32s(0.5)));
        let share = simd.mul_f32s(simd.mul_f32s(self.polynomial(HALVES, t), t), fallen);
        self.without(value, share, GELU_END)
    }

    /// `max(0, value) - min(|value|, end) * share`. Of -infinity 0 times infinity is left, NaN.
    #[inline(always)]
    fn without(self, value: S::f32s, share: S::f32s, end: f32) -> S::f32s {
        let Self(simd) = self;
        let (size, end) = (simd.abs_f32s(value), simd.splat_f32s(end));
        let size = simd.select_f32s(simd.less_than_f32s(end, size), end, size);
        let positive = self.at_least(simd.splat_f32s(0.0), value);
        let rest = simd.sub_f32s(positive, simd.mul_f32s(size, share));
        let is_lost = simd.less_than_f32s(value, simd.splat_f32s(f32::MIN));
        simd.select_f32s(is_lost, simd.splat_f32s(f32::NAN), rest)
    }
}
