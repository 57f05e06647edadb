//! CIFAR-10's binary version: records of one label byte and 3,072 bytes of planar 32x32 RGB, plain or xz-compressed.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use filter_summary::network::{ChannelOrder, Preprocess};
use filter_summary::tensor_file::recognize;
use liblzma::read::XzDecoder;

/// C, H, W of an image.
pub(crate) const SHAPE: [usize; 3] = [3, 32, 32];

/// Number of classes.
pub(crate) const CLASSES: usize = 10;

const PLANE: usize = SHAPE[1] * SHAPE[2];
const RECORD: usize = 1 + SHAPE[0] * PLANE;

/// Most bytes that are read: a compressed file may expand without end.
const LIMIT: u64 = 1 << 30;

const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Labelled images.
#[derive(Debug)]
pub(crate) struct Cifar {
    records: Vec<u8>,
}

impl Cifar {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        Self::read(path).with_context(|| path.display().to_string())
    }

    fn read(path: &Path) -> Result<Self> {
        // A pipe may never end, nor can it be read twice.
        let what = std::fs::metadata(path)?;
        ensure!(!what.is_dir(), "it is a directory: name a file in it");
        ensure!(what.is_file(), "it is not a regular file");
        let mut file = BufReader::new(File::open(path)?);
        let mut magic = Vec::new();
        file.by_ref().take(XZ_MAGIC.len() as u64).read_to_end(&mut magic)?;
        file.rewind()?;
        let mut records = Vec::new();
        if magic == XZ_MAGIC {
            let decoder = XzDecoder::new_multi_decoder(file);
            decoder.take(LIMIT + 1).read_to_end(&mut records).context("broken xz data")?;
        } else {
            file.take(LIMIT + 1).read_to_end(&mut records)?;
        }
        ensure!(records.len() as u64 <= LIMIT, "more than {LIMIT} bytes: this is no CIFAR-10 batch");
        Self::new(records)
    }

    /// Checks the records.
    pub(crate) fn new(records: Vec<u8>) -> Result<Self> {
        if records.is_empty() || !records.len().is_multiple_of(RECORD) {
            let kind = recognize(&records).map(|foreign| format!("; it is {}", foreign.what)).unwrap_or_default();
            bail!("{} bytes: a CIFAR-10 batch is a positive multiple of {RECORD} bytes{kind}", records.len());
        }
        let labels = records.iter().step_by(RECORD);
        if let Some((index, label)) = labels.enumerate().find(|&(_, &label)| usize::from(label) >= CLASSES) {
            bail!("record {index} has label {label}: labels are below {CLASSES}");
        }
        Ok(Self { records })
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    /// The class of an image.
    pub(crate) fn label(&self, index: usize) -> usize {
        self.records[index * RECORD].into()
    }

    /// The values of an image as the network wants them.
    pub(crate) fn values(&self, index: usize, preprocess: &Preprocess) -> Vec<f32> {
        let mut values = Vec::with_capacity(RECORD - 1);
        let pixels = &self.records[index * RECORD + 1..(index + 1) * RECORD];
        for channel in 0..SHAPE[0] {
            let plane = match preprocess.order {
                ChannelOrder::Rgb => channel,
                ChannelOrder::Bgr => SHAPE[0] - 1 - channel,
            };
            let (mean, std) = (preprocess.mean[channel], preprocess.std[channel]);
            let plane = &pixels[plane * PLANE..(plane + 1) * PLANE];
            values.extend(plane.iter().map(|&pixel| (f32::from(pixel) * preprocess.scale - mean) / std));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_channels_in_the_network_s_order() {
        let mut records = vec![7u8];
        for plane in [10u8, 20, 30] {
            records.extend([plane; PLANE]);
        }
        let cifar = Cifar::new(records).unwrap();
        assert_eq!((cifar.len(), cifar.label(0)), (1, 7));
        let mut preprocess =
            Preprocess { order: ChannelOrder::Rgb, scale: 0.5, mean: vec![1.0, 2.0, 3.0], std: vec![1.0, 2.0, 4.0] };
        let values = cifar.values(0, &preprocess);
        assert_eq!((values[0], values[PLANE], values[2 * PLANE]), (4.0, 4.0, 3.0));
        preprocess.order = ChannelOrder::Bgr;
        let values = cifar.values(0, &preprocess);
        assert_eq!((values[0], values[PLANE], values[2 * PLANE]), (14.0, 4.0, 0.5));
    }

    #[test]
    fn refuses_wrong_sizes_and_labels() {
        assert!(Cifar::new(Vec::new()).is_err());
        assert!(Cifar::new(vec![0; RECORD - 1]).is_err());
        let mut records = vec![0; 2 * RECORD];
        records[RECORD] = 10;
        assert_eq!(Cifar::new(records).unwrap_err().to_string(), "record 1 has label 10: labels are below 10");
    }
}
