//! CIFAR-10's binary version: files of records, one label byte and the planes of a 32x32 RGB image.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use liblzma::read::XzDecoder;

use crate::fault::{Fault, Result};

pub(crate) const SIDE: usize = 32;
pub(crate) const PLANE: usize = SIDE * SIDE;
pub(crate) const CHANNELS: usize = 3;
/// Bytes of an image.
pub(crate) const PIXELS: usize = CHANNELS * PLANE;
const RECORD: usize = 1 + PIXELS;
/// What the classes are called, in the order of the labels.
pub(crate) const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
/// Of the channels, of pixels in `0..=1`; those of `python/`.
pub(crate) const MEAN: [f32; CHANNELS] = [0.485, 0.456, 0.406];
pub(crate) const STD: [f32; CHANNELS] = [0.229, 0.224, 0.225];

/// The original files have 10,000 records; a compressed file may expand without end.
const LIMIT: u64 = 1 << 30;

const TRAINING: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: &str = "test_batch.bin";

/// Labelled images, as records one after the other.
#[derive(Debug)]
pub(crate) struct Images {
    records: Vec<u8>,
}

impl Images {
    /// The training images of a folder: `data_batch_1.bin` to `_5.bin`, or fewer from the first on, plain or `.bin.xz`.
    pub(crate) fn training(folder: &Path) -> Result<Self> {
        let mut records = Vec::new();
        for (index, name) in TRAINING.iter().enumerate() {
            match find(folder, name) {
                Some(path) => records.extend(read(&path)?),
                // Who has a part of the set can train on it; a gap is a mistake.
                None if index > 0 && TRAINING[index..].iter().all(|name| find(folder, name).is_none()) => break,
                None => return Err(missing(folder, name)),
            }
        }
        Ok(Self { records })
    }

    /// The test images of a folder.
    pub(crate) fn test(folder: &Path) -> Result<Self> {
        let path = find(folder, TEST).ok_or_else(|| missing(folder, TEST))?;
        Ok(Self { records: read(&path)? })
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    pub(crate) fn label(&self, index: usize) -> usize {
        self.records[index * RECORD].into()
    }

    /// The planes, red first.
    pub(crate) fn pixels(&self, index: usize) -> &[u8] {
        &self.records[index * RECORD + 1..(index + 1) * RECORD]
    }
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.xz"))].into_iter().find(|path| path.exists())
}

fn missing(folder: &Path, name: &str) -> Fault {
    Fault::file(&folder.join(name), format!("neither this file nor {name}.xz is there"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| Fault::file(path, error))?;
    let mut records = Vec::new();
    let is_compressed = path.extension().is_some_and(|extension| extension == "xz");
    let done = match is_compressed {
        true => XzDecoder::new_multi_decoder(file).take(LIMIT + 1).read_to_end(&mut records),
        false => file.take(LIMIT + 1).read_to_end(&mut records),
    };
    done.map_err(|error| Fault::file(path, error))?;
    let bytes = records.len();
    if bytes as u64 > LIMIT {
        return Err(Fault::file(path, format!("more than {LIMIT} bytes: this is no batch of CIFAR-10")));
    }
    if bytes == 0 || !bytes.is_multiple_of(RECORD) {
        let rule = format!("{bytes} bytes: a batch of CIFAR-10 is records of {RECORD} bytes; it may be cut short");
        return Err(Fault::file(path, rule));
    }
    let mut labels = records.iter().step_by(RECORD).enumerate();
    if let Some((index, label)) = labels.find(|&(_, &label)| usize::from(label) >= CLASSES.len()) {
        let rule = format!("record {index} has label {label}: labels are below {}", CLASSES.len());
        return Err(Fault::file(path, rule));
    }
    Ok(records)
}
