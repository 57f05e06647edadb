//! What a driver has told of a variant, by names that are the same for all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::code::{Compiler, Program};
use crate::fault::{Result, at};

/// A variant compiled.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Told {
    /// Why it is not.
    pub(crate) error: Option<String>,
    /// Of a workgroup.
    #[serde(default)]
    pub(crate) threads: u32,
    /// Of workgroup memory.
    #[serde(default)]
    pub(crate) workgroup_bytes: u32,
    #[serde(default)]
    statistics: Map<String, Value>,
    #[serde(default)]
    texts: BTreeMap<String, String>,
    /// What the driver has printed meanwhile.
    #[serde(skip)]
    printed: Option<String>,
}

impl Told {
    /// Of `FOLDER/LABEL.json`, and of `FOLDER/LABEL.printed` where there is one.
    pub(crate) fn read(folder: &Path, label: &str) -> Result<Self> {
        let path = folder.join(format!("{label}.json"));
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let told: Self = serde_json::from_str(&text).map_err(at(&path))?;
        let printed = fs::read(folder.join(format!("{label}.printed"))).ok();
        Ok(Self { printed: printed.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), ..told })
    }

    pub(crate) fn program(&self, compiler: Compiler) -> Option<Program> {
        compiler.read(&self.texts, self.printed.as_deref())
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.statistics.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
    }

    fn sum(&self, names: &[&str]) -> u32 {
        names.iter().filter_map(|name| self.number(name)).sum()
    }

    /// Registers of 32 bits a thread.
    pub(crate) fn registers(&self, compiler: Compiler) -> Option<u32> {
        match compiler {
            Compiler::Aco => self.number("VGPRs"),
            Compiler::Nak => self.number("Number of GPRs"),
            // Told in halves.
            Compiler::Agx => self.number("GPRs").map(|halves| halves.div_ceil(2)),
            // Told in quads.
            Compiler::Ir3 => self.number("Registers used").map(|quads| 4 * quads),
            Compiler::Brw => self.number("Max live registers"),
        }
    }

    /// Waves of a SIMD (AMD), warps of a multiprocessor (NVIDIA), threads of a core (Apple), waves of a core (Adreno).
    pub(crate) fn waves(&self, compiler: Compiler) -> Option<u32> {
        match compiler {
            Compiler::Aco => self.number("Subgroups per SIMD"),
            Compiler::Nak => self.number("Max warps/SM"),
            Compiler::Agx => self.number("Threads"),
            Compiler::Ir3 => self.number("Max Waves Per Core"),
            Compiler::Brw => None,
        }
    }

    /// Stores of what registers do not hold, into memory: scalar registers of AMD too, which go to vector registers.
    pub(crate) fn spills(&self) -> u32 {
        self.sum(&["Spilled VGPRs", "Spilled SGPRs", "Spills to memory", "Spills", "STP Count", "Spill count"])
    }

    /// Bytes a thread of memory for spills and arrays.
    pub(crate) fn scratch(&self) -> u32 {
        self.sum(&["Scratch size", "SLM size", "Scratch", "Scratch Memory Size"])
    }

    pub(crate) fn instructions(&self) -> Option<u32> {
        let names = ["Instructions", "Instruction count", "Instruction Count"];
        names.iter().find_map(|name| self.number(name))
    }
}
