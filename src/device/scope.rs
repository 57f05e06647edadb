//! What wgpu reports about a device becomes an error of ours, without a handler or callback on the caller's device.
//!
//! wgpu answers whether something could be made when its error scopes are popped: native back ends at once, browsers
//! later, when the page has returned to its event loop. So whatever makes things on a device is a future here; what it
//! makes is made when it is first polled, and no scope is open while it waits. Native programs drive it with
//! `crate::wait`.

use std::pin::Pin;

use crate::error::{Cause, Error, Result, one_line};

/// Runs `make` under wgpu's error scopes: out of memory, a lost device, and all else that wgpu reports is an error.
/// What `make` returns is valid otherwise.
///
/// A browser reports nothing about a lost device: see `Pipelines::check_lost`.
pub(crate) async fn checked<T>(device: &wgpu::Device, what: &str, make: impl FnOnce() -> T) -> Result<T> {
    sized(device, what, None, make).await
}

/// A buffer, or why there is none.
pub(crate) async fn allocate(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer> {
    check_size(device, label, size)?;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    sized(device, label, Some(size), || device.create_buffer(&descriptor)).await
}

/// A buffer with these contents, padded with zeros to whole words. Submits nothing.
pub(crate) async fn upload(
    device: &wgpu::Device,
    label: &str,
    contents: &[u8],
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer> {
    let size = (contents.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
    written(device, label, size, usage, |range| range.slice(..contents.len()).copy_from_slice(contents)).await
}

/// A buffer of `size` bytes, whole words, that `write` fills from zeros. Submits nothing.
pub(crate) async fn written(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
    write: impl FnOnce(&mut wgpu::BufferViewMut),
) -> Result<wgpu::Buffer> {
    if size == 0 {
        return allocate(device, label, size, usage).await;
    }
    check_size(device, label, size)?;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: true };
    // wgpu's own `create_buffer_init` panics when the buffer could not be made.
    let made = Scoped::make(device, label, Some(size), || {
        let buffer = device.create_buffer(&descriptor);
        // Where nothing is reported, and yet there is nothing to write to, the device is lost.
        let lost = |_| Error::DeviceLost { what: label.to_owned() };
        write(&mut buffer.get_mapped_range_mut(..).map_err(lost)?);
        buffer.unmap();
        Ok(buffer)
    });
    made.unless_reported().await?
}

fn check_size(device: &wgpu::Device, label: &str, size: u64) -> Result<()> {
    let limit = device.limits().max_buffer_size;
    if size <= limit {
        return Ok(());
    }
    Err(Error::Limit { field: format!("bytes of {label}"), value: size, limit_name: "max_buffer_size", limit })
}

/// [`checked`], for something of a known size.
pub(crate) async fn sized<T>(
    device: &wgpu::Device,
    what: &str,
    bytes: Option<u64>,
    make: impl FnOnce() -> T,
) -> Result<T> {
    Scoped::make(device, what, bytes, make).valid().await
}

/// The answer of one scope. Boxed, as its type has no name.
#[cfg(not(target_family = "wasm"))]
type Answer = Pin<Box<dyn Future<Output = Option<wgpu::Error>> + Send>>;
#[cfg(target_family = "wasm")]
type Answer = Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>;

/// Error scopes of one thread, open.
struct Scopes([wgpu::ErrorScopeGuard; 3]);

impl Scopes {
    fn open(device: &wgpu::Device) -> Self {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        Self([OutOfMemory, Internal, Validation].map(|filter| device.push_error_scope(filter)))
    }

    /// Closes them. The answers are those to out of memory, internal errors and validation.
    fn close(self) -> [Answer; 3] {
        let Self([memory, internal, validation]) = self;
        // In reverse order: scopes are a stack.
        let [validation, internal, memory] = [validation, internal, memory].map(answer);
        [memory, internal, validation]
    }
}

fn answer(scope: wgpu::ErrorScopeGuard) -> Answer {
    let answer = scope.pop();
    // The unit tests of this crate wait as programs in browsers do.
    #[cfg(test)]
    let answer = tests::Late::new(answer);
    Box::pin(answer)
}

/// Something made on a device, of which it is not known yet whether it is valid.
pub(crate) struct Scoped<T> {
    made: T,
    device: wgpu::Device,
    what: String,
    bytes: Option<u64>,
    answers: [Answer; 3],
}

impl<T> Scoped<T> {
    /// Runs `make` now, under error scopes; they are closed when it returns.
    pub(crate) fn make(device: &wgpu::Device, what: &str, bytes: Option<u64>, make: impl FnOnce() -> T) -> Self {
        let scopes = Scopes::open(device);
        let made = make();
        Self { made, answers: scopes.close(), device: device.clone(), what: what.to_owned(), bytes }
    }

    /// What was made, unless wgpu reported something or the device is lost.
    pub(crate) async fn valid(self) -> Result<T> {
        let (device, what) = (self.device.clone(), self.what.clone());
        let made = self.unless_reported().await?;
        if is_lost(&device).await { Err(Error::DeviceLost { what }) } else { Ok(made) }
    }

    /// What was made, unless wgpu reported something. A lost device, on which wgpu makes dummies and reports nothing,
    /// goes unnoticed where nothing else is wrong.
    pub(crate) async fn unless_reported(self) -> Result<T> {
        let Self { made, device, what, bytes, answers: [memory, internal, validation] } = self;
        let [memory, internal, validation] = [memory.await, internal.await, validation.await];
        // What fails for want of memory makes whatever is built on it invalid.
        if memory.is_some() {
            return Err(Error::OutOfMemory { place: "the device", what, bytes });
        }
        match validation.or(internal) {
            None => Ok(made),
            // A lost device's resources are invalid, too.
            Some(_) if is_lost(&device).await => Err(Error::DeviceLost { what }),
            Some(error) => {
                Err(Error::Validation { what, reason: one_line(&error.to_string()), cause: Cause::of(error) })
            }
        }
    }
}

/// Whether a device is lost. wgpu tells a callback, of which a device has one, and that is its owner's; but a buffer
/// that is mapped from the start has memory exactly when it could be made.
///
/// Not so in browsers, where the memory is the page's own: there the answer is no.
pub(crate) async fn is_lost(device: &wgpu::Device) -> bool {
    if cfg!(target_family = "wasm") {
        return false;
    }
    let scopes = Scopes::open(device);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("fs_probe"),
        size: wgpu::COPY_BUFFER_ALIGNMENT,
        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    let mapped = buffer.get_mapped_range(..).is_ok();
    buffer.destroy();
    let [memory, internal, validation] = scopes.close();
    let reported = memory.await.or(internal.await).or(validation.await).is_some();
    !mapped && !reported
}

/// Whether a device is known to be lost, in browsers, which tell that to whoever asked before, and to nobody else.
/// There wgpu's callback is a further listener of `GPUDevice.lost`: it takes nobody's place. On native devices it
/// would, and [`is_lost`] finds out without.
#[derive(Debug)]
pub(crate) struct Loss {
    #[cfg(target_family = "wasm")]
    known: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

#[cfg(not(target_family = "wasm"))]
impl Loss {
    pub(crate) fn watch(_device: &wgpu::Device) -> Self {
        Self {}
    }

    pub(crate) fn is_known(&self) -> bool {
        false
    }
}

#[cfg(target_family = "wasm")]
impl Loss {
    /// From the next await on.
    pub(crate) fn watch(device: &wgpu::Device) -> Self {
        let known = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let lost = std::sync::Arc::clone(&known);
        device.set_device_lost_callback(move |_, _| lost.store(true, std::sync::atomic::Ordering::Relaxed));
        Self { known }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
