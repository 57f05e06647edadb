//! Mutants read: every one must be, or be refused by one line, in bounded time and memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::mutate::{Random, message, tensors};
use crate::reader::Reader;

/// Models that are broken on purpose.
#[derive(Debug, Default)]
pub struct Models(Vec<(Reader, Vec<u8>)>);

/// What became of mutants.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Those that were models still.
    pub read: usize,
    /// The longest that one took.
    pub slowest: Duration,
}

impl Models {
    /// Adds a file, or all of a folder, by their extensions: `onnx`, `pb` (a tensor of ONNX's), `safetensors`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&mut self, path: &Path) -> Result<()> {
        let named = || path.display().to_string();
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(named)?;
            let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
            let mut paths = paths.with_context(named)?;
            paths.sort();
            return paths.iter().try_for_each(|path| self.add(path));
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let bytes = || std::fs::read(path).with_context(named);
        let (reader, bytes) = match extension {
            Some("onnx") => (Reader::Onnx, bytes()?),
            Some("pb") => (Reader::OnnxTensor, bytes()?),
            Some("safetensors") => {
                let bytes = bytes()?;
                (if Reader::Layer.read(bytes.clone())? { Reader::Layer } else { Reader::Network }, bytes)
            }
            _ => return Ok(()),
        };
        self.0.push((reader, bytes));
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Reads so many mutants, of all models in turn.
    ///
    /// # Errors
    /// When there are no models, or a mutant is refused by more than a line that people read.
    pub fn read_mutants(&self, count: usize, seed: u64) -> Result<Report> {
        ensure!(!self.0.is_empty(), "there are no models");
        let mut random = Random(seed);
        let mut report = Report { read: 0, slowest: Duration::ZERO };
        for at in 0..count {
            let (reader, bytes) = &self.0[at % self.0.len()];
            let mutant = match reader {
                Reader::Onnx | Reader::OnnxTensor => message(bytes, &mut random),
                Reader::Network | Reader::Layer => tensors(bytes, &mut random),
            };
            let start = Instant::now();
            let is_read = reader.read(mutant).with_context(|| format!("mutant {at}"))?;
            report.slowest = report.slowest.max(start.elapsed());
            report.read += usize::from(is_read);
        }
        Ok(report)
    }
}
