//! The elements of an `.npy` file, and the f32 numbers that they are.

use anyhow::{Result, bail, ensure};
use half::f16;

/// Integers from here on are not all f32 numbers.
const EXACT: u64 = 1 << f32::MANTISSA_DIGITS;

/// What numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
}

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    kind: Kind,
    /// Bytes.
    width: usize,
    big_endian: bool,
}

impl Element {
    /// `<f4`: byte order, kind and width.
    pub(super) fn of(descr: &str) -> Result<Self> {
        let mut letters = descr.chars();
        let (order, kind, width) = (letters.next(), letters.next(), letters.as_str());
        let known = match (kind, width) {
            (Some('f'), "2" | "4" | "8") => Some(Kind::Float),
            (Some('i'), "1" | "2" | "4" | "8") => Some(Kind::Signed),
            (Some('u'), "2" | "4" | "8") => Some(Kind::Unsigned),
            (Some('u'), "1") => bail!("its dtype is {descr}: pixels or numbers? convert it with .astype('float32')"),
            _ => None,
        };
        let big_endian = match order {
            Some('<') => Some(false),
            Some('>') => Some(true),
            Some('|') if width == "1" => Some(false),
            _ => None,
        };
        let (Some(kind), Some(big_endian), Ok(width)) = (known, big_endian, width.parse()) else {
            let descr: String = descr.chars().take(20).collect();
            bail!("its dtype is {descr:?}: it must be f2, f4, f8 or integers, convert it with .astype('float32')");
        };
        Ok(Self { kind, width, big_endian })
    }

    pub(super) fn width(self) -> usize {
        self.width
    }

    /// Appends the numbers of `data`: floats rounded to nearest, and finite; integers exact.
    pub(super) fn read(self, data: &[u8], values: &mut Vec<f32>) -> Result<()> {
        for (at, element) in data.chunks_exact(self.width).enumerate() {
            values.push(self.number(element, at)?);
        }
        Ok(())
    }

    fn number(self, element: &[u8], at: usize) -> Result<f32> {
        let mut bytes = [0; 8];
        // Little-endian, and the sign of what is shorter is not there yet.
        for (to, from) in bytes.iter_mut().zip(0..self.width) {
            *to = element[if self.big_endian { self.width - 1 - from } else { from }];
        }
        let bits = u64::from_le_bytes(bytes);
        let value = match (self.kind, self.width) {
            (Kind::Float, 2) => f16::from_bits(bits as u16).to_f32(),
            (Kind::Float, 4) => f32::from_bits(bits as u32),
            (Kind::Float, _) => f64::from_bits(bits) as f32,
            (kind, width) => {
                let unused = 64 - 8 * width as u32;
                let is_signed = kind == Kind::Signed;
                let whole =
                    if is_signed { i128::from((bits << unused).cast_signed() >> unused) } else { i128::from(bits) };
                ensure!(
                    whole.unsigned_abs() <= u128::from(EXACT),
                    "value {at} is {whole}: integers must be at most {EXACT} in size"
                );
                whole as f32
            }
        };
        ensure!(value.is_finite(), "value {at} is {value}: it must be finite");
        Ok(value)
    }
}
