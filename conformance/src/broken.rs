//! Mutants read: every one must be, or be refused by one line, in bounded time and memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use filter_summary::network::Network;
use filter_summary::onnx::{Options, import};

use crate::mutate::{Random, message, tensors};

/// Models that are broken on purpose.
#[derive(Debug, Default)]
pub struct Models(Vec<(Kind, Vec<u8>)>);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Onnx,
    Safetensors,
}

/// What became of mutants.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Those that were models still.
    pub read: usize,
    /// The longest that one took.
    pub slowest: Duration,
}

impl Models {
    /// Adds a file, or all of a folder, by their extensions.
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
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some("onnx") => Kind::Onnx,
            Some("safetensors") => Kind::Safetensors,
            _ => return Ok(()),
        };
        self.0.push((kind, std::fs::read(path).with_context(named)?));
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
            let (kind, bytes) = &self.0[at % self.0.len()];
            let start = Instant::now();
            let outcome = match kind {
                Kind::Onnx => import(message(bytes, &mut random), &Options::default()).map(drop),
                Kind::Safetensors => Network::from_bytes(&tensors(bytes, &mut random)).map(drop),
            };
            report.slowest = report.slowest.max(start.elapsed());
            match outcome {
                Ok(()) => report.read += 1,
                Err(error) => {
                    let text = error.to_string();
                    ensure!(!text.contains('\n') && text.len() < 10_000, "mutant {at}: {text}");
                }
            }
        }
        Ok(report)
    }
}
