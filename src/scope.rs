//! What wgpu reports about a device becomes an error of ours, without a handler or callback on the caller's device.

use crate::error::{Error, Result};
use crate::pipeline::one_line;

/// Runs `make` under wgpu's error scopes: out of memory, a lost device, and all else that wgpu reports is an error.
/// What `make` returns is valid otherwise.
///
/// In browsers the scopes resolve later than we can wait here; errors then go to the device's own handler.
pub(crate) fn checked<T>(device: &wgpu::Device, what: &str, make: impl FnOnce() -> T) -> Result<T> {
    sized(device, what, None, make)
}

/// A buffer, or why there is none.
pub(crate) fn allocate(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer> {
    check_size(device, label, size)?;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    sized(device, label, Some(size), || device.create_buffer(&descriptor))
}

/// A buffer with these contents, padded with zeros to whole words. Submits nothing.
pub(crate) fn upload(
    device: &wgpu::Device,
    label: &str,
    contents: &[u8],
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer> {
    let size = (contents.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
    written(device, label, size, usage, |range| range.slice(..contents.len()).copy_from_slice(contents))
}

/// A buffer of `size` bytes, whole words, that `write` fills from zeros. Submits nothing.
pub(crate) fn written(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
    write: impl FnOnce(&mut wgpu::BufferViewMut),
) -> Result<wgpu::Buffer> {
    if size == 0 {
        return allocate(device, label, size, usage);
    }
    check_size(device, label, size)?;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: true };
    // wgpu's own `create_buffer_init` panics when the buffer could not be made.
    scoped(device, label, Some(size), || {
        let buffer = device.create_buffer(&descriptor);
        // Where nothing is reported, and yet there is nothing to write to, the device is lost.
        let lost = |_| Error::DeviceLost { what: label.to_owned() };
        write(&mut buffer.get_mapped_range_mut(..).map_err(lost)?);
        buffer.unmap();
        Ok(buffer)
    })?
}

fn check_size(device: &wgpu::Device, label: &str, size: u64) -> Result<()> {
    let limit = device.limits().max_buffer_size;
    if size <= limit {
        return Ok(());
    }
    Err(Error::Limit { field: format!("bytes of {label}"), value: size, limit_name: "max_buffer_size", limit })
}

/// [`checked`], for something of a known size.
pub(crate) fn sized<T>(device: &wgpu::Device, what: &str, bytes: Option<u64>, make: impl FnOnce() -> T) -> Result<T> {
    let made = scoped(device, what, bytes, make)?;
    if is_lost(device) { Err(Error::DeviceLost { what: what.to_owned() }) } else { Ok(made) }
}

/// [`checked`], except that a lost device, on which wgpu makes dummies and reports nothing, goes unnoticed where
/// nothing else is wrong.
pub(crate) fn scoped<T>(device: &wgpu::Device, what: &str, bytes: Option<u64>, make: impl FnOnce() -> T) -> Result<T> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    let [validation, internal, memory] = [now(validation.pop()), now(internal.pop()), now(memory.pop())];
    // What fails for want of memory makes whatever is built on it invalid.
    if memory.flatten().is_some() {
        return Err(Error::OutOfMemory { place: "the device", what: what.to_owned(), bytes });
    }
    match validation.flatten().or(internal.flatten()) {
        None => Ok(made),
        // A lost device's resources are invalid, too.
        Some(_) if is_lost(device) => Err(Error::DeviceLost { what: what.to_owned() }),
        Some(error) => Err(Error::Gpu(one_line(&error.to_string()))),
    }
}

/// Whether a device is lost. wgpu tells a callback, of which a device has one, and that is its owner's; but a buffer
/// that is mapped from the start has memory exactly when it could be made.
pub(crate) fn is_lost(device: &wgpu::Device) -> bool {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("fs_probe"),
        size: wgpu::COPY_BUFFER_ALIGNMENT,
        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    let mapped = buffer.get_mapped_range(..).is_ok();
    buffer.destroy();
    let reported = [now(validation.pop()), now(memory.pop())].into_iter().flatten().flatten().next().is_some();
    !mapped && !reported
}

/// The value of a future that is ready already.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
