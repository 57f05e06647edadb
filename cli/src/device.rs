//! `--device`: where a command computes.

use anyhow::{Result, anyhow, bail};
use filter_summary::Error;
use filter_summary::standalone::{self, Gpu};
use filter_summary::wgpu;

use crate::output;

mod choice;

use choice::{Candidate, choose};

/// Which device computes.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct DeviceArgs {
    /// auto, cpu, an adapter's index (see fsnet devices), or part of its name. auto takes a GPU, and the CPU rather
    /// than a software adapter
    #[arg(long, value_name = "auto|cpu|INDEX|NAME", default_value = "auto", value_parser = named)]
    device: String,

    /// Fail instead of computing on the CPU; auto then takes a software adapter, too
    #[arg(long)]
    require_gpu: bool,
}

/// What somebody typed, without the blanks around it.
fn named(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("it is empty: give auto, cpu, an adapter's index or part of its name"),
        name => Ok(name.to_owned()),
    }
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
    let threads = rayon::current_num_threads();
    format!("CPU ({threads} thread{})", if threads == 1 { "" } else { "s" })
}

/// The device that a command computes on.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) device: Device,
    /// Nobody asked for this one, nor for what the CPU lacks: the CPU may take over.
    pub(crate) replaceable: bool,
}

impl Chosen {
    /// Makes something on the device; where that cannot hold it and nobody asked for this device, says so and makes
    /// it on the CPU.
    pub(crate) fn make<T>(self, mut make: impl FnMut(Device) -> Result<T>) -> Result<T> {
        let Self { device, replaceable } = self;
        match make(device) {
            Err(error) if replaceable && is_too_much(&error) => {
                output::notice(&format!("{error:#}: running on the CPU"));
                make(Device::Cpu)
            }
            made => made,
        }
    }
}

/// Whether a device lacks room or kernels for something, which says nothing about others.
fn is_too_much(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<Error>();
    error.is_some_and(|error| {
        matches!(
            error,
            Error::Limit { .. } | Error::Unsupported { .. } | Error::OutOfMemory { place: "the device", .. }
        )
    })
}

/// What to do about an error, to be put behind it.
pub(crate) fn way_out(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref::<Error>() {
        Some(Error::Limit { .. }) => "; --device cpu has no such limit",
        _ => "",
    }
}

impl DeviceArgs {
    /// What applies where nobody asks for anything else.
    pub(crate) fn auto(require_gpu: bool) -> Self {
        Self { device: "auto".to_owned(), require_gpu }
    }

    /// Opens the device asked for. Where nothing in particular was asked for, says what it takes and why: a GPU, else
    /// the CPU executor, or, where `need` says why it must be one, any adapter.
    pub(crate) fn open(&self, need: Option<&str>) -> Result<Chosen> {
        self.open_saying(need, output::notice)
    }

    /// [`Self::open`], without a word.
    pub(crate) fn open_quietly(&self, need: Option<&str>) -> Result<Device> {
        Ok(self.open_saying(need, |_| ())?.device)
    }

    /// [`Self::open`], with what it says.
    pub(crate) fn open_saying(&self, need: Option<&str>, mut say: impl FnMut(&str)) -> Result<Chosen> {
        let chosen = |device| Ok(Chosen { device, replaceable: false });
        if self.device.eq_ignore_ascii_case("cpu") {
            if self.require_gpu {
                bail!("--device cpu and --require-gpu exclude each other");
            }
            return chosen(Device::Cpu);
        }
        let adapters = standalone::adapters()?;
        if !self.device.eq_ignore_ascii_case("auto") {
            return chosen(Device::Gpu(Box::new(Gpu::open(find(&adapters, &self.device)?)?)));
        }
        let candidates: Vec<Candidate> = adapters.iter().map(Candidate::new).collect();
        let choice = choose(&candidates, need.is_some() || self.require_gpu, |at| Gpu::open(&adapters[at]));
        if self.require_gpu && choice.taken.is_none() {
            let refused = choice.refused.into_iter().next();
            return Err(refused.map_or_else(|| anyhow!(none_found()), Into::into));
        }
        choice.refused.iter().for_each(|error| say(&format!("{error}: passed over")));
        // Whoever requires an adapter need not be told that it is there.
        if !self.require_gpu {
            say(&choice.reason(&candidates, need));
        }
        match choice.taken {
            Some((_, gpu)) => {
                Ok(Chosen { device: Device::Gpu(Box::new(gpu)), replaceable: need.is_none() && !self.require_gpu })
            }
            None => chosen(Device::Cpu),
        }
    }
}

/// That there is no adapter, and what the search was limited to.
fn none_found() -> String {
    let listed = std::env::var("WGPU_BACKEND").unwrap_or_default();
    let is_limit = listed.split(',').any(|name| !name.trim().is_empty());
    let limit =
        if is_limit { format!(" (WGPU_BACKEND limits the search to {})", listed.trim()) } else { String::new() };
    format!("no GPU adapter found{limit}")
}

/// An adapter by index, or else by a part of its description in any case.
fn find<'a>(adapters: &'a [wgpu::Adapter], wanted: &str) -> Result<&'a wgpu::Adapter> {
    if adapters.is_empty() {
        bail!("--device {wanted}: {}", none_found());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> anyhow::Error {
        let (field, limit_name) = ("bytes of output".to_owned(), "max_storage_buffer_binding_size");
        anyhow::Error::from(Error::Limit { field, value: 2, limit_name, limit: 1 }).context("layer.safetensors")
    }

    fn out_of_memory(place: &'static str) -> anyhow::Error {
        Error::OutOfMemory { place, what: "output".to_owned(), bytes: Some(130_023_424) }.into()
    }

    /// How often something is made that fails at first.
    fn tries(replaceable: bool, error: impl Fn() -> anyhow::Error) -> (usize, Result<()>) {
        let mut tries = 0;
        let made = Chosen { device: Device::Cpu, replaceable }.make(|_| {
            tries += 1;
            if tries == 1 { Err(error()) } else { Ok(()) }
        });
        (tries, made)
    }

    #[test]
    fn the_cpu_takes_over_what_a_device_cannot_hold_unless_that_was_asked_for() {
        let errors: [&dyn Fn() -> anyhow::Error; 2] = [&limit, &|| out_of_memory("the device")];
        for error in errors {
            assert!(matches!(tries(true, error), (2, Ok(()))));
            assert!(matches!(tries(false, error), (1, Err(_))));
        }
        let lost = || Error::DeviceLost { what: "output".to_owned() }.into();
        let others: [&dyn Fn() -> anyhow::Error; 3] = [&lost, &|| anyhow!("no"), &|| out_of_memory("this program")];
        for error in others {
            assert!(matches!(tries(true, error), (1, Err(_))));
        }
    }

    #[test]
    fn refusals_name_the_way_out() {
        let error = limit();
        let text = format!("{error:#}{}", way_out(&error));
        let rule = "the device's max_storage_buffer_binding_size is 1; --device cpu has no such limit";
        assert_eq!(text, format!("layer.safetensors: bytes of output is 2: {rule}"));
        let error = out_of_memory("the device");
        assert_eq!(format!("{error:#}{}", way_out(&error)), "the device is out of memory for output, 124 MiB");
    }
}
