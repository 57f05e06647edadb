//! The program that is measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::process;

/// `fsnet`, and the adapter that it takes.
pub(crate) struct Fsnet {
    program: PathBuf,
    /// Where it runs: models are named from there.
    root: PathBuf,
    device: String,
}

impl Fsnet {
    pub(crate) fn new(program: &Path, root: &Path) -> Self {
        Self { program: program.to_owned(), root: root.to_owned(), device: "auto".to_owned() }
    }

    /// Has it take the adapter with this index.
    pub(crate) fn choose(&mut self, index: usize) {
        self.device = index.to_string();
    }

    /// The JSON that `fsnet ARGUMENTS --json` prints.
    pub(crate) fn json(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root).args(arguments).arg("--json");
        process::output(&mut command, limit).map_err(|error| {
            let text = format!("{error:#}");
            anyhow!("{}", text.strip_prefix("fsnet: error: ").unwrap_or(&text).to_owned())
        })
    }

    /// The same of `fsnet bench`, on the adapter.
    pub(crate) fn bench(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        self.json(&[&["bench", "--device", &self.device, "--require-gpu"], arguments].concat(), limit)
    }
}
