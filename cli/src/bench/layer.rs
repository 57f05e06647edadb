//! The layers that are measured, and how they are written: `256x14`, `128-256x28/2`, `64x32@16`, `3-64x224k7/2`.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use filter_summary::Conv2d;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A square convolution with the padding that keeps the image's size at stride 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    /// Input height and width.
    pub(crate) size: usize,
    /// Window height and width.
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) batch: usize,
}

/// Named lists of layers.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// ResNet-18 on ImageNet, one image: 3x3, stride 1 and 2
    Resnet18,
    /// The same channels at the sizes of CIFAR-10, 16 images
    Cifar,
    /// 1x1 layers of ResNet-50, one image
    Pointwise,
    /// First layers: 5x5 and 7x7 of 3 channels, stride 2
    First,
    /// ResNet-20 on CIFAR-10, 16 images
    Resnet20,
    /// For large GPUs: resnet18, pointwise and first in batches of 32 and 128, and a product of 4096x4096 matrices
    Large,
    /// resnet18, cifar, pointwise and first
    All,
}

impl Set {
    /// Its layers.
    pub(crate) fn layers(self) -> Vec<Layer> {
        let square = |channels, size, batch| Layer { batch, ..Layer::new(channels, channels, size) };
        let imagenet = [(64, 56), (128, 28), (256, 14), (512, 7)];
        let halving = [(64, 56), (128, 28), (256, 14)];
        match self {
            Self::Resnet18 => {
                let halving = halving.map(|(c, size)| Layer { stride: 2, ..Layer::new(c, 2 * c, size) });
                imagenet.map(|(c, size)| square(c, size, 1)).into_iter().chain(halving).collect()
            }
            Self::Cifar => [(64, 32), (128, 16), (256, 8), (512, 4)].map(|(c, size)| square(c, size, 16)).into(),
            Self::Pointwise => [(256, 64, 56), (64, 256, 56), (512, 128, 28)]
                .map(|(c, o, size)| Layer { kernel: 1, ..Layer::new(c, o, size) })
                .into(),
            Self::First => [5, 7].map(|kernel| Layer { kernel, stride: 2, ..Layer::new(3, 64, 224) }).into(),
            Self::Resnet20 => [(16, 32), (32, 16), (64, 8)].map(|(c, size)| square(c, size, 16)).into(),
            Self::Large => {
                let of_one = [Self::Resnet18, Self::Pointwise, Self::First].map(Self::layers).concat();
                let batches = [32, 128].map(|batch| of_one.iter().map(move |layer| Layer { batch, ..layer.clone() }));
                let product = Layer { kernel: 1, ..Layer::new(4096, 4096, 64) };
                batches.into_iter().flatten().chain([square(256, 56, 32), product]).collect()
            }
            Self::All => [Self::Resnet18, Self::Cifar, Self::Pointwise, Self::First].map(Self::layers).concat(),
        }
    }
}

/// What is enough for a first impression.
pub(crate) fn quick() -> Vec<Layer> {
    vec![Layer::new(64, 64, 56), Layer::new(256, 256, 14)]
}

impl Layer {
    /// 3x3, stride 1, one image.
    fn new(channels: usize, filters: usize, size: usize) -> Self {
        Self { channels, filters, size, kernel: 3, stride: 1, batch: 1 }
    }

    /// On every side.
    pub(crate) fn padding(&self) -> usize {
        self.kernel / 2
    }

    /// Stride and padding.
    pub(crate) fn conv(&self) -> Conv2d {
        Conv2d { stride: [self.stride; 2], ..Conv2d::padded(self.padding()) }
    }
}

/// As benchmarks of other libraries are asked for it.
impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Layer", 8)?;
        fields.serialize_field("layer", &self.to_string())?;
        fields.serialize_field("batch", &self.batch)?;
        fields.serialize_field("channels", &self.channels)?;
        fields.serialize_field("filters", &self.filters)?;
        fields.serialize_field("size", &self.size)?;
        fields.serialize_field("kernel", &self.kernel)?;
        fields.serialize_field("stride", &self.stride)?;
        fields.serialize_field("padding", &self.padding())?;
        fields.end()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.channels)?;
        if self.filters != self.channels {
            write!(f, "-{}", self.filters)?;
        }
        write!(f, "x{}", self.size)?;
        if self.kernel != 3 {
            write!(f, "k{}", self.kernel)?;
        }
        if self.stride != 1 {
            write!(f, "/{}", self.stride)?;
        }
        if self.batch != 1 { write!(f, "@{}", self.batch) } else { Ok(()) }
    }
}

impl FromStr for Layer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (rest, batch) = text.split_once('@').unwrap_or((text, "1"));
            let (rest, stride) = rest.split_once('/').unwrap_or((rest, "1"));
            let (rest, kernel) = rest.split_once('k').unwrap_or((rest, "3"));
            let (channels, size) = rest.split_once('x')?;
            let (channels, filters) = channels.split_once('-').unwrap_or((channels, channels));
            let number = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
            Some(Self {
                channels: number(channels)?,
                filters: number(filters)?,
                size: number(size)?,
                kernel: number(kernel)?,
                stride: number(stride)?,
                batch: number(batch)?,
            })
        };
        parse().ok_or_else(|| "write it like 256x14, 128-256x28/2, 64x32@16 or 3-64x224k7/2".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::Summary;
    use super::*;

    #[test]
    fn layers_read_as_they_print() {
        for text in ["256x14", "128-256x28/2", "64x32@16", "3-64x224k7/2@8", "256-64x56k1"] {
            assert_eq!(text.parse::<Layer>().unwrap().to_string(), text);
        }
        for text in ["", "256", "x14", "256x", "0x14", "256x14/0", "a-bx3", "3x4k", "3x4k0"] {
            assert!(text.parse::<Layer>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_listed_layers_are_problems() {
        for set in Set::value_variants() {
            for layer in set.layers() {
                assert!(Summary::Dense.problem(&layer).is_ok(), "{layer}");
            }
        }
        assert!(quick().iter().all(|layer| Summary::C.problem(layer).is_ok()));
    }
}
