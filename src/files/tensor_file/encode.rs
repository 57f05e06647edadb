//! Writing: tensors and metadata to bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;

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
#[non_exhaustive]
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

impl Values<'_> {
    /// Bytes of one of them.
    fn width(self) -> usize {
        match self {
            Values::I64(_) => 8,
            Values::F32(_) => 4,
            Values::F16(_) => 2,
            Values::U8(_) => 1,
        }
    }

    fn kind(self) -> (Dtype, usize) {
        match self {
            Values::F32(values) => (Dtype::F32, values.len()),
            Values::F16(values) => (Dtype::F16, values.len()),
            Values::U8(values) => (Dtype::U8, values.len()),
            Values::I64(values) => (Dtype::I64, values.len()),
        }
    }

    fn write(self, file: &mut impl Write) -> std::io::Result<()> {
        match self {
            Values::F32(values) => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
            Values::F16(values) => {
                values.iter().try_for_each(|&value| file.write_all(&half::f16::from_f32(value).to_le_bytes()))
            }
            Values::U8(values) => file.write_all(values),
            Values::I64(values) => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
        }
    }
}

/// The bytes of a safetensors file: the same for the same tensors and metadata, whenever they are written.
///
/// # Errors
/// When a name occurs twice or is reserved, or a shape and its values differ; or there is no memory for the bytes.
pub fn encode(tensors: &[NewTensor<'_>], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let layout = Layout::new(tensors, metadata)?;
    let mut bytes = Vec::new();
    let short = |_| Error::OutOfMemory {
        place: "this program",
        what: "the bytes of a file".to_owned(),
        bytes: Some(layout.length as u64),
    };
    bytes.try_reserve_exact(layout.length).map_err(short)?;
    layout.write(&mut bytes).map_err(|error| Error::format("file", error))?;
    Ok(bytes)
}

/// Where everything of a file lies, before it is written.
pub(super) struct Layout<'a> {
    /// The length of the header, and the header.
    front: Vec<u8>,
    ordered: Vec<&'a NewTensor<'a>>,
    /// Bytes of the file.
    length: usize,
}

impl<'a> Layout<'a> {
    /// # Errors
    /// When a name occurs twice or is reserved, or a shape and its values differ.
    pub(super) fn new(tensors: &'a [NewTensor<'a>], metadata: &BTreeMap<String, String>) -> Result<Self> {
        #[derive(Serialize)]
        struct Entry<'a> {
            dtype: Dtype,
            shape: &'a [usize],
            data_offsets: [usize; 2],
        }
        // Wide elements first, so that all are aligned.
        let mut ordered: Vec<&NewTensor<'_>> = tensors.iter().collect();
        ordered.sort_by_key(|tensor| (Reverse(tensor.values.width()), &tensor.name));
        let to_json = |error: serde_json::Error| Error::format("header", error);
        let mut header = serde_json::Map::new();
        if !metadata.is_empty() {
            header.insert(METADATA.to_owned(), serde_json::to_value(metadata).map_err(to_json)?);
        }
        let mut end = 0;
        for tensor in &ordered {
            let begin = end;
            let (dtype, length) = tensor.values.kind();
            end += length * tensor.values.width();
            let place = format!("tensor {}", tensor.name);
            if tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) != Some(length) {
                return Err(Error::format(
                    place,
                    format!("its shape {:?} does not hold {length} values", tensor.shape),
                ));
            }
            let entry = Entry { dtype, shape: &tensor.shape, data_offsets: [begin, end] };
            let entry = serde_json::to_value(entry).map_err(to_json)?;
            if tensor.name == METADATA || header.insert(tensor.name.clone(), entry).is_some() {
                return Err(Error::format(place, "the name is reserved or occurs twice"));
            }
        }
        let mut header = serde_json::to_vec(&header).map_err(to_json)?;
        header.resize(header.len().next_multiple_of(LENGTH_BYTES), b' ');
        let mut front = (header.len() as u64).to_le_bytes().to_vec();
        front.extend(header);
        Ok(Self { length: front.len() + end, front, ordered })
    }

    pub(super) fn write(&self, file: &mut impl Write) -> std::io::Result<()> {
        file.write_all(&self.front)?;
        self.ordered.iter().try_for_each(|tensor| tensor.values.write(file))
    }
}
