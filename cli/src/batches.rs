//! Images in batches: threads load what runs next while a batch runs, in bounded memory.

use std::num::NonZero;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Context, Result};
use filter_summary::network::Network;

use crate::device::Device;

/// Most threads that load images. Each holds one decoded picture.
const LOADERS: usize = 4;

/// Most bytes of the largest tensor between two layers, where the batch is ours to choose.
const TENSOR_LIMIT: usize = 64 << 20;

/// How many images run at a time where `wanted` would be best: fewer if they would fill the memory.
pub(crate) fn size(wanted: usize, network: &Network) -> usize {
    let bytes = |shape: [usize; 3]| shape.iter().fold(4usize, |bytes, &size| bytes.saturating_mul(size));
    let shapes = network.nodes().iter().map(|node| node.shape).chain([network.input().shape]);
    let largest = shapes.map(bytes).max().unwrap_or(1);
    wanted.min(TENSOR_LIMIT / largest).max(1)
}

/// How many images run at a time where nobody says. Activations should stay in cache where a CPU computes, and occupy
/// the whole device elsewhere; those of large images would fill its memory.
pub(crate) fn default(device: &Device, network: &Network) -> usize {
    let wanted = match device {
        Device::Gpu(gpu) if !gpu.target().is_software() => 256,
        Device::Gpu(_) | Device::Cpu => 32,
    };
    size(wanted, network)
}

/// Runs `work` on the values of images `0..total`, `batch` at a time and in order; `load` gives those of one image.
/// About one batch is loaded ahead. The first error of either ends it.
pub(crate) fn for_each(
    total: usize,
    batch: usize,
    load: impl Fn(usize) -> Result<Vec<f32>> + Sync,
    mut work: impl FnMut(Range<usize>, &[f32]) -> Result<()>,
) -> Result<()> {
    let loaders = thread::available_parallelism().map_or(1, NonZero::get).min(LOADERS);
    let load = &load;
    thread::scope(|scope| {
        let mut loaded = Vec::with_capacity(loaders);
        for first in 0..loaders {
            let (sender, receiver) = sync_channel(batch / loaders);
            let deliver = move || {
                for index in (first..total).step_by(loaders) {
                    let image = load(index);
                    let failed = image.is_err();
                    // Nobody receives any more when something else has failed.
                    if sender.send(image).is_err() || failed {
                        return;
                    }
                }
            };
            thread::Builder::new().spawn_scoped(scope, deliver).context("a thread that loads images")?;
            loaded.push(receiver);
        }
        let mut values = Vec::new();
        for from in (0..total).step_by(batch) {
            let range = from..total.min(from + batch);
            values.clear();
            for index in range.clone() {
                values.extend(loaded[index % loaders].recv().context("images are no longer loaded")??);
            }
            work(range, &values)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::bail;

    use super::*;

    #[test]
    fn images_come_in_order_and_not_all_at_once() {
        let (loaded, mut seen, mut ahead) = (AtomicUsize::new(0), Vec::new(), 0);
        let load = |index: usize| {
            loaded.fetch_add(1, Ordering::SeqCst);
            Ok(vec![index as f32, 0.5])
        };
        for_each(1001, 8, load, |range, values| {
            assert_eq!(values.len(), 2 * range.len());
            thread::yield_now();
            ahead = ahead.max(loaded.load(Ordering::SeqCst) - range.end);
            seen.extend(values.iter().step_by(2).map(|&value| value as usize));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, (0..1001).collect::<Vec<_>>());
        // A batch in the channels, and what each thread holds.
        assert!(ahead <= 8 + LOADERS, "{ahead}");
    }

    #[test]
    fn the_first_error_ends_it() {
        let load = |index: usize| if index >= 20 { bail!("image {index}") } else { Ok(vec![0.0]) };
        let mut batches = 0;
        let work = |_: Range<usize>, _: &[f32]| {
            batches += 1;
            Ok(())
        };
        assert_eq!(for_each(1000, 8, load, work).unwrap_err().to_string(), "image 20");
        assert_eq!(batches, 2);
        let error = for_each(1000, 8, |_| Ok(vec![0.0]), |range, _| bail!("batch at {}", range.start));
        assert_eq!(error.unwrap_err().to_string(), "batch at 0");
    }
}
