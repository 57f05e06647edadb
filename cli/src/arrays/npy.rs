//! NumPy's `.npy`: a header and one array, read with suspicion. No number in it is believed, or allocated by, before
//! it is checked against the bytes that are there.

use anyhow::{Result, bail, ensure};

use super::{Array, room_for};

mod element;
mod header;

use element::Element;
use header::Header;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Most dimensions: NumPy has no more.
const DIMENSIONS: usize = 64;

/// Headers end at a multiple of so many bytes.
const ALIGNMENT: usize = 64;

/// Whether a file begins as one.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads an array of real numbers, in C order whatever its own.
pub(super) fn parse(bytes: &[u8]) -> Result<Array> {
    let (Header { descr, fortran_order, shape }, data) = header::split(bytes)?;
    let element = Element::of(&descr)?;
    ensure!(shape.len() <= DIMENSIONS, "it has {} dimensions: at most {DIMENSIONS} are read", shape.len());
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    let Some((count, length)) = count.and_then(|count| Some((count, count.checked_mul(element.width())?))) else {
        bail!("its shape {shape:?} overflows");
    };
    ensure!(
        data.len() == length,
        "its shape {shape:?} of {descr} takes {length} bytes: {} follow the header{}",
        data.len(),
        if data.len() < length { " (truncated?)" } else { "" }
    );
    let mut values = room_for(count)?;
    element.read(data, &mut values)?;
    let values = if fortran_order { in_c_order(&shape, &values)? } else { values };
    Ok(Array { shape, values })
}

/// Values whose first index runs fastest, with the last running fastest.
fn in_c_order(shape: &[usize], values: &[f32]) -> Result<Vec<f32>> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &size in shape {
        strides.push(stride);
        stride *= size;
    }
    let mut ordered = room_for(values.len())?;
    let (mut index, mut from) = (vec![0; shape.len()], 0);
    for _ in 0..values.len() {
        ordered.push(values[from]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(ordered)
}

/// The bytes of a file, little-endian and in C order.
pub(super) fn encode(array: &Array) -> Result<Vec<u8>> {
    let sizes: String = array.shape.iter().map(|size| format!("{size}, ")).collect();
    // A tuple of one has its comma, others need none.
    let sizes = if array.shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}");
    let front = MAGIC.len() + 4;
    let length = (front + text.len() + 1).next_multiple_of(ALIGNMENT) - front;
    let mut bytes = room_for(front + length + 4 * array.values.len())?;
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&u16::try_from(length)?.to_le_bytes());
    bytes.extend_from_slice(format!("{text:width$}\n", width = length - 1).as_bytes());
    array.values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    Ok(bytes)
}

#[cfg(test)]
mod tests;
