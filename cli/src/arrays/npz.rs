//! NumPy's `.npz`: a zip archive of `.npy` files, stored or deflated.

use std::io::{Cursor, Read, Write};

use anyhow::{Context, Result, ensure};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{Array, Arrays, npy, room_for};

/// What the names of arrays end in.
const EXTENSION: &str = ".npy";

/// Where a member's header has the length of its name, and the name.
const NAME_LENGTH: usize = 26;
const NAME: usize = 30;

/// Bytes of an array that are inflated whatever they were, and how many times what they were beyond: a few bytes of a
/// hostile file would fill the memory.
const INFLATED: u64 = 256 << 20;
const RATIO: u64 = 100;

/// Whether a file begins as an archive whose first member is an array.
pub(super) fn is_npz(bytes: &[u8]) -> bool {
    let name = || {
        let length = bytes.get(NAME_LENGTH..)?.first_chunk()?;
        bytes.get(NAME..)?.get(..usize::from(u16::from_le_bytes(*length)))
    };
    bytes.starts_with(b"PK\x03\x04") && name().is_some_and(|name| name.ends_with(EXTENSION.as_bytes()))
}

/// Reads the arrays called `names`; others are not inflated.
pub(super) fn parse(bytes: &[u8], names: &[&str]) -> Result<Arrays> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).context("the archive")?;
    let mut arrays = Arrays::default();
    for at in 0..archive.len() {
        let file = archive.name_for_index(at).unwrap_or(Ok("".into())).context("the archive")?.into_owned();
        match file.strip_suffix(EXTENSION) {
            Some(name) if names.contains(&name) => {
                let array = inflate(&mut archive, at, bytes.len()).with_context(|| format!("array {name}"))?;
                arrays.wanted.insert(name.to_owned(), array);
            }
            name => arrays.others.push(name.unwrap_or(&file).to_owned()),
        }
    }
    Ok(arrays)
}

/// The array of a member of an archive of `length` bytes.
fn inflate(archive: &mut ZipArchive<Cursor<&[u8]>>, at: usize, length: usize) -> Result<Array> {
    let member = archive.by_index(at)?;
    let (size, stored) = (member.size(), member.compressed_size().min(length as u64));
    let most = INFLATED.max(stored.saturating_mul(RATIO));
    ensure!(size <= most, "its {stored} bytes inflate to {size}: at most {most} are read");
    let mut bytes = Vec::new();
    // With one byte more the size is wrong; behind the last one the checksum is compared.
    member.take(size + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 == size, "its size is not the {size} bytes that the archive tells");
    ensure!(npy::is_npy(&bytes), "it is no .npy file");
    npy::parse(&bytes)
}

/// The bytes of an archive of arrays, stored as NumPy's `savez` does.
pub(super) fn encode(arrays: &[(String, Array)]) -> Result<Vec<u8>> {
    let values: usize = arrays.iter().map(|(_, array)| array.values.len()).sum();
    let mut writer = ZipWriter::new(Cursor::new(room_for(4 * values + 1024 * arrays.len())?));
    for (name, array) in arrays {
        let bytes = npy::encode(array)?;
        let is_large = u32::try_from(bytes.len()).is_err();
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(is_large);
        writer.start_file(format!("{name}{EXTENSION}"), options)?;
        writer.write_all(&bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
