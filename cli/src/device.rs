//! `--device`: where a command computes.

use anyhow::{Result, anyhow, bail};
use filter_summary::standalone::{self, Gpu};
use filter_summary::wgpu;

use crate::output;

/// Which device computes.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct DeviceArgs {
    /// auto, cpu, an adapter's index (see fsnet devices), or part of its name
    #[arg(long, value_name = "auto|cpu|INDEX|NAME", default_value = "auto")]
    device: String,

    /// Fail instead of falling back to the CPU
    #[arg(long)]
    require_gpu: bool,
}

/// An open device.
#[derive(Debug)]
pub(crate) enum Device {
    /// An adapter, hardware or software.
    Gpu(Box<Gpu>),
    /// The CPU executor.
    Cpu,
}

impl Device {
    /// For people and `--json`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Gpu(gpu) => output::one_line(&gpu.describe()),
            Self::Cpu => cpu_name(),
        }
    }
}

/// The CPU executor's name.
pub(crate) fn cpu_name() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("CPU ({threads} threads)")
}

impl DeviceArgs {
    /// Opens the device asked for. Falls back to the CPU, with a notice, only when nothing in particular was asked for.
    pub(crate) fn open(&self) -> Result<Device> {
        if self.device.eq_ignore_ascii_case("cpu") {
            if self.require_gpu {
                bail!("--device cpu and --require-gpu exclude each other");
            }
            return Ok(Device::Cpu);
        }
        let adapters = standalone::adapters();
        if !self.device.eq_ignore_ascii_case("auto") {
            let adapter = find(&adapters, &self.device)?;
            return open(adapter);
        }
        let mut refused = None;
        for adapter in &adapters {
            match open(adapter) {
                Ok(device) => return Ok(device),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            None if self.require_gpu => Err(anyhow!("no GPU adapter found")),
            None => {
                output::notice("no GPU adapter found: running on the CPU");
                Ok(Device::Cpu)
            }
            Some(error) if self.require_gpu => Err(error),
            Some(error) => {
                output::notice(&format!("{error:#}: running on the CPU"));
                Ok(Device::Cpu)
            }
        }
    }

    /// The adapter that [`Self::open`] would open, `None` for the CPU. Says nothing about it.
    pub(crate) fn adapter(&self) -> Result<Option<wgpu::Adapter>> {
        if self.device.eq_ignore_ascii_case("cpu") {
            return Ok(None);
        }
        let adapters = standalone::adapters();
        if self.device.eq_ignore_ascii_case("auto") {
            let first = adapters.into_iter().next();
            if first.is_none() && self.require_gpu {
                bail!("no GPU adapter found");
            }
            return Ok(first);
        }
        find(&adapters, &self.device).map(|adapter| Some(adapter.clone()))
    }
}

fn open(adapter: &wgpu::Adapter) -> Result<Device> {
    let gpu = Gpu::open(adapter)
        .map_err(|error| anyhow!("{} cannot be opened: {error}", standalone::describe(&adapter.get_info())))?;
    Ok(Device::Gpu(Box::new(gpu)))
}

/// An adapter by index, or else by a part of its description in any case.
fn find<'a>(adapters: &'a [wgpu::Adapter], wanted: &str) -> Result<&'a wgpu::Adapter> {
    if adapters.is_empty() {
        bail!("--device {wanted}: no GPU adapter found");
    }
    if let Ok(index) = wanted.parse::<usize>() {
        let last = adapters.len() - 1;
        return adapters.get(index).ok_or_else(|| anyhow!("--device {wanted}: the last adapter is {last}"));
    }
    let names: Vec<String> = adapters.iter().map(|adapter| standalone::describe(&adapter.get_info())).collect();
    let position = names.iter().position(|name| name.to_lowercase().contains(&wanted.to_lowercase()));
    position.and_then(|at| adapters.get(at)).ok_or_else(|| {
        anyhow!("--device {wanted}: no adapter has that name, there is {}; or auto, cpu", names.join("; "))
    })
}
