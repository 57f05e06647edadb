//! PNG and JPEG files to pixels, upright and whole.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use filter_summary::tensor_file::{Foreign, is_safetensors, read_file, recognize};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// Largest width and height that is decoded: what JPEG can express.
const SIDE_LIMIT: u32 = (1 << 16) - 1;

/// Most bytes of an image when it is decoded: a telephone's 200 megapixels and more.
const BYTES_LIMIT: u64 = 1 << 30;

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<DynamicImage> {
    let bytes = read_file(path)?;
    decode(&bytes).with_context(|| path.display().to_string())
}

/// Decodes PNG or JPEG, whatever the file's name is, and turns it as its EXIF data says that it is to be looked at.
pub(crate) fn decode(bytes: &[u8]) -> Result<DynamicImage> {
    ensure!(!bytes.is_empty(), "it is empty");
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let is_jpeg = match reader.format() {
        Some(ImageFormat::Png) => false,
        Some(ImageFormat::Jpeg) => true,
        _ => return Err(anyhow!("neither PNG nor JPEG{}", other_kind(bytes))),
    };
    // The decoder fills up with grey what is missing, and says nothing.
    ensure!(!is_jpeg || jpeg_has_its_end(bytes), "the JPEG is truncated: its end is missing");
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(BYTES_LIMIT);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    ensure!(width > 0 && height > 0, "the image has no pixels");
    ensure!(
        width.max(height) <= SIDE_LIMIT,
        "the image is {width}x{height}: neither side may be longer than {SIDE_LIMIT}"
    );
    let size = decoder.total_bytes();
    ensure!(
        size <= BYTES_LIMIT,
        "the image is {width}x{height}, {} MiB when it is decoded: it may have {}",
        size >> 20,
        BYTES_LIMIT >> 20
    );
    // The decoder would abort the program.
    let memory = Vec::<u8>::new().try_reserve_exact(usize::try_from(size)?);
    memory.map_err(|_| anyhow!("the image is {width}x{height}: there is no memory for its {} MiB", size >> 20))?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// What bytes are that are no picture, where that is known.
fn other_kind(bytes: &[u8]) -> String {
    if is_safetensors(bytes) {
        return ": it is safetensors, a model perhaps (--model)".to_owned();
    }
    match recognize(bytes) {
        Some(Foreign { what, remedy, stray: true }) => format!(": it is {what}: {remedy}"),
        Some(Foreign { what, .. }) => format!(": it is {what}"),
        None => String::new(),
    }
}

/// Whether a JPEG's segments and scans lead to the marker of its end. What follows it is not looked at, nor what is
/// inside of segments: cameras put more pictures into both.
fn jpeg_has_its_end(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut scans = 0;
    while let Some(at) = rest.iter().position(|&byte| byte == 0xff) {
        rest = &rest[at + 1..];
        match rest {
            // In a scan: a byte 255, and restarts. Anywhere: fill bytes.
            [0x00 | 0x01 | 0xd0..=0xd7 | 0xff, ..] => {}
            [0xd8, ..] if scans == 0 => {}
            [0xd9, ..] => return scans > 0,
            // The start of another picture before this one's end.
            [0xd8, ..] | [] => return false,
            [marker, ..] => {
                scans += usize::from(*marker == 0xda);
                let Some(&[high, low]) = rest.get(1..3).and_then(|length| length.first_chunk()) else { return false };
                let Some(behind) = rest.get(1 + usize::from(u16::from_be_bytes([high, low]))..) else { return false };
                rest = behind;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
