//! Every activation, and what it is, from the format's table.

#![allow(clippy::unwrap_used, unreachable_pub)]

use filter_summary::Activation;
use serde_json::{Value, json};

/// As a file has it, and as code does.
pub fn activations() -> Vec<(Value, Activation)> {
    vec![
        (json!("none"), Activation::None),
        (json!("relu"), Activation::Relu),
        (json!("relu6"), Activation::Relu6),
        (json!({"leaky_relu": 0.125}), Activation::leaky_relu(0.125).unwrap()),
        (json!({"leaky_relu": -1.5}), Activation::leaky_relu(-1.5).unwrap()),
        (json!({"clip": [-0.5, 1.25]}), Activation::clip(-0.5, 1.25).unwrap()),
        (json!({"clip": [2, 2]}), Activation::clip(2.0, 2.0).unwrap()),
        (json!("sigmoid"), Activation::Sigmoid),
        (json!("tanh"), Activation::Tanh),
        (json!("silu"), Activation::Silu),
        (json!({"hard_sigmoid": [0.2, 0.5]}), Activation::hard_sigmoid(0.2, 0.5).unwrap()),
        (json!({"hard_sigmoid": [-0.25, 0.75]}), Activation::hard_sigmoid(-0.25, 0.75).unwrap()),
        (json!("hard_swish"), Activation::HardSwish),
        (json!("gelu"), Activation::Gelu),
        (json!("gelu_tanh"), Activation::GeluTanh),
        (json!({"elu": 0.5}), Activation::elu(0.5).unwrap()),
        (json!({"elu": -0.5}), Activation::elu(-0.5).unwrap()),
        (json!({"celu": 0.25}), Activation::celu(0.25).unwrap()),
        (json!("selu"), Activation::Selu),
        (json!("softplus"), Activation::Softplus),
        (json!("mish"), Activation::Mish),
        (json!("softsign"), Activation::Softsign),
        (json!("sqrt"), Activation::Sqrt),
        (json!("exp"), Activation::Exp),
    ]
}

/// The value behind an activation of one that is off by at most `error`, and how far that may be off.
pub fn activate(activation: Activation, value: f64, error: f64) -> (f64, f64) {
    // A NaN is neither.
    let clipped = |value: f64, low: f64, high: f64| match value {
        _ if value < low => low,
        _ if value > high => high,
        _ => value,
    };
    let sigmoid = |value: f64| (1.0 + (value / 2.0).tanh()) / 2.0;
    let soft = |value: f64| if value > 30.0 { value } else { (1.0 + value.exp()).ln() };
    let less = |value: f64| value.exp() - 1.0;
    let (slope, of): (f64, f64) = match activation {
        Activation::None => return (value, error),
        Activation::Relu => return (clipped(value, 0.0, f64::INFINITY), error),
        Activation::Relu6 => return (clipped(value, 0.0, 6.0), error),
        Activation::Clip { low, high, .. } => return (clipped(value, low.into(), high.into()), error),
        Activation::LeakyRelu(a) if value < 0.0 => (f64::from(a).abs().max(1.0), f64::from(a) * value),
        Activation::LeakyRelu(a) => (f64::from(a).abs().max(1.0), value),
        Activation::Sigmoid => (0.25, sigmoid(value)),
        Activation::Tanh => (1.0, value.tanh()),
        Activation::Silu => (1.1, value * sigmoid(value)),
        Activation::HardSigmoid(a, b) => {
            let line = f64::from(a) * value + f64::from(b);
            (f64::from(a).abs(), clipped(line, 0.0, 1.0))
        }
        Activation::HardSwish => (1.5, value * clipped(value + 3.0, 0.0, 6.0) / 6.0),
        Activation::Gelu => (1.13, value * normal(value)),
        Activation::GeluTanh => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            (1.13, value * (1.0 + (root * (value + 0.044715 * value.powi(3))).tanh()) / 2.0)
        }
        Activation::Elu(a) => {
            (f64::from(a).abs().max(1.0), if value < 0.0 { f64::from(a) * less(value) } else { value })
        }
        Activation::Celu { a, .. } => {
            (1.0, if value < 0.0 { f64::from(a) * less(value / f64::from(a)) } else { value })
        }
        Activation::Selu => {
            let [above, below] = [1.0507009873554805, 1.6732632423543772];
            (1.76, above * if value < 0.0 { below * less(value) } else { value })
        }
        Activation::Softplus => (1.0, soft(value)),
        Activation::Mish => (1.1, value * soft(value).tanh()),
        Activation::Softsign => (1.0, value.signum() * (1.0 - 1.0 / (1.0 + value.abs())) + 0.0 * value),
        Activation::Sqrt => {
            let root = clipped(value, 0.0, f64::INFINITY).powf(0.5);
            return (root, error.sqrt().min(error / value.abs().sqrt()) + 5.0 * f64::from(f32::EPSILON) * root + 2e-19);
        }
        Activation::Exp => {
            let power = 2f64.powf(clipped(value, f64::NEG_INFINITY, 88.0) * std::f64::consts::LOG2_E);
            return (power, power * (error.exp_m1() + 180.0 * f64::from(f32::EPSILON)) + 2e-36);
        }
        other => panic!("{other:?}"),
    };
    // WGSL's `exp` and division are off by some units. What underflows is 0.
    (of, slope * error + 10.0 * f64::from(f32::EPSILON) * of.abs().max(value.abs().min(1.0)) + 2e-36)
}

/// The share of the normal distribution below a value, by Simpson's rule.
fn normal(value: f64) -> f64 {
    if value.abs() > 38.0 {
        return if value > 0.0 { 1.0 } else { 0.0 };
    }
    let (steps, end) = (2000, value.clamp(-40.0, 40.0));
    let density = |at: f64| (-at * at / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let of = |step: usize| density(end * step as f64 / f64::from(steps));
    let inner: f64 = (1..steps as usize).map(|step| of(step) * if step % 2 == 1 { 4.0 } else { 2.0 }).sum();
    0.5 + (of(0) + of(steps as usize) + inner) * end / f64::from(steps) / 3.0
}
