//! ONNX models as networks: constants folded, patterns of exporters recognised, batch norms joined to convolutions.
//!
//! What is read of a file, which operators become what, and what is refused, `docs/onnx.md` says. A model is read with
//! suspicion: no number in it is believed or allocated by before it is checked.

mod activation;
mod batch;
mod branch;
mod budget;
mod call;
mod draft;
mod emit;
mod external;
mod fold;
mod fuse;
mod graph;
mod import;
mod imported;
mod input;
mod kind;
mod lower;
mod messages;
mod moved;
mod names;
mod old;
mod options;
mod outline;
mod refusal;
mod repetition;
mod shapes;
mod tensor;
mod tie;
mod view;
mod wire;

#[cfg(all(test, feature = "cpu", feature = "files"))]
mod tests;

#[cfg(feature = "files")]
use std::path::Path;

pub use emit::{CHANNELS_LAST, INPUT_LAYOUT, INPUT_NAME};
pub use imported::{Imported, ImportedInput, ImportedOutput};
pub use options::Options;
pub use outline::{ModelNode, Outline};
pub use tensor::GivenTensor;

use crate::error::Result;
use crate::files::tensor_file::one_line;
#[cfg(feature = "files")]
use crate::files::tensor_file::read_file;
use external::External;

/// The names of ONNX's operators that are read: of values that are computed when a network runs. Constants are folded
/// through others too.
pub fn operators() -> impl Iterator<Item = &'static str> {
    lower::operators()
}

/// A model's inputs, outputs and nodes.
///
/// # Errors
/// When it is no model.
pub fn outline(model: &[u8]) -> Result<Outline> {
    one_line(Outline::of(model))
}

/// Makes a network of a model that lies in memory.
///
/// ```
/// use filter_summary::onnx::{Options, import};
///
/// // No model at all.
/// let error = import(vec![0xff; 8], &Options::default()).unwrap_err();
/// assert!(error.to_string().starts_with("ONNX model: it cannot be read"));
/// ```
///
/// # Errors
/// [`Error::Import`](crate::Error::Import) with all nodes that no network has; else one line that names what is wrong
/// with the model or the options.
pub fn import(model: Vec<u8>, options: &Options) -> Result<Imported> {
    one_line(import::import(model, options, External::default()))
}

/// The same of a file, and of files with weights in its folder.
///
/// # Errors
/// As [`import`], and when the system refuses to read the file.
#[cfg(feature = "files")]
pub fn load(path: &Path, options: &Options) -> Result<Imported> {
    let named = |error: crate::Error| match error {
        crate::Error::Format { place, reason } => {
            crate::Error::Format { place: format!("{}: {place}", path.display()), reason }
        }
        other => other,
    };
    one_line(read_file(path).and_then(|model| import::import(model, options, External::beside(path)).map_err(named)))
}
