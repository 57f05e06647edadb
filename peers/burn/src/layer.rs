//! A layer, its numbers, and its result in f64. The same as `peers/python/layer.py`.

use serde::Deserialize;

/// A request: a dense, square convolution.
#[derive(Deserialize)]
pub struct Layer {
    pub layer: String,
    pub batch: usize,
    pub channels: usize,
    pub filters: usize,
    pub size: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub runs: usize,
    pub seconds: f64,
}

pub struct Data {
    /// `[N, C, H, W]`.
    pub input: Vec<f32>,
    /// `[O, C, KH, KW]`.
    pub weights: Vec<f32>,
}

pub struct Reference {
    output: Vec<f64>,
    /// Of |w||x|, the largest.
    magnitude: f64,
    terms: usize,
    pub sum: f64,
}

impl Layer {
    /// Small multiples of 1/64 whose products sum up exactly in f32.
    pub fn data(&self) -> Data {
        let terms = self.channels * self.kernel * self.kernel;
        let largest = ((f64::from(1 << 24) / terms as f64).sqrt() as u64).clamp(1, 63);
        let mut state = 1u64;
        let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| number(&mut state, largest)).collect() };
        let input = numbers(self.batch * self.channels * self.size * self.size);
        Data { input, weights: numbers(self.filters * terms) }
    }

    /// By the definition, in f64.
    pub fn reference(&self, data: &Data) -> Reference {
        let Self { batch, channels, filters, size, kernel, stride, padding, .. } = *self;
        let out = (size + 2 * padding - kernel) / stride + 1;
        let mut output = vec![0.0f64; batch * filters * out * out];
        let mut magnitudes = vec![0.0f64; output.len()];
        for (plane, (sums, sizes)) in output.chunks_mut(out * out).zip(magnitudes.chunks_mut(out * out)).enumerate() {
            let (image, filter) = (plane / filters, plane % filters);
            for term in 0..channels * kernel * kernel {
                let (channel, ky, kx) = (term / (kernel * kernel), term / kernel % kernel, term % kernel);
                let weight = f64::from(data.weights[filter * channels * kernel * kernel + term]);
                let input = &data.input[(image * channels + channel) * size * size..][..size * size];
                for y in 0..out {
                    let row = y * stride + ky;
                    if row < padding || row >= size + padding {
                        continue;
                    }
                    let row = &input[(row - padding) * size..][..size];
                    for x in 0..out {
                        let column = x * stride + kx;
                        if column >= padding && column < size + padding {
                            let product = weight * f64::from(row[column - padding]);
                            sums[y * out + x] += product;
                            sizes[y * out + x] += product.abs();
                        }
                    }
                }
            }
        }
        let sum = output.iter().sum();
        let magnitude = magnitudes.into_iter().fold(0.0, f64::max);
        Reference { output, magnitude, terms: channels * kernel * kernel, sum }
    }
}

impl Reference {
    /// The largest error and what f32 arithmetic in any order allows, both over the largest output.
    pub fn compare(&self, got: &[f32]) -> Result<(f64, f64), String> {
        if got.len() != self.output.len() {
            return Err(format!("{} values instead of {}", got.len(), self.output.len()));
        }
        let largest = self.output.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let error = got.iter().zip(&self.output).map(|(got, want)| (f64::from(*got) - want).abs()).fold(0.0, nan_max);
        let tolerance = 2f64.powi(-24) * (8.0 + 8.0 * (self.terms as f64).sqrt()) * self.magnitude;
        if error > tolerance || error.is_nan() {
            return Err(format!("wrong numbers: error {error:.3e}, tolerance {tolerance:.3e}"));
        }
        Ok((error / largest, tolerance / largest))
    }
}

/// Unlike `f64::max` it keeps a NaN.
fn nan_max(left: f64, right: f64) -> f64 {
    if left.is_nan() || left > right { left } else { right }
}

/// SplitMix64.
fn number(state: &mut u64, largest: u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let value = ((bits >> 8) % largest + 1) as f32 / 64.0;
    if bits & 1 == 0 { value } else { -value }
}
