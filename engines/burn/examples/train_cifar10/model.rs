//! The network: a dense first layer, Filter Summaries with tap gains, a linear layer; and what a step of training is.

use burn::module::{Module, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use filter_summary_burn::{FsConv2d, FsConv2dConfig, FsPlacement};

use crate::data::{CHANNELS, CLASSES};
use crate::loader::CifarBatch;

/// Filters of the first layer.
const STEM: usize = 16;
/// Filters and stride of those that follow.
const LAYERS: [(usize, usize); 4] = [(32, 2), (32, 1), (64, 2), (64, 1)];

/// 3x3 convolution, batch norm, ReLU.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) conv: FsConv2d,
    pub(crate) norm: BatchNorm,
}

/// `[N, 3, 32, 32]` to `[N, 10]`.
#[derive(Module, Debug)]
pub(crate) struct Net {
    pub(crate) stem: Block,
    pub(crate) layers: Vec<Block>,
    pub(crate) head: Linear,
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, placement: FsPlacement, device: &Device) -> Self {
        let is_dense = placement == FsPlacement::Dense;
        // PyTorch's variances: 1/(3 * fan-in) for dense layers, and for the two factors of a layer with gains.
        let conv = FsConv2dConfig::new(channels, [3, 3], placement)
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_gains(!is_dense)
            .with_bias(false)
            .with_initializer(Initializer::KaimingNormal { gain: 1.0 / 3f64.sqrt(), fan_out_only: false });
        // A summary's length is rounded up for the kernels: all of its padding is zeros, and stays so.
        Self { conv: conv.init(device), norm: BatchNormConfig::new(channels[1]).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        activation::relu(self.norm.forward(self.conv.forward(x)))
    }
}

impl Net {
    /// With random weights, which depend on the device's seed.
    pub(crate) fn new(device: &Device) -> Self {
        let mut channels = STEM;
        let mut next = |(filters, stride): (usize, usize)| {
            let block = Block::new([channels, filters], stride, FsPlacement::TapMajor { step: channels }, device);
            channels = filters;
            block
        };
        let layers = LAYERS.map(&mut next).into();
        let head = LinearConfig::new(channels, CLASSES.len()).init(device);
        Self { stem: Block::new([CHANNELS, STEM], 1, FsPlacement::Dense, device), layers, head }
    }

    /// Logits.
    pub(crate) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let features = self.blocks().fold(images, |x, (_, block)| block.forward(x));
        let [batch, channels, ..] = features.dims();
        self.head.forward(features.mean_dims(&[2, 3]).reshape([batch, channels]))
    }

    /// The convolutions in order, by their names.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (String, &Block)> {
        let layers = self.layers.iter().enumerate().map(|(index, block)| (format!("layers.{index}"), block));
        std::iter::once(("stem".to_owned(), &self.stem)).chain(layers)
    }

    /// Numbers that are learned: the summaries' padding is none of them.
    pub(crate) fn parameters(&self) -> usize {
        let padding = |conv: &FsConv2d| conv.geometry().padded_length() - conv.geometry().placement().length();
        let count = |param: &Param<Tensor<1>>| param.dims()[0];
        let of_block = |block: &Block| {
            let gains = block.conv.gains.as_ref().map_or(0, |gains| gains.dims().iter().product());
            let norm = count(&block.norm.gamma) + count(&block.norm.beta);
            count(&block.conv.summary) - padding(&block.conv) + gains + norm
        };
        self.blocks().map(|(_, block)| of_block(block)).sum::<usize>()
            + self.head.weight.dims().iter().product::<usize>()
            + self.head.bias.as_ref().map_or(0, count)
    }

    fn classify(&self, CifarBatch { images, labels }: CifarBatch) -> ClassificationOutput {
        let logits = self.forward(images);
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits.clone(), labels.clone());
        ClassificationOutput::new(loss, logits, labels)
    }
}

impl TrainStep for Net {
    type Input = CifarBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: CifarBatch) -> TrainOutput<ClassificationOutput> {
        let output = self.classify(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = CifarBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: CifarBatch) -> ClassificationOutput {
        self.classify(batch)
    }
}
