//! ONNX's node tests, a folder each with a model of one node, and what goes in and comes out; and models that are
//! broken on purpose.

mod broken;
mod case;
mod mutate;
mod reader;
mod run;

pub use broken::{Models, Report};
pub use case::{Case, DataSet, cases};
pub use reader::Reader;
pub use run::{Outcome, Runner};
