//! Checks of a caller's buffers before they are bound.

use super::buffers::BufferRange;
use crate::error::{Error, Result};

/// Checks that a range holds `needed` bytes, lies in its buffer, is aligned and may be bound.
pub(crate) fn check_range(name: &str, range: &BufferRange<'_>, needed: u64, device: &wgpu::Device) -> Result<()> {
    let alignment = u64::from(device.limits().min_storage_buffer_offset_alignment);
    if range.size < needed {
        let rule = format!("it needs {needed} bytes, in whole words of 4");
        return Err(Error::value(format!("{name}.size"), range.size, rule));
    }
    if range.offset.checked_add(range.size).is_none_or(|end| end > range.buffer.size()) {
        let rule = format!("{} bytes from there must lie in a buffer of {}", range.size, range.buffer.size());
        return Err(Error::value(format!("{name}.offset"), range.offset, rule));
    }
    if !range.offset.is_multiple_of(alignment) {
        let rule = format!("it must be a multiple of min_storage_buffer_offset_alignment, {alignment}");
        return Err(Error::value(format!("{name}.offset"), range.offset, rule));
    }
    if !range.buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return Err(Error::value(
            format!("{name}.buffer"),
            format!("{:?}", range.buffer.usage()),
            "it needs usage STORAGE",
        ));
    }
    Ok(())
}

/// Checks that no range that is written, `(name, range, is it?)`, overlaps another.
pub(crate) fn check_overlaps(ranges: &[(&str, BufferRange<'_>, bool)]) -> Result<()> {
    for (name, range, _) in ranges.iter().filter(|(.., is_written)| *is_written) {
        let mut others = ranges.iter().filter(|(other, ..)| other != name);
        if let Some((other, ..)) = others.find(|(_, other, _)| range.overlaps(other)) {
            let rule = "it is written: it needs memory of its own";
            return Err(Error::value(*name, format!("overlapping {other}"), rule));
        }
    }
    Ok(())
}

/// The error of one buffer for a tensor that a dispatch writes and another that it binds.
pub(crate) fn one_buffer(written: &str, other: &str) -> Error {
    let rule = "plan with bind_read_write to keep several tensors in one buffer";
    Error::value(format!("{written}.buffer"), format!("that of {other}"), rule)
}
