//! Safetensors files, read with suspicion: no number in a file is believed, or allocated by,
//! before it is checked against the size of the file.
//!
//! The `safetensors` crate supplies the element types. Its reader is not used because its messages do not name
//! the tensor and it adds offsets of the file unchecked (offsets near 2^64 panic where overflow is checked),
//! its writer because it orders metadata at random.

#[cfg(feature = "files")]
mod disk;
mod encode;
mod foreign;
mod message;
mod numbers;
#[cfg(feature = "files")]
mod unfinished;

use std::collections::BTreeMap;
use std::fmt;

use safetensors::Dtype;
use serde::Deserialize as DeriveDeserialize;
use serde::de::value::{Error as DtypeError, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};

use crate::error::{Error, Result};
pub use crate::files::nearest::misspelt;
use crate::files::nearest::nearest;
#[cfg(all(feature = "tune", not(target_family = "wasm")))]
pub(crate) use disk::check_writable;
#[cfg(feature = "files")]
pub use disk::{check_output, read_file, read_tensors, write_beside};
#[cfg(feature = "files")]
pub(crate) use disk::{read_with, write_tensors};
pub use encode::{NewTensor, Values, encode};
pub use foreign::{Foreign, is_safetensors, recognize};
pub(crate) use message::one_line;
#[cfg(feature = "files")]
pub use unfinished::remove_unfinished;

/// Bytes before the header: its length, little-endian.
const LENGTH_BYTES: usize = 8;

/// Longest header that is parsed. It holds the graph, escaped, and a line for each tensor.
const HEADER_LIMIT: usize = 32 << 20;

const METADATA: &str = "__metadata__";

/// How many names are shown where one is missing.
const NEAREST: usize = 3;

/// The tensors and the metadata of a safetensors file that lies in memory.
#[derive(Debug)]
pub struct TensorFile<'a> {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Tensor<'a>>,
}

/// One tensor of a [`TensorFile`]; its bytes may lie at any alignment.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl<'a> TensorFile<'a> {
    /// Checks the header against the bytes: every tensor lies inside, none overlap, nothing is left over.
    ///
    /// # Errors
    /// One line that names the tensor or key at fault.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        one_line(Self::parse_raw(bytes))
    }

    fn parse_raw(bytes: &'a [u8]) -> Result<Self> {
        if let Some(foreign) = recognize(bytes) {
            return Err(Error::format("header", foreign));
        }
        let (header, data) = split_header(bytes)?;
        let header: Header = serde_json::from_slice(header).map_err(|error| Error::format("header", error))?;
        let mut by_offset: Vec<(String, RawTensor)> = header.tensors.into_iter().collect();
        by_offset.sort_by_key(|(_, raw)| raw.data_offsets);
        let mut tensors = BTreeMap::new();
        let mut end = 0;
        for (name, raw) in by_offset {
            let tensor = raw.tensor(&name, end, data)?;
            end += tensor.bytes.len();
            tensors.insert(name, tensor);
        }
        if end != data.len() {
            let reason = format!("the tensors fill {end} of the {} bytes after the header", data.len());
            return Err(Error::format("header", reason));
        }
        Ok(Self { metadata: header.metadata.unwrap_or_default(), tensors })
    }

    /// The metadata.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Names of the tensors that were not taken, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The dimensions of a tensor that was not taken.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Tensor::shape)
    }

    /// Takes a tensor out, so that those nobody asked for are left.
    pub fn take(&mut self, name: &str) -> Option<Tensor<'a>> {
        self.tensors.remove(name)
    }

    /// Takes a tensor that must be there.
    ///
    /// # Errors
    /// When it is missing, with the nearest names that are there.
    pub fn take_required(&mut self, name: &str) -> Result<Tensor<'a>> {
        self.take(name).ok_or_else(|| {
            let near = nearest(name, self.names(), NEAREST).join(", ");
            let there = if near.is_empty() { near } else { format!("; the nearest names are {near}") };
            Error::format(format!("tensor {name}"), format!("it is missing{there}"))
        })
    }

    /// Calls every tensor what `rename` makes of its name.
    ///
    /// # Errors
    /// When two would have the same name.
    pub fn rename(&mut self, rename: impl Fn(&str) -> String) -> Result<()> {
        let mut renamed: BTreeMap<String, Tensor<'a>> = BTreeMap::new();
        let mut old_names: BTreeMap<String, String> = BTreeMap::new();
        for (old, tensor) in std::mem::take(&mut self.tensors) {
            let new = rename(&old);
            if let Some(first) = old_names.insert(new.clone(), old.clone()) {
                let reason = format!("it and tensor {first} are both {new}: which is meant?");
                return one_line(Err(Error::format(format!("tensor {old}"), reason)));
            }
            renamed.insert(new.clone(), Tensor { name: new, ..tensor });
        }
        self.tensors = renamed;
        Ok(())
    }
}

