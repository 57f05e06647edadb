//! Executors of a network by the size of their images.

use super::Network;
use crate::error::{Error, Result};

/// What runs a network, by the size of its images: made when a size first comes, kept for the next time.
///
/// `F` is whatever runs it: a [`CpuNetwork`](super::CpuNetwork), a [`GpuNetwork`](super::GpuNetwork), or both. Of more
/// sizes than `most` the one that was asked for longest ago is dropped, with its plans, weights and memory. Networks on
/// a GPU share pipelines where these are, and may share [`Activations`](super::Activations).
///
/// ```
/// use filter_summary::network::{BySize, ConvOp, CpuNetwork, Network};
/// use filter_summary::Conv2d;
///
/// let mut net = Network::builder([1, 8, 8])?;
/// let conv = net.conv("conv", net.input(), ConvOp::dense(vec![1.0; 9], [1, 1, 3, 3], Conv2d::default())?)?;
/// let mean = net.global_avg_pool("mean", conv)?;
///
/// let mut forwards = BySize::new(net.finish(mean)?, 4)?;
/// for [height, width] in [[8, 8], [5, 9], [8, 8]] {
///     let forward = forwards.get([height, width], |network| CpuNetwork::new(network, 1, None))?;
///     assert_eq!(forward.run(&vec![1.0; height * width])?, [9.0]);
/// }
/// assert_eq!(forwards.sizes().collect::<Vec<_>>(), [[5, 9], [8, 8]]);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct BySize<F> {
    network: Network,
    most: usize,
    /// The one asked for last is last.
    made: Vec<([usize; 2], F)>,
}

impl<F> BySize<F> {
    /// Nothing yet, of a network and for at most so many sizes at a time.
    ///
    /// # Errors
    /// When `most` is 0.
    pub fn new(network: Network, most: usize) -> Result<Self> {
        if most == 0 {
            return Err(Error::value("most", 0, "it must be at least 1, the size at hand"));
        }
        Ok(Self { network, most, made: Vec::new() })
    }

    /// The network, as it was given.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What runs images of a height and a width; `make` makes it of the network of that size where it is not there.
    ///
    /// # Errors
    /// As [`Network::with_input_size`] and `make`; then nothing has changed.
    pub fn get(&mut self, size: [usize; 2], make: impl FnOnce(&Network) -> Result<F>) -> Result<&mut F> {
        if self.find(size).is_none() {
            let made = make(&self.network_of(size)?)?;
            self.insert(size, made);
        }
        // It is the one asked for last now.
        let last = self.made.len() - 1;
        Ok(&mut self.made[last].1)
    }

    /// What runs images of a height and a width, if it is there. Where making it has to be awaited, as on a GPU in
    /// browsers, make it of [`BySize::network_of`] and [`BySize::insert`] it.
    pub fn find(&mut self, size: [usize; 2]) -> Option<&mut F> {
        let at = self.made.iter().position(|(of, _)| *of == size)?;
        self.made[at..].rotate_left(1);
        self.made.last_mut().map(|(_, made)| made)
    }

    /// The network for images of a height and a width, which shares the weights of the one given.
    ///
    /// # Errors
    /// As [`Network::with_input_size`].
    pub fn network_of(&self, size: [usize; 2]) -> Result<Network> {
        self.network.with_input_size(size)
    }

    /// Keeps what runs images of a height and a width, in place of what was there.
    pub fn insert(&mut self, size: [usize; 2], made: F) {
        self.made.retain(|(of, _)| *of != size);
        if self.made.len() == self.most {
            self.made.remove(0);
        }
        self.made.push((size, made));
    }

    /// The sizes that are there, `[height, width]`; the one asked for last is last.
    pub fn sizes(&self) -> impl Iterator<Item = [usize; 2]> {
        self.made.iter().map(|&(size, _)| size)
    }
}
