//! The machine's adapters, and what of an adapter is measured.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::fsnet::Fsnet;
use crate::model::Adapter;

/// What `fsnet devices` says, and the adapter that was chosen.
pub(crate) struct Adapters {
    /// All of it.
    pub(crate) json: Value,
    pub(crate) chosen: Listed,
    /// The same as results name it.
    pub(crate) adapter: Adapter,
}

#[derive(Deserialize)]
struct Devices {
    adapters: Vec<Listed>,
}

/// An adapter.
#[derive(Deserialize, Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) index: usize,
    name: String,
    backend: String,
    driver: String,
    pub(crate) software: bool,
    features: Vec<String>,
    /// Why nothing runs on it.
    error: Option<String>,
    kernels: Vec<Tier>,
}

#[derive(Deserialize, Debug, Clone)]
struct Tier {
    family: String,
}

/// Kernels that are measured apart from those of the plan's choice in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// What their labels end with.
    pub(crate) suffix: &'static str,
    /// For `fsnet bench`.
    pub(crate) arguments: &'static [&'static str],
}

const F16: Variant = Variant { suffix: "f16", arguments: &["--storage", "f16", "--family", "tiled"] };
const MATRIX: Variant = Variant { suffix: "matrix", arguments: &["--storage", "f16", "--family", "matrix"] };
const PORTABLE: Variant = Variant { suffix: "portable", arguments: &["--family", "portable"] };

impl Adapters {
    /// Asks fsnet.
    pub(crate) fn list(fsnet: &Fsnet, wanted: Option<&str>, limit: Duration) -> Result<Self> {
        let json: Value = serde_json::from_str(&fsnet.json(&["devices"], limit)?).context("fsnet's JSON")?;
        let devices: Devices = serde_json::from_value(json.clone()).context("fsnet's JSON")?;
        let chosen = choose(&devices.adapters, wanted)?.clone();
        let Listed { name, backend, driver, software, .. } = chosen.clone();
        // What it tells of the driver in two, the benchmark tells apart, once it runs.
        let adapter = Adapter { backend, name, driver, driver_info: String::new(), software };
        Ok(Self { json, chosen, adapter })
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        let Listed { index, name, backend, driver, features, .. } = &self.chosen;
        format!("adapter {index}, {backend}: {name}, {driver}; {}", features.join(", "))
    }
}

/// The adapter with that index, or else that part of a name; without a wish the first that opens.
fn choose<'a>(adapters: &'a [Listed], wanted: Option<&str>) -> Result<&'a Listed> {
    let Some(wanted) = wanted else {
        let refused = || adapters.iter().find_map(|adapter| adapter.error.clone());
        let opens = adapters.iter().find(|adapter| adapter.error.is_none());
        return opens.with_context(|| refused().unwrap_or_else(|| "no adapter found".to_owned()));
    };
    let named = |adapter: &&Listed| match wanted.parse::<usize>() {
        Ok(index) => adapter.index == index,
        Err(_) => adapter.name.to_lowercase().contains(&wanted.to_lowercase()),
    };
    let Some(found) = adapters.iter().find(named) else {
        let names: Vec<String> = adapters.iter().map(|adapter| format!("{} {}", adapter.index, adapter.name)).collect();
        bail!("--device {wanted}: there is {}", if names.is_empty() { "none".to_owned() } else { names.join("; ") });
    };
    match &found.error {
        Some(error) => bail!("--device {wanted}: {error}"),
        None => Ok(found),
    }
}

impl Listed {
    /// What it has beside the plan's choice in f32.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        let family = |name: &str| self.kernels.iter().any(|tier| tier.family == name);
        let f16 = self.features.iter().any(|feature| feature == "f16");
        let mut variants = Vec::new();
        // Software adapters have the tiles of GPUs, but only unpack f16.
        if !self.software && f16 && family("tiled") {
            variants.push(F16);
        }
        if family("matrix") {
            variants.push(MATRIX);
        }
        if !self.software && family("tiled") {
            variants.push(PORTABLE);
        }
        variants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(index: usize, name: &str, families: &[&str]) -> Listed {
        let kernels = families.iter().map(|&family| Tier { family: family.to_owned() }).collect();
        Listed { index, name: name.to_owned(), kernels, features: vec!["f16".to_owned()], ..Listed::default() }
    }

    #[test]
    fn an_adapter_is_chosen_by_index_or_name_or_because_it_opens() {
        let mut adapters = [listed(0, "NVIDIA H200", &[]), listed(1, "llvmpipe (LLVM)", &[])];
        let index = |adapters: &[Listed], wanted: Option<&str>| choose(adapters, wanted).map(|found| found.index);
        assert_eq!(index(&adapters, None).unwrap(), 0);
        assert_eq!(index(&adapters, Some("1")).unwrap(), 1);
        assert_eq!(index(&adapters, Some("LLVMpipe")).unwrap(), 1);
        let error = index(&adapters, Some("7")).unwrap_err().to_string();
        assert_eq!(error, "--device 7: there is 0 NVIDIA H200; 1 llvmpipe (LLVM)");
        adapters[0].error = Some("its driver refuses".to_owned());
        assert_eq!(index(&adapters, None).unwrap(), 1);
        assert_eq!(index(&adapters, Some("h200")).unwrap_err().to_string(), "--device h200: its driver refuses");
        assert_eq!(index(&adapters[..1], None).unwrap_err().to_string(), "its driver refuses");
        assert_eq!(index(&[], None).unwrap_err().to_string(), "no adapter found");
        assert_eq!(index(&[], Some("0")).unwrap_err().to_string(), "--device 0: there is none");
    }

    #[test]
    fn variants_are_those_that_the_adapter_has() {
        let suffixes = |listed: &Listed| listed.variants().iter().map(|one| one.suffix).collect::<Vec<_>>();
        let gpu = listed(0, "gpu", &["portable", "tiled", "matrix"]);
        assert_eq!(suffixes(&gpu), ["f16", "matrix", "portable"]);
        assert_eq!(suffixes(&listed(0, "gpu", &["portable", "tiled"])), ["f16", "portable"]);
        assert_eq!(suffixes(&Listed { features: Vec::new(), ..gpu.clone() }), ["matrix", "portable"]);
        assert!(
            suffixes(&Listed { software: true, ..listed(0, "cpu", &["portable", "software", "tiled"]) }).is_empty()
        );
    }
}
