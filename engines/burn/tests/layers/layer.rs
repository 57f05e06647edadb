//! A layer with values for all that it reads, and what comes out of it.

use burn::tensor::{Device, Tensor, TensorData};
use filter_summary::reference::{self, GradientTerms, Gradients, Operands, Reference, error_fraction};
use filter_summary::{Activation, Conv2d, FilterSummary, Placement, Problem};
use filter_summary_burn::{FsGeometry, FsWeights, fs_conv2d};

use crate::common::cases::Case;
use crate::oracle;

/// splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In -2..=2, so that sums of gradients stay below 2^24.
    pub fn integer(&mut self) -> f32 {
        (self.next() % 5) as f32 - 2.0
    }

    /// Uniform in -1..1.
    pub fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// What a layer reads, and the gradient of its output.
#[derive(Debug, Clone)]
pub struct Layer {
    pub geometry: FsGeometry,
    pub size: [usize; 3],
    pub x: Vec<f32>,
    pub summary: Vec<f32>,
    pub gains: Option<Vec<f32>>,
    pub bias: Vec<f32>,
    pub grad: Vec<f32>,
}

/// What comes out: the output, and the gradients of all that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    pub y: Vec<f32>,
    pub x: Vec<f32>,
    pub summary: Vec<f32>,
    pub gains: Option<Vec<f32>>,
    pub positions: Option<Vec<f32>>,
    pub bias: Vec<f32>,
}

impl Layer {
    pub fn integers(case: &Case, seed: u64) -> Self {
        // Blends by quarters of multiples of four are integers.
        let step = if has_positions(&case.placement) { 4.0 } else { 1.0 };
        Self::generate(case, seed, Random::integer, step)
    }

    pub fn floats(case: &Case, seed: u64) -> Self {
        Self::generate(case, seed, Random::float, 1.0)
    }

    fn generate(case: &Case, seed: u64, number: fn(&mut Random) -> f32, step: f32) -> Self {
        let geometry = FsGeometry::new(case.placement.clone(), case.conv).expect(case.name);
        let [batch, height, width] = case.size;
        let input = batch * geometry.channels() * height * width;
        let mut random = Random(seed);
        let mut numbers = |count: usize| (0..count).map(|_| number(&mut random)).collect::<Vec<f32>>();
        let placement = geometry.placement();
        let output = geometry.output_shape([batch, geometry.channels(), height, width]).expect(case.name);
        Self {
            x: numbers(input),
            summary: numbers(placement.length()).iter().map(|value| value * step).collect(),
            gains: placement.has_gains().then(|| numbers(placement.gains())),
            bias: numbers(placement.filters()),
            grad: numbers(output.iter().product()),
            size: case.size,
            geometry,
        }
    }

    pub fn input_shape(&self) -> [usize; 4] {
        let [batch, height, width] = self.size;
        [batch, self.geometry.channels(), height, width]
    }

    pub fn output_shape(&self) -> [usize; 4] {
        self.geometry.output_shape(self.input_shape()).unwrap()
    }

    pub fn problem(&self) -> Problem {
        Problem::new(self.geometry.placement(), self.geometry.conv(), self.size).unwrap()
    }

    pub fn filter_summary(&self) -> FilterSummary {
        let summary = FilterSummary::new(self.summary.clone(), self.geometry.placement().clone()).unwrap();
        self.gains.iter().fold(summary, |summary, gains| summary.with_gains(gains.clone()).unwrap())
    }

    fn operands<'a>(&'a self, summary: &'a FilterSummary) -> Operands<'a> {
        Operands { bias: Some(&self.bias), ..Operands::new(&self.x, summary) }
    }

    fn reference(&self) -> Gradients {
        let summary = self.filter_summary();
        reference::gradients(&self.problem(), &self.operands(&summary), &self.grad).unwrap()
    }

    fn bias_gradient(&self) -> Reference {
        let [_, filters, height, width] = self.output_shape();
        let (mut output, mut magnitude) = (vec![0.0; filters], vec![0.0; filters]);
        for (at, &grad) in self.grad.iter().enumerate() {
            let filter = at / (height * width) % filters;
            output[filter] += f64::from(grad);
            magnitude[filter] += f64::from(grad.abs());
        }
        Reference { output, magnitude }
    }

    /// The layer by this crate.
    pub fn ours(&self, device: &Device) -> Results {
        self.run(device, |x, weights| fs_conv2d(x, weights, &self.geometry).unwrap())
    }

    /// The layer by burn's operations, filter by filter.
    pub fn oracle(&self, device: &Device) -> Results {
        self.run(device, |x, weights| oracle::conv2d(x, weights, &self.geometry))
    }

