//! What reads files that anybody may have written: each must be read, or refused by a line.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use filter_summary::layer_file::LayerFile;
use filter_summary::network::Network;
use filter_summary::onnx::{GivenTensor, Options, import};

/// The most bytes of a refusal: it names what is wrong, and does not recite the file.
const LONGEST_LINE: usize = 10_000;

/// A reader of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Of ONNX models.
    Onnx,
    /// Of single ONNX tensors.
    OnnxTensor,
    /// Of networks.
    Network,
    /// Of single layers.
    Layer,
}

impl Reader {
    /// Reads a file, and says whether it could be read. Networks that were read are written, and read once more.
    ///
    /// # Errors
    /// When a refusal is more than a line that people read, or a network is not what was written.
    pub fn read(self, bytes: Vec<u8>) -> Result<bool> {
        let outcome = match self {
            Self::Onnx => import(bytes, &Options::default()).map(|imported| Some(imported.network)),
            Self::OnnxTensor => GivenTensor::parse(&bytes).map(|_| None),
            Self::Network => Network::from_bytes(&bytes).map(Some),
            Self::Layer => LayerFile::from_bytes(&bytes).map(|_| None),
        };
        match outcome {
            Ok(network) => {
                network.as_ref().map_or(Ok(()), is_written_whole)?;
                Ok(true)
            }
            Err(error) => {
                let text = error.to_string();
                ensure!(!text.contains('\n') && text.len() < LONGEST_LINE, "no line for people: {text}");
                Ok(false)
            }
        }
    }
}

fn is_written_whole(network: &Network) -> Result<()> {
    let written = network.to_bytes(&BTreeMap::new()).context("a network that was read cannot be written")?;
    let again = Network::from_bytes(&written).context("a network that was written cannot be read")?;
    ensure!(again.to_bytes(&BTreeMap::new())? == written, "a network is another when it is read again");
    Ok(())
}
