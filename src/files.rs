//! Files: safetensors with networks and layers, and what is said of those that are none.

pub(crate) mod activation_json;
pub mod layer_file;
pub(crate) mod nearest;
pub(crate) mod stored_summary;
pub mod tensor_file;
