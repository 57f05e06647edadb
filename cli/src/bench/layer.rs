//! The layers that are measured, and how they are written: `256x14`, `128-256x28/2`, `64x32@16`.

use std::fmt;
use std::str::FromStr;

use filter_summary::{Conv2d, Placement, Problem};

/// A 3x3 convolution with padding 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    channels: usize,
    filters: usize,
    /// Input height and width.
    size: usize,
    stride: usize,
    batch: usize,
}

/// The step between filters, as a fraction of the input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    times: usize,
    over: usize,
}

/// The layers of ResNet-18 on ImageNet: every stage's own, and one that halves the image.
pub(crate) fn resnet18() -> Vec<Layer> {
    let mut layers: Vec<Layer> =
        [(64, 56), (128, 28), (256, 14), (512, 7)].map(|(c, size)| Layer::square(c, size, 1)).into();
    layers.insert(2, Layer { channels: 128, filters: 256, size: 28, stride: 2, batch: 1 });
    layers
}

/// The layers of ResNet-20 (16, 32, 64 channels) and of ResNet-18 (64 and more) on CIFAR-10.
pub(crate) fn cifar() -> Vec<Layer> {
    let shapes = [(16, 32), (32, 16), (64, 8), (64, 32), (128, 16), (256, 8), (512, 4)];
    shapes.map(|(channels, size)| Layer::square(channels, size, 16)).into()
}

/// What is enough for a first impression.
pub(crate) fn quick() -> Vec<Layer> {
    vec![Layer::square(64, 56, 1), Layer::square(256, 14, 1)]
}

impl Layer {
    fn square(channels: usize, size: usize, batch: usize) -> Self {
        Self { channels, filters: channels, size, stride: 1, batch }
    }

    /// The convolution with a tap-major summary of this step.
    pub(crate) fn problem(&self, step: Step) -> filter_summary::Result<Problem> {
        // A step that is no whole number of values is rounded down; the library refuses 0.
        let step = self.channels.saturating_mul(step.times) / step.over;
        let placement = Placement::tap_major(self.filters, self.channels, 3, 3, step)?;
        let conv = Conv2d { stride: [self.stride; 2], ..Conv2d::padded(1) };
        Problem::new(&placement, conv, [self.batch, self.size, self.size])
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.channels)?;
        if self.filters != self.channels {
            write!(f, "-{}", self.filters)?;
        }
        write!(f, "x{}", self.size)?;
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
            let (channels, size) = rest.split_once('x')?;
            let (channels, filters) = channels.split_once('-').unwrap_or((channels, channels));
            let number = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
            Some(Self {
                channels: number(channels)?,
                filters: number(filters)?,
                size: number(size)?,
                stride: number(stride)?,
                batch: number(batch)?,
            })
        };
        parse().ok_or_else(|| "write it like 256x14, 128-256x28/2 or 64x32@16".to_owned())
    }
}

impl Step {
    /// One tap.
    pub(crate) const C: Self = Self { times: 1, over: 1 };
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.times != 1 {
            write!(f, "{}", self.times)?;
        }
        f.write_str("C")?;
        if self.over != 1 { write!(f, "/{}", self.over) } else { Ok(()) }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (times, over) = text.split_once(['C', 'c'])?;
            let number = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
            let times = if times.is_empty() { 1 } else { number(times)? };
            let over = if over.is_empty() { 1 } else { number(over.strip_prefix('/')?)? };
            Some(Self { times, over })
        };
        parse().ok_or_else(|| "write it like C, C/2, 2C or 3C/2".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_read_as_they_print() {
        for text in ["256x14", "128-256x28/2", "64x32@16", "3-64x224/2@8"] {
            assert_eq!(text.parse::<Layer>().unwrap().to_string(), text);
        }
        for text in ["", "256", "x14", "256x", "0x14", "256x14/0", "a-bx3"] {
            assert!(text.parse::<Layer>().is_err(), "{text}");
        }
    }

    #[test]
    fn steps_read_as_they_print() {
        for text in ["C", "C/2", "2C", "3C/2"] {
            assert_eq!(text.parse::<Step>().unwrap().to_string(), text);
        }
        for text in ["", "2", "C2", "0C", "C/0", "C/"] {
            assert!(text.parse::<Step>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_listed_layers_are_problems() {
        for layer in [resnet18(), cifar(), quick()].concat() {
            assert!(layer.problem(Step::C).is_ok(), "{layer}");
        }
    }
}
