//! The header of an `.npy` file: a dictionary as Python writes it.

use anyhow::{Result, bail, ensure};

use super::MAGIC;

/// Longest header that is read, in bytes: NumPy itself reads no longer ones.
const LIMIT: usize = 10_000;

/// Longest piece of a header that a message repeats, in characters.
const QUOTE: usize = 40;

#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// The type of the elements.
    pub(super) descr: String,
    /// Whether the first index runs fastest.
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// The header, and the bytes that follow it.
pub(super) fn split(bytes: &[u8]) -> Result<(Header, &[u8])> {
    const SHORT: &str = "the file ends in its header (truncated?)";
    let Some((&[major, minor], rest)) = bytes.get(MAGIC.len()..).and_then(<[u8]>::split_first_chunk) else {
        bail!(SHORT)
    };
    let (length, rest) = match (major, minor) {
        (1, 0) => rest.split_first_chunk().map(|(length, rest)| (u32::from(u16::from_le_bytes(*length)), rest)),
        (2 | 3, 0) => rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length), rest)),
        _ => bail!("its version is {major}.{minor}: it must be 1.0, 2.0 or 3.0"),
    }
    .ok_or_else(|| anyhow::anyhow!(SHORT))?;
    ensure!(length as usize <= LIMIT, "its header has {length} bytes: at most {LIMIT} are read");
    let Some((header, data)) = rest.split_at_checked(length as usize) else { bail!(SHORT) };
    let Ok(text) = std::str::from_utf8(header) else { bail!("its header is no text") };
    Ok((Parser(text).header()?, data))
}

/// What is left of the text.
struct Parser<'a>(&'a str);

impl<'a> Parser<'a> {
    fn header(mut self) -> Result<Header> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            let is_new = match key {
                "descr" => descr.replace(self.descr()?).is_none(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_none(),
                "shape" => shape.replace(self.shape()?).is_none(),
                _ => bail!("its header has the key {:?}", quote(key)),
            };
            ensure!(is_new, "its header has {key} twice");
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        let rest = self.0.trim();
        ensure!(rest.is_empty(), "its header goes on with {:?}", quote(rest));
        let (Some(descr), Some(fortran_order), Some(shape)) = (descr, fortran_order, shape) else {
            bail!("its header lacks descr, fortran_order or shape");
        };
        Ok(Header { descr, fortran_order, shape })
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        ensure!(self.take(wanted), "its header must have {wanted} before {:?}", quote(self.0));
        Ok(())
    }

    /// Without escapes, which no name that is known here has.
    fn string(&mut self) -> Result<&'a str> {
        let mark = if self.take('"') { '"' } else { '\'' };
        if mark == '\'' {
            self.expect('\'')?;
        }
        let Some((string, rest)) = self.0.split_once(mark) else { bail!("a string of its header has no end") };
        self.0 = rest;
        Ok(string)
    }

    fn descr(&mut self) -> Result<String> {
        ensure!(!self.0.trim_start().starts_with('['), "its elements are structures: they must be numbers");
        Ok(self.string()?.to_owned())
    }

    fn boolean(&mut self) -> Result<bool> {
        let text = self.0.trim_start();
        let values = [("True", true), ("False", false)];
        let found = values.into_iter().find_map(|(word, value)| Some((text.strip_prefix(word)?, value)));
        let Some((rest, value)) = found else {
            bail!("fortran_order of its header is {:?}: it must be True or False", quote(text));
        };
        self.0 = rest;
        Ok(value)
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            shape.push(self.size()?);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn size(&mut self) -> Result<usize> {
        let text = self.0.trim_start();
        let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let Ok(size) = digits.parse() else {
            bail!("a size in its header is {:?}: it must be a number below 2^{}", quote(text), usize::BITS);
        };
        // Python 2 wrote its long integers so.
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        Ok(size)
    }
}

fn quote(text: &str) -> String {
    text.trim().chars().take(QUOTE).collect()
}
