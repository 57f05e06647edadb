//! ONNX's node tests: a folder each, with a model of one node, and what goes in and comes out.

mod case;
pub mod mutate;
mod run;

pub use case::{Case, DataSet, cases};
pub use run::{Outcome, Runner};
