//! Writing: tensors and metadata to bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use safetensors::Dtype;
use serde::Serialize;

use super::{LENGTH_BYTES, METADATA};
use crate::error::{Error, Result};

/// A tensor to write with [`encode`].
#[derive(Debug, Clone)]
pub struct NewTensor<'a> {
    /// Its name, unique in the file.
    pub name: String,
    /// Its dimensions; their product is the number of values.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Values<'a>,
}

/// Values of a tensor to write.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// F32.
    F32(&'a [f32]),
    /// F16, each rounded to nearest.
    F16(&'a [f32]),
    /// U8.
    U8(&'a [u8]),
    /// I64.
    I64(&'a [i64]),
}

/// The bytes of a safetensors file: the same for the same tensors and metadata, whenever they are written.
///
/// # Errors
/// When a name occurs twice or is reserved, or a shape and its values differ.
pub fn encode(tensors: &[NewTensor<'_>], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Entry<'a> {
        dtype: Dtype,
        shape: &'a [usize],
        data_offsets: [usize; 2],
    }
    // Wide elements first, so that all are aligned.
    let mut ordered: Vec<&NewTensor<'_>> = tensors.iter().collect();
    let width = |values| match values {
        Values::I64(_) => 8,
        Values::F32(_) => 4,
        Values::F16(_) => 2,
        Values::U8(_) => 1,
    };
    ordered.sort_by_key(|tensor| (Reverse(width(tensor.values)), &tensor.name));
    let to_json = |error: serde_json::Error| Error::format("header", error);
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA.to_owned(), serde_json::to_value(metadata).map_err(to_json)?);
    }
    let mut data = Vec::new();
    for tensor in ordered {
        let begin = data.len();
        let (dtype, length) = match tensor.values {
            Values::F32(values) => {
                data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                (Dtype::F32, values.len())
            }
            Values::F16(values) => {
                data.extend(values.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()));
                (Dtype::F16, values.len())
            }
            Values::U8(values) => {
                data.extend(values);
                (Dtype::U8, values.len())
            }
            Values::I64(values) => {
                data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                (Dtype::I64, values.len())
            }
        };
        let place = format!("tensor {}", tensor.name);
        if tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) != Some(length) {
            return Err(Error::format(place, format!("its shape {:?} does not hold {length} values", tensor.shape)));
        }
        let entry = Entry { dtype, shape: &tensor.shape, data_offsets: [begin, data.len()] };
        let entry = serde_json::to_value(entry).map_err(to_json)?;
        if tensor.name == METADATA || header.insert(tensor.name.clone(), entry).is_some() {
            return Err(Error::format(place, "the name is reserved or occurs twice"));
        }
    }
    let mut header = serde_json::to_vec(&header).map_err(to_json)?;
    header.resize(header.len().next_multiple_of(LENGTH_BYTES), b' ');
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + header.len() + data.len());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(data);
    Ok(bytes)
}
