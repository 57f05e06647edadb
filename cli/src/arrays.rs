//! Named arrays in a file: safetensors, NumPy's `.npy` and `.npz`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use filter_summary::tensor_file::{NewTensor, TensorFile, Values, encode, read_file, write_beside};

mod npy;
mod npz;

/// What the array of an `.npy` file is called, which has no name.
const NAMELESS: &str = "input";

/// An array in C order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// What is read of a file.
#[derive(Debug, Default)]
pub(crate) struct Arrays {
    /// Those that were asked for and are there.
    pub(crate) wanted: BTreeMap<String, Array>,
    /// The names of all others.
    pub(crate) others: Vec<String>,
}

/// Reads the arrays called `names`, of whatever kind the file is by its first bytes.
pub(crate) fn read(path: &Path, names: &[&str]) -> Result<Arrays> {
    let bytes = read_file(path)?;
    parse(&bytes, names).with_context(|| path.display().to_string())
}

fn parse(bytes: &[u8], names: &[&str]) -> Result<Arrays> {
    if npy::is_npy(bytes) {
        let array = npy::parse(bytes).with_context(|| format!("array {NAMELESS}"))?;
        return Ok(Arrays { wanted: BTreeMap::from([(NAMELESS.to_owned(), array)]), others: Vec::new() });
    }
    // Archives of other kinds are not safetensors either, which says what they are.
    if npz::is_npz(bytes) {
        return npz::parse(bytes, names);
    }
    let mut file = TensorFile::parse(bytes)?;
    let mut arrays = Arrays::default();
    for name in names {
        if let Some(tensor) = file.take(name) {
            let array = Array { shape: tensor.shape().to_vec(), values: tensor.numbers()? };
            arrays.wanted.insert((*name).to_owned(), array);
        }
    }
    arrays.others = file.names().map(str::to_owned).collect();
    Ok(arrays)
}

/// Writes arrays beside their place and renames it: `.npy` and `.npz` by the name of the file, else safetensors.
pub(crate) fn write(path: &Path, arrays: &[(String, Array)]) -> Result<()> {
    let bytes = match (extension(path).as_str(), arrays) {
        ("npy", [(_, array)]) => npy::encode(array)?,
        ("npy", _) => bail!("{}: an .npy file holds one array, not {}", path.display(), arrays.len()),
        ("npz", _) => npz::encode(arrays)?,
        _ => {
            let tensors = arrays.iter().map(|(name, Array { shape, values })| NewTensor {
                name: name.clone(),
                shape: shape.clone(),
                values: Values::F32(values),
            });
            encode(&tensors.collect::<Vec<_>>(), &BTreeMap::new())?
        }
    };
    Ok(write_beside(path, &bytes)?)
}

/// Refuses a place for so many arrays before they are computed.
pub(crate) fn check_place(path: &Path, arrays: usize) -> Result<()> {
    if extension(path) == "npy" && arrays != 1 {
        bail!("{}: an .npy file holds one array, and the network has {arrays} outputs", path.display());
    }
    Ok(())
}

/// Of a file's name, in small letters.
fn extension(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}

/// An empty vector with room for so many elements, or an error where there is no memory for them.
fn room_for<T>(count: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    if vector.try_reserve_exact(count).is_err() {
        let bytes = count.saturating_mul(size_of::<T>());
        bail!("this program is out of memory for {bytes} bytes of it");
    }
    Ok(vector)
}
