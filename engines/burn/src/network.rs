//! Whole networks as one operation.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::{Device, Tensor};
use filter_summary::Result;
use filter_summary::network::Network;

use crate::backend::FsBackend;
use crate::error::value;

/// A network of a file, for inference: burn sees one operation, from `[N, C, H, W]` to `[N, classes]`, which has no
/// gradient. On registered wgpu devices a forward pass is one submission, and reads and writes burn's tensors where
/// they are; elsewhere this crate's executor for CPUs runs it (feature `cpu`).
///
/// ```no_run
/// use burn::tensor::{Device, Tensor};
/// use filter_summary_burn::FsNetwork;
///
/// let device = filter_summary_burn::init(Device::wgpu_options())?;
/// let network = FsNetwork::load("models/resnet20-s2c.safetensors".as_ref(), &device)?;
/// let logits = network.forward(Tensor::<4>::zeros([8, 3, 32, 32], &device))?; // [8, 10]
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Clone)]
pub struct FsNetwork {
    shared: Arc<Shared>,
}

struct Shared {
    network: Network,
    #[cfg(feature = "wgpu")]
    on_devices: crate::cube::Networks,
    #[cfg(feature = "cpu")]
    on_cpu: std::sync::Mutex<Option<filter_summary::network::CpuNetwork>>,
}

impl FsNetwork {
    /// Reads and checks a file (`docs/format.md`), to be run on `device`. Weights go there with the first forward pass.
    ///
    /// # Errors
    /// One line that names the file, and the tensor, node or key at fault; and where nothing here can run it on such a
    /// device.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        Self::new(Network::load(path)?, device)
    }

    /// A network that was read or built, to be run on `device`.
    ///
    /// # Errors
    /// Where nothing here can run it on such a device.
    pub fn new(network: Network, device: &Device) -> Result<Self> {
        #[cfg(feature = "wgpu")]
        let is_registered = crate::cube::is_registered(device);
        #[cfg(not(feature = "wgpu"))]
        let is_registered = false;
        if !is_registered && !cfg!(feature = "cpu") {
            let rule = "it must be a wgpu device that was registered, or this crate have its feature cpu";
            return Err(value("device", format!("{device:?}"), rule));
        }
        let shared = Shared {
            network,
            #[cfg(feature = "wgpu")]
            on_devices: Default::default(),
            #[cfg(feature = "cpu")]
            on_cpu: Default::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What is run.
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// The forward pass, `[N, C, H, W]` to `[N, classes]`. Weights and activations are those of the largest N so far.
    ///
    /// # Errors
    /// When the input is not the network's.
    ///
    /// # Panics
    /// As burn's operations: when the device is lost or out of memory; and where the input is on another device than
    /// the network was loaded for, and nothing here can run it there.
    pub fn forward(&self, input: Tensor<4>) -> Result<Tensor<2>> {
        let [batch, given @ ..] = input.dims();
        let shape = self.network().input().shape;
        if given != shape {
            return Err(value("input", format!("{given:?}"), format!("the network's is {shape:?}")));
        }
        if batch == 0 {
            return Err(value("batch", 0, "it must be at least 1"));
        }
        Ok(Tensor::from_dispatch(Dispatch::fs_network(input.into_dispatch(), self.clone())))
    }

    /// Values of an output.
    pub(crate) fn classes(&self) -> usize {
        self.network().output().shape.iter().product()
    }

    #[cfg(feature = "wgpu")]
    pub(crate) fn on_devices(&self) -> &crate::cube::Networks {
        &self.shared.on_devices
    }

    /// The forward pass of a batch on the CPU.
    #[cfg(feature = "cpu")]
    pub(crate) fn run_on_cpu(&self, batch: usize, input: &[f32]) -> Result<Vec<f32>> {
        use filter_summary::network::CpuNetwork;
        let mut kept = self.shared.on_cpu.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let made = match kept.take() {
            Some(made) if made.batch() == batch => made,
            _ => CpuNetwork::new(self.network(), batch, None)?,
        };
        kept.insert(made).run(input)
    }

    #[cfg(not(feature = "cpu"))]
    pub(crate) fn run_on_cpu(&self, _batch: usize, _input: &[f32]) -> Result<Vec<f32>> {
        Err(value("device", "of another kind", "this crate runs networks there with its feature cpu"))
    }
}

impl fmt::Debug for FsNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, input) = (self.network().nodes().len(), self.network().input().shape);
        write!(f, "FsNetwork({nodes} nodes, {input:?} to {})", self.classes())
    }
}