    /// Forward, and backward from the gradient of the output.
    pub fn run(&self, device: &Device, conv: impl Fn(Tensor<4>, FsWeights) -> Tensor<4>) -> Results {
        let device = &device.clone().autodiff();
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device);
        let placement = self.geometry.placement();
        let x = tensor(&self.x).reshape(self.input_shape()).detach().require_grad();
        let summary = tensor(&self.summary).require_grad();
        let shape = [placement.filters(), placement.taps()];
        let gains = self.gains.as_ref().map(|gains| tensor(gains).reshape(shape).detach().require_grad());
        let positions = self.geometry.positions().map(|positions| tensor(positions).require_grad());
        let bias = tensor(&self.bias).require_grad();
        let weights = FsWeights::new(summary.clone())
            .with_gains(gains.clone())
            .with_positions(positions.clone())
            .with_bias(bias.clone());
        let y = conv(x.clone(), weights);
        assert_eq!(y.dims(), self.output_shape());
        let grad = tensor(&self.grad).reshape(self.output_shape());
        let gradients = (y.clone() * grad).sum().backward();
        let values = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        Results {
            x: values(x.grad(&gradients).unwrap().flatten(0, 3)),
            summary: values(summary.grad(&gradients).unwrap()),
            gains: gains.map(|gains| values(gains.grad(&gradients).unwrap().flatten(0, 1))),
            positions: positions.map(|positions| values(positions.grad(&gradients).unwrap())),
            bias: values(bias.grad(&gradients).unwrap()),
            y: values(y.inner().flatten(0, 3)),
        }
    }
}

/// A 3x3 convolution without stride over padded `[N, H, W]` images.
pub fn plain(name: &'static str, placement: Placement, size: [usize; 3]) -> Case {
    Case { name, placement, conv: Conv2d::padded(1), size, residual: false, activation: Activation::None }
}

pub fn has_positions(placement: &Placement) -> bool {
    matches!(placement.starts(), filter_summary::Starts::Learned { .. })
}

impl Results {
    /// The largest error against the reference in f64, as a fraction of what is allowed there for sums in f32, and what
    /// has it. `sizes` are those of numbers that are exact, or random.
    pub fn error(&self, layer: &Layer) -> (f64, &'static str) {
        let problem = layer.problem();
        let (want, terms) = (layer.reference(), GradientTerms::new(&problem));
        let forward = reference::conv2d(&problem, &layer.operands(&layer.filter_summary())).unwrap();
        let weights = problem.placement().window().weights();
        let bias = layer.bias_gradient();
        let pixels = layer.grad.len() / layer.bias.len();
        let optional = |got: &Option<Vec<f32>>, want: &Option<Reference>, terms| match (got, want) {
            (Some(got), Some(want)) => error_fraction(got, want, terms),
            (None, None) => 0.0,
            _ => f64::INFINITY,
        };
        let errors = [
            (error_fraction(&self.y, &forward, weights), "y"),
            (error_fraction(&self.x, &want.input, terms.input), "gradient of x"),
            (error_fraction(&self.summary, &want.summary, terms.summary), "gradient of the summary"),
            (optional(&self.gains, &want.gains, terms.gains), "gradient of gains"),
            (optional(&self.positions, &want.positions, terms.positions), "gradient of positions"),
            (error_fraction(&self.bias, &bias, pixels), "gradient of the bias"),
        ];
        errors.into_iter().max_by(|left, right| left.0.total_cmp(&right.0)).unwrap()
    }

    /// The first difference to the reference, where all is exact.
    pub fn difference(&self, layer: &Layer) -> Option<String> {
        let problem = layer.problem();
        let want = layer.reference();
        let forward = reference::conv2d(&problem, &layer.operands(&layer.filter_summary())).unwrap();
        let first = |name: &str, got: &[f32], want: &[f64]| {
            if got.len() != want.len() {
                return Some(format!("{name}: {} values, not {}", got.len(), want.len()));
            }
            let at = got.iter().zip(want).position(|(got, want)| f64::from(*got) != *want)?;
            Some(format!("{name}[{at}] is {}, not {}", got[at], want[at]))
        };
        let optional = |name: &str, got: &Option<Vec<f32>>, want: &Option<Reference>| match (got, want) {
            (Some(got), Some(want)) => first(name, got, &want.output),
            (None, None) => None,
            _ => Some(format!("{name}: there, or not")),
        };
        first("y", &self.y, &forward.output)
            .or_else(|| first("gradient of x", &self.x, &want.input.output))
            .or_else(|| first("gradient of summary", &self.summary, &want.summary.output))
            .or_else(|| optional("gradient of gains", &self.gains, &want.gains))
            .or_else(|| optional("gradient of positions", &self.positions, &want.positions))
            .or_else(|| first("gradient of bias", &self.bias, &layer.bias_gradient().output))
    }
}
