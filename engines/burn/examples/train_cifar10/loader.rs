//! Batches for burn's training loop: what `DataLoaderBuilder` makes, but with an order and crops that are functions of
//! the seed and the epoch. burn's keeps the state of its shuffling in memory, and checkpoints do not hold it: a
//! training that is resumed would see other batches than one that was never interrupted.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::{CHANNELS, CLASSES, Images, MEAN, PIXELS, PLANE, SIDE, STD};

/// Black pixels around an image that is cropped.
const PAD: usize = 4;

/// `[N, 3, 32, 32]` normalized, and the labels, `[N]`.
#[derive(Clone, Debug)]
pub(crate) struct CifarBatch {
    pub(crate) images: Tensor<4>,
    pub(crate) labels: Tensor<1, Int>,
}

/// An image as one epoch sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    index: usize,
    crop: Crop,
}

/// What of the padded image is seen, from which row and column on, and whether mirrored.
#[derive(Clone, Copy, Debug)]
struct Crop {
    row: usize,
    column: usize,
    mirrored: bool,
}

impl Crop {
    /// The image as it is.
    const WHOLE: Self = Self { row: PAD, column: PAD, mirrored: false };

    /// Each of the (2 * 4 + 1)^2 crops and both directions alike.
    fn random(bits: u64) -> Self {
        let choices = 2 * PAD as u64 + 1;
        let [row, column] = [bits >> 8, bits >> 32].map(|bits| (bits & 0xff_ffff) % choices).map(|at| at as usize);
        Self { row, column, mirrored: bits & 1 == 1 }
    }
}

/// Makes tensors of images: crops, flips and normalizes.
pub(crate) struct CifarBatcher {
    images: Arc<Images>,
    /// What a byte becomes, in each channel: the very numbers that `fsnet` computes from an exported file.
    values: [[f32; 256]; CHANNELS],
}

impl CifarBatcher {
    fn new(images: Arc<Images>) -> Self {
        let value = |channel: usize, pixel: usize| (pixel as f32 * (1.0 / 255.0) - MEAN[channel]) / STD[channel];
        Self { images, values: std::array::from_fn(|channel| std::array::from_fn(|pixel| value(channel, pixel))) }
    }

    fn extend(&self, values: &mut Vec<f32>, Item { index, crop }: Item) {
        let pixels = self.images.pixels(index);
        for (plane, table) in pixels.chunks_exact(PLANE).zip(&self.values) {
            for y in (0..SIDE).map(|y| y + crop.row) {
                let seen = |x: usize| {
                    let x = if crop.mirrored { SIDE - 1 - x } else { x } + crop.column;
                    let inside = [y, x].iter().all(|at| (PAD..PAD + SIDE).contains(at));
                    if inside { plane[(y - PAD) * SIDE + x - PAD] } else { 0 }
                };
                values.extend((0..SIDE).map(|x| table[usize::from(seen(x))]));
            }
        }
    }
}

impl Batcher<Item, CifarBatch> for CifarBatcher {
    fn batch(&self, items: Vec<Item>, device: &Device) -> CifarBatch {
        let count = items.len();
        let mut values = Vec::with_capacity(count * PIXELS);
        let labels: Vec<i32> = items.iter().map(|item| self.images.label(item.index) as i32).collect();
        items.into_iter().for_each(|item| self.extend(&mut values, item));
        CifarBatch {
            images: Tensor::from_data(TensorData::new(values, [count, CHANNELS, SIDE, SIDE]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

/// How an epoch picks images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) seed: u64,
    pub(crate) is_shuffled: bool,
    pub(crate) is_augmented: bool,
}

impl Order {
    /// Every image as it is, in the order of the files.
    pub(crate) const PLAIN: Self = Self { seed: 0, is_shuffled: false, is_augmented: false };

    /// What epoch `epoch` sees of `count` images.
    fn items(self, epoch: usize, count: usize) -> Vec<Item> {
        let mut random = Random(mixed(self.seed ^ mixed(epoch as u64)));
        let mut order: Vec<usize> = (0..count).collect();
        if self.is_shuffled {
            // Fisher and Yates'. The remainder favours some by less than 1 in 2^46.
            for last in (1..count).rev() {
                order.swap(last, (random.next() % (last as u64 + 1)) as usize);
            }
        }
        let mut crop = || if self.is_augmented { Crop::random(random.next()) } else { Crop::WHOLE };
        order.into_iter().map(|index| Item { index, crop: crop() }).collect()
    }
}

/// The batches of epoch after epoch.
pub(crate) struct Epochs {
    batcher: Arc<CifarBatcher>,
    order: Order,
    batch: usize,
    /// Which places of an epoch's order are this loader's: burn divides them between devices.
    places: Range<usize>,
    device: Device,
    next_epoch: AtomicUsize,
}

impl Epochs {
    /// The first `count` images of every epoch's order, `batch` at a time; the first epoch is number `epoch`.
    pub(crate) fn new(images: &Arc<Images>, order: Order, [batch, count, epoch]: [usize; 3], device: &Device) -> Self {
        Self {
            batcher: Arc::new(CifarBatcher::new(images.clone())),
            order,
            batch,
            places: 0..count,
            device: device.clone(),
            next_epoch: AtomicUsize::new(epoch),
        }
    }

    fn with(&self, places: Range<usize>, device: &Device) -> Arc<dyn DataLoader<CifarBatch>> {
        Arc::new(Self {
            batcher: self.batcher.clone(),
            order: self.order,
            batch: self.batch,
            places,
            device: device.clone(),
            next_epoch: AtomicUsize::new(self.next_epoch.load(Ordering::Relaxed)),
        })
    }
}

impl DataLoader<CifarBatch> for Epochs {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<CifarBatch> + 'a> {
        let epoch = self.next_epoch.fetch_add(1, Ordering::Relaxed);
        let mut items = self.order.items(epoch, self.batcher.images.len());
        items.truncate(self.places.end);
        items.drain(..self.places.start);
        Box::new(Batches { loader: self, items, done: 0 })
    }

    fn num_items(&self) -> usize {
        self.places.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<CifarBatch>> {
        self.with(self.places.clone(), device)
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<CifarBatch>> {
        self.with(self.places.start + start..self.places.start + end, &self.device)
    }
}

/// The batches of an epoch; the last may be smaller.
struct Batches<'a> {
    loader: &'a Epochs,
    items: Vec<Item>,
    done: usize,
}

impl Iterator for Batches<'_> {
    type Item = Result<CifarBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.items[self.done..];
        let items = rest[..rest.len().min(self.loader.batch)].to_vec();
        self.done += items.len();
        (!items.is_empty()).then(|| Ok(self.loader.batcher.batch(items, &self.loader.device)))
    }
}

impl DataLoaderIterator<CifarBatch> for Batches<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.items.len(), Some("images".to_owned()))
    }
}

/// How many rows of `logits`, of ten values each, are largest at their label; the first of equal ones counts.
pub(crate) fn count_right(logits: &[f32], labels: impl Iterator<Item = usize>) -> usize {
    let first_largest = |row: &[f32]| (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
    let has_numbers = |row: &[f32]| !row.iter().any(|value| value.is_nan());
    let rows = logits.chunks_exact(CLASSES.len());
    rows.zip(labels).filter(|&(row, label)| has_numbers(row) && first_largest(row) == label).count()
}

/// Numbers by adding an odd constant and mixing the bits, after Steele, Lea and Flood's SplitMix (2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }
}

fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
