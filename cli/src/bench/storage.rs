//! `--storage`, and tensors as GPU memory holds them.

use std::borrow::Cow;

use anyhow::{Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use filter_summary::Storage;
use half::f16;

/// What the numbers in GPU memory are.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct StorageArgs {
    /// What GPU memory holds: f32, weights in fewer bits, or with f16 input and output too; the arithmetic stays f32
    #[arg(long, value_name = "STORAGE", default_value = Storage::F32.name(), value_parser = parser())]
    pub(crate) storage: Storage,
}

fn parser() -> impl TypedValueParser<Value = Storage> {
    let named = |name: String| Storage::ALL.iter().copied().find(|storage| storage.name() == name);
    PossibleValuesParser::new(Storage::ALL.iter().map(|storage| storage.name()))
        .map(move |name| named(name).unwrap_or_default())
}

impl StorageArgs {
    /// The CPU executor has f32 alone: a wish for another is an error there.
    pub(crate) fn refuse_on_cpu(self) -> Result<()> {
        match self.storage {
            Storage::F32 => Ok(()),
            storage => bail!("--storage {}: the CPU executor keeps everything in f32", storage.name()),
        }
    }
}

/// The words of a tensor in memory. Two f16 share one, which is an f32 only by name.
pub(crate) fn to_words(values: &[f32], storage: Storage) -> Cow<'_, [f32]> {
    if !storage.has_f16_tensors() {
        return Cow::Borrowed(values);
    }
    let bits = |value: &f32| u32::from(f16::from_f32(*value).to_bits());
    let word = |pair: &[f32]| pair.iter().rev().fold(0, |word, value| word << 16 | bits(value));
    values.chunks(2).map(|pair| f32::from_bits(word(pair))).collect()
}

/// The `count` values of a tensor whose words these are.
pub(crate) fn from_words(words: Vec<f32>, storage: Storage, count: usize) -> Vec<f32> {
    if !storage.has_f16_tensors() {
        return words;
    }
    let half = |bits: u32| f16::from_bits(bits as u16).to_f32();
    let pair = |word: f32| [half(word.to_bits()), half(word.to_bits() >> 16)];
    words.into_iter().flat_map(pair).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_from_their_words() {
        let values = [1.5, -0.25, 63.0 / 64.0];
        for (storage, words) in
            [(Storage::F32, 3), (Storage::U8_WEIGHTS, 3), (Storage::F16, 2), (Storage::F16_U8_WEIGHTS, 2)]
        {
            let stored = to_words(&values, storage).into_owned();
            assert_eq!((stored.len(), from_words(stored, storage, 3)), (words, values.to_vec()), "{}", storage.name());
        }
        // What a kernel does not write stays no number.
        let unwritten = from_words(to_words(&[f32::NAN; 3], Storage::F16).into_owned(), Storage::F16, 3);
        assert!(unwritten.iter().all(|value| value.is_nan()));
    }
}