impl Tensor<'_> {
    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Type of its values.
    pub(crate) fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// An error about this tensor.
    pub(crate) fn error(&self, reason: impl fmt::Display) -> Error {
        Error::format(format!("tensor {}", self.name), reason)
    }

    /// Checks the dimensions.
    ///
    /// # Errors
    /// When they are others.
    pub fn expect_shape(&self, shape: &[usize]) -> Result<()> {
        if self.shape == shape {
            Ok(())
        } else {
            Err(self.error(format!("its shape is {:?}: it must be {shape:?}", self.shape)))
        }
    }

    /// The values of an F32, F16, BF16 or F64 tensor, all finite: F64 values rounded to nearest, as PyTorch's
    /// `float()` does; the others are exact.
    ///
    /// # Errors
    /// When the dtype is another, or a value is infinite or NaN, or infinite in f32.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let values: Vec<f32> = match self.dtype {
            Dtype::F32 => self.values(f32::from_le_bytes),
            Dtype::F16 => self.values(|bytes| half::f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => self.values(|bytes| half::bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => self.values(|bytes| f64::from_le_bytes(bytes) as f32),
            other => return Err(self.error(format!("its dtype is {other:?}: it must be F32, F16, BF16 or F64"))),
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.error(format!("value {at} is {}: it must be finite", values[at]))),
            None => Ok(values),
        }
    }

    /// The values of an F16 tensor, all finite.
    ///
    /// # Errors
    /// When the dtype is another, or a value is infinite or NaN.
    pub fn to_f16(&self) -> Result<Vec<half::f16>> {
        self.expect_dtype(Dtype::F16)?;
        let values: Vec<half::f16> = self.values(half::f16::from_le_bytes);
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.error(format!("value {at} is {}: it must be finite", values[at]))),
            None => Ok(values),
        }
    }

    /// The values of a U8 tensor.
    ///
    /// # Errors
    /// When the dtype is another.
    pub fn to_u8(&self) -> Result<Vec<u8>> {
        self.expect_dtype(Dtype::U8)?;
        Ok(self.bytes.to_vec())
    }

    /// The values of an I64 tensor.
    ///
    /// # Errors
    /// When the dtype is another.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        self.expect_dtype(Dtype::I64)?;
        Ok(self.values(i64::from_le_bytes))
    }

    /// Every `N` bytes as a value.
    fn values<T, const N: usize>(&self, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (words, _) = self.bytes.as_chunks();
        words.iter().map(|&word| read(word)).collect()
    }

    /// Checks the type of the values.
    pub(crate) fn expect_dtype(&self, dtype: Dtype) -> Result<()> {
        if self.dtype == dtype {
            Ok(())
        } else {
            Err(self.error(format!("its dtype is {:?}: it must be {dtype:?}", self.dtype)))
        }
    }
}

