//! A protocol buffer as a tree of fields, without knowing what they mean.

use super::{NUMBERS, Random, raw};

/// How deep fields are taken for messages.
const DEPTH: usize = 6;

/// The fields of a message, in their order.
#[derive(Debug, Clone)]
pub(super) struct Fields(Vec<(u64, Value)>);

#[derive(Debug, Clone)]
enum Value {
    Number(u64),
    /// Four or eight bytes.
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Fields),
}

/// A number as protocol buffers write it.
pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte < 0x80 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

impl Fields {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse_at(bytes, 0)
    }

    fn parse_at(mut bytes: &[u8], depth: usize) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let (tag, rest) = read_varint(bytes)?;
            let (value, rest) = match tag & 7 {
                0 => {
                    let (number, rest) = read_varint(rest)?;
                    (Value::Number(number), rest)
                }
                1 | 5 => {
                    let (fixed, rest) = rest.split_at_checked(if tag & 7 == 1 { 8 } else { 4 })?;
                    (Value::Fixed(fixed.to_vec()), rest)
                }
                2 => {
                    let (length, rest) = read_varint(rest)?;
                    let (inner, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                    let message =
                        if depth < DEPTH && !inner.is_empty() { Self::parse_at(inner, depth + 1) } else { None };
                    (message.map_or_else(|| Value::Bytes(inner.to_vec()), Value::Message), rest)
                }
                _ => return None,
            };
            if tag >> 3 == 0 {
                return None;
            }
            fields.push((tag, value));
            bytes = rest;
        }
        Some(Self(fields))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, value) in &self.0 {
            bytes.extend(varint(*tag));
            let inner = match value {
                Value::Number(number) => {
                    bytes.extend(varint(*number));
                    continue;
                }
                Value::Fixed(fixed) => {
                    bytes.extend(fixed);
                    continue;
                }
                Value::Bytes(inner) => inner.clone(),
                Value::Message(fields) => fields.bytes(),
            };
            bytes.extend(varint(inner.len() as u64));
            bytes.extend(inner);
        }
        bytes
    }

    /// Changes a field somewhere in the tree.
    pub(super) fn change(&mut self, random: &mut Random) {
        if self.0.is_empty() {
            return;
        }
        let at = random.below(self.0.len());
        if let (Value::Message(fields), true) = (&mut self.0[at].1, random.below(6) > 0) {
            return fields.change(random);
        }
        match random.below(8) {
            0 => drop(self.0.remove(at)),
            1 => self.0.insert(at, self.0[at].clone()),
            2 => {
                let other = random.below(self.0.len());
                self.0.swap(at, other);
            }
            3 => {
                let other = random.below(self.0.len());
                self.0[at].1 = self.0[other].1.clone();
                self.0[at].0 = self.0[other].0;
            }
            // Another field of the same kind.
            4 => self.0[at].0 = (1 + random.below(26) as u64) << 3 | (self.0[at].0 & 7),
            _ => match &mut self.0[at].1 {
                Value::Number(number) => {
                    *number = if random.below(2) == 0 {
                        random.of(&NUMBERS)
                    } else {
                        number.wrapping_add(random.number() % 5)
                    }
                }
                Value::Fixed(bytes) => {
                    let number = random.number();
                    bytes.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
                }
                Value::Bytes(bytes) => *bytes = raw(bytes, random),
                Value::Message(fields) => fields.0.clear(),
            },
        }
    }
}
