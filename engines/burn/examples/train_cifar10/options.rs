//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::fault::{Fault, Result};

/// Trains a small network of Filter Summaries with tap gains on CIFAR-10 by burn's training loop, writes it as a
/// network file that `fsnet` runs, and counts its right answers on the test set.
///
/// SGD (momentum 0.9), weight decay for all weights but gains, a learning rate that rises over a fifth of the steps and
/// falls to 0, random crops and flips.
#[derive(Parser, Clone, Debug)]
#[command(name = "train_cifar10")]
pub(crate) struct Options {
    /// A folder of CIFAR-10's binary files: data_batch_1.bin to data_batch_5.bin and test_batch.bin, or .bin.xz; with
    /// fewer training files, from the first on, those are trained on
    pub(crate) data: PathBuf,

    /// Where checkpoints, metrics and the trained network go
    #[arg(long, value_name = "DIR", default_value = "train-cifar10")]
    pub(crate) out: PathBuf,

    /// How often all training images are seen
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = positive)]
    pub(crate) epochs: usize,

    /// Images of a step, on each device
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = positive)]
    pub(crate) batch: usize,

    /// At most so many steps an epoch, for trying it out [default: as many as there are whole batches]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) steps: Option<usize>,

    /// Go on after this epoch of an earlier run with the same --out and the same other options; it sees the same
    /// batches as a run that was never interrupted
    #[arg(long, value_name = "EPOCH", value_parser = positive)]
    pub(crate) resume: Option<usize>,

    /// Of initial weights, order and crops
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// The highest learning rate
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    pub(crate) lr: f64,

    /// What part of a weight is added to its gradient; gains, norms and biases have none
    #[arg(long, value_name = "X", default_value_t = 5e-4)]
    pub(crate) weight_decay: f32,

    /// Where it computes: flex is burn's backend for CPUs
    #[arg(long, value_enum, default_value_t = Kind::Flex)]
    pub(crate) device: Kind,

    /// Devices that each compute the gradients of a batch of their own, by burn's MultiDevice strategy: discrete GPUs 0
    /// to N - 1, or N workers on the CPU. burn moves gradients and weights between them through the first. Its
    /// DistributedDataParallel needs collective operations, which burn's wgpu devices do not have yet (CUDA's have):
    /// on wgpu it does not run, and is not offered here
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub(crate) devices: usize,

    /// Images as they are, instead of random crops and flips
    #[arg(long)]
    pub(crate) no_augment: bool,

    /// Images in the order of the files, in every epoch
    #[arg(long)]
    pub(crate) no_shuffle: bool,

    /// Write the initial weights as safetensors, for pytorch.py
    #[arg(long, value_name = "FILE")]
    pub(crate) save_initial: Option<PathBuf>,

    /// Write the settings and the loss of every step
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Flex,
    Wgpu,
}

impl Options {
    /// What clap does not check.
    pub(crate) fn check(&self) -> Result<()> {
        if !(self.lr > 0.0 && self.lr <= 1.0) {
            return Err(Fault::option("--lr", self.lr, "it must be above 0 and at most 1"));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(Fault::option("--weight-decay", self.weight_decay, "it must be 0 or above"));
        }
        let Some(epoch) = self.resume else { return Ok(()) };
        if epoch >= self.epochs {
            let rule = format!("--epochs is {}, so that nothing is left to train", self.epochs);
            return Err(Fault::option("--resume", epoch, rule));
        }
        // burn panics where one is missing.
        let files = ["model", "optim", "scheduler"].map(|what| format!("checkpoint/{what}-{epoch}.bpk"));
        match files.iter().map(|file| self.out.join(file)).find(|path| !path.is_file()) {
            Some(path) => Err(Fault::file(&path, format!("there is no checkpoint of epoch {epoch}"))),
            None => Ok(()),
        }
    }
}

fn positive(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}