/// Header and data of a file.
fn split_header(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        let reason = format!("{} bytes: too short for a safetensors file", bytes.len());
        return Err(Error::format("header", reason));
    };
    let length = u64::from_le_bytes(*length);
    if length > rest.len() as u64 {
        let reason =
            format!("its length is {length}: only {} bytes follow (truncated, or not safetensors)", rest.len());
        return Err(Error::format("header", reason));
    }
    if length > HEADER_LIMIT as u64 {
        return Err(Error::format("header", format!("its length is {length}: it must be at most {HEADER_LIMIT}")));
    }
    let (header, data) = rest.split_at(length as usize);
    if let Err(error) = std::str::from_utf8(header) {
        return Err(Error::format("header", format!("it is not UTF-8 from byte {} on", error.valid_up_to())));
    }
    Ok((header, data))
}

struct Header {
    metadata: Option<BTreeMap<String, String>>,
    tensors: BTreeMap<String, RawTensor>,
}

#[derive(DeriveDeserialize)]
#[serde(expecting = "an object with dtype, shape and data_offsets")]
struct RawTensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl RawTensor {
    /// The tensor, whose bytes must begin at `expected_begin` of `data`.
    fn tensor<'a>(self, name: &str, expected_begin: usize, data: &'a [u8]) -> Result<Tensor<'a>> {
        let error = |reason: String| Error::format(format!("tensor {name}"), reason);
        let dtype: StrDeserializer<'_, DtypeError> = self.dtype.as_str().into_deserializer();
        let dtype =
            Dtype::deserialize(dtype).map_err(|_| error(format!("its dtype is {}, which is unknown", self.dtype)))?;
        let [begin, end] = self.data_offsets;
        if begin != expected_begin {
            let what = if begin < expected_begin { "overlap the tensor before" } else { "leave a gap before" };
            return Err(error(format!("its bytes {begin}..{end} {what}: they must begin at {expected_begin}")));
        }
        let Some(bytes) = data.get(begin..end) else {
            let there = data.len();
            return Err(error(format!("its bytes {begin}..{end} do not lie in the {there} of the file (truncated?)")));
        };
        let elements = self.shape.iter().try_fold(1u128, |product, &size| product.checked_mul(size as u128));
        let Some(bits) = elements.and_then(|elements| elements.checked_mul(dtype.bitsize() as u128)) else {
            return Err(error(format!("its shape {:?} overflows", self.shape)));
        };
        if bits != bytes.len() as u128 * 8 {
            let reason = format!("its shape {:?} of {dtype:?} does not fill its {} bytes", self.shape, bytes.len());
            return Err(error(reason));
        }
        Ok(Tensor { name: name.to_owned(), dtype, shape: self.shape, bytes })
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header { metadata: None, tensors: BTreeMap::new() };
                let mut has_metadata = false;
                while let Some(key) = map.next_key::<String>()? {
                    let wrap = |error: A::Error| A::Error::custom(format!("{key}: {error}"));
                    let seen = if key == METADATA {
                        // Null is none, as the safetensors library has it.
                        let metadata: Option<UniqueStrings> = map.next_value().map_err(wrap)?;
                        header.metadata = metadata.map(|metadata| metadata.0);
                        std::mem::replace(&mut has_metadata, true)
                    } else {
                        let tensor: RawTensor = map.next_value().map_err(wrap)?;
                        header.tensors.insert(key.clone(), tensor).is_some()
                    };
                    if seen {
                        return Err(A::Error::custom(format!("{key} occurs twice")));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// A map of strings that refuses a key given twice: of two graphs, which would be meant?
struct UniqueStrings(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for UniqueStrings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringsVisitor;
        impl<'de> Visitor<'de> for StringsVisitor {
            type Value = UniqueStrings;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueStrings, A::Error> {
                let mut strings = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if strings.insert(key.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("{key} occurs twice")));
                    }
                }
                Ok(UniqueStrings(strings))
            }
        }
        deserializer.deserialize_map(StringsVisitor)
    }
}
