//! Files broken on purpose: bytes changed, and fields of protocol buffers changed with all lengths around them mended.

mod fields;

use fields::Fields;

/// Numbers at which readers of files break.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 7, 127, 128, 255, 65_535, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff];

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below another, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A protocol buffer with a few fields or bytes changed.
pub(crate) fn message(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(3) == 0 {
        return raw(bytes, random);
    }
    let Some(mut fields) = Fields::parse(bytes) else { return raw(bytes, random) };
    for _ in 0..=random.below(3) {
        fields.change(random);
    }
    fields.bytes()
}

/// A safetensors file with its header or its tensors changed.
pub(crate) fn tensors(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return raw(bytes, random) };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (Some((header, data)), true) = (rest.split_at_checked(length), random.below(4) > 0) else {
        return raw(bytes, random);
    };
    // A header of another length is found by its length.
    let header = raw(header, random);
    [&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat()
}

/// Bytes with some changed, left out, or there twice.
pub(crate) fn raw(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.below(bytes.len());
        let to = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.of(&[0, 1, 0x22, 0x2c, 0x30, 0x39, 0x7b, 0x7d, 0x7f, 0x80, 0xff]),
            2 => bytes[at] = random.number() as u8,
            3 => drop(bytes.drain(at..to)),
            4 => {
                let copy = bytes[at..to].to_vec();
                let place = random.below(bytes.len());
                bytes.splice(place..place, copy);
            }
            5 => {
                let number = fields::varint(random.of(&NUMBERS));
                bytes.splice(at..at, number);
            }
            6 => {
                let digits = random.of(&NUMBERS).to_string();
                bytes.splice(at..to, digits.into_bytes());
            }
            _ if random.below(8) == 0 => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}
