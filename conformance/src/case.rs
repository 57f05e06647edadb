//! Tests as ONNX keeps them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use filter_summary::onnx::GivenTensor;

/// A test: `test_NAME/model.onnx` and `test_NAME/test_data_set_*`.
#[derive(Debug)]
pub struct Case {
    /// `test_NAME`.
    pub name: String,
    /// The bytes of the model.
    pub model: Vec<u8>,
    /// What goes in and comes out.
    pub data: Vec<DataSet>,
}

/// Inputs and outputs, in their order.
#[derive(Debug)]
pub struct DataSet {
    /// The bytes of each input.
    pub inputs: Vec<Vec<u8>>,
    /// Each output; none where one is no tensor of numbers.
    pub outputs: Option<Vec<GivenTensor>>,
}

/// The folders of all tests below a folder, by name.
///
/// # Errors
/// When the system refuses.
pub fn cases(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut cases: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
    cases.retain(|case| case.join("model.onnx").is_file());
    cases.sort();
    Ok(cases)
}

impl Case {
    /// Reads a test.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |path: PathBuf| fs::read(&path).with_context(|| path.display().to_string());
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut data = Vec::new();
        for set in (0..).map(|at| folder.join(format!("test_data_set_{at}"))).take_while(|set| set.is_dir()) {
            let files = |kind: &str| -> Result<Vec<Vec<u8>>> {
                let paths = (0..).map(|at| set.join(format!("{kind}_{at}.pb")));
                paths.take_while(|path| path.is_file()).map(read).collect()
            };
            let outputs = files("output")?.iter().map(|bytes| GivenTensor::parse(bytes)).collect::<Result<_, _>>();
            data.push(DataSet { inputs: files("input")?, outputs: outputs.ok() });
        }
        Ok(Self { name, model: read(folder.join("model.onnx"))?, data })
    }
}
