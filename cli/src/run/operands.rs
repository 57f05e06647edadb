//! What a network is given, and what must come out.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use filter_summary::network::Network;
use filter_summary::tensor_file::misspelt;

use super::{OUTPUT, shape};
use crate::arrays::{self, Array, Arrays};
use crate::output;

const INPUT: &str = "input";
const EXPECTED: &str = "expected";

/// The same with the name of the output.
const EXPECTED_OUTPUT: &str = "expected.output";

/// Most names that a message lists.
const LISTED: usize = 5;

/// Numbers from a file, of shapes that the network has.
pub(super) struct Operands {
    /// `[N, C, H, W]`.
    pub(super) input: Vec<f32>,
    /// N, at least 1.
    pub(super) images: usize,
    /// `[N, O, OH, OW]`.
    pub(super) expected: Option<Vec<f32>>,
}

impl Operands {
    /// Reads and checks a file; what nobody reads in it is told.
    pub(super) fn load(path: &Path, network: &Network) -> Result<Self> {
        let file = arrays::read(path, &[INPUT, EXPECTED, EXPECTED_OUTPUT])?;
        let name = path.display().to_string();
        let (operands, unread) = Self::of(file, network).with_context(|| name.clone())?;
        if !unread.is_empty() {
            output::notice(&format!("{name}: nothing reads {}", listed(&unread)));
        }
        Ok(operands)
    }

    fn of(Arrays { mut wanted, others }: Arrays, network: &Network) -> Result<(Self, Vec<String>)> {
        let Some(input) = wanted.remove(INPUT) else {
            let there = listed(&others);
            bail!("array {INPUT}: it is missing; there is {}", if there.is_empty() { "none" } else { &there });
        };
        let images = images(INPUT, &input, network.input().shape)?;
        ensure!(images > 0, "array {INPUT}: its shape is {:?}: it must have an image", input.shape);
        let expected = match (wanted.remove(EXPECTED), wanted.remove(EXPECTED_OUTPUT)) {
            (Some(_), Some(_)) => bail!("arrays {EXPECTED} and {EXPECTED_OUTPUT}: which one must come out?"),
            (first, second) => first.map(|array| (EXPECTED, array)).or(second.map(|array| (EXPECTED_OUTPUT, array))),
        };
        // What a misspelling would leave out is the comparison.
        for name in &others {
            let is_of_output = name.strip_prefix(EXPECTED).is_some_and(|rest| rest.starts_with('.'));
            ensure!(!is_of_output, "array {name}: there is no such output, there is {OUTPUT}");
            let meant = misspelt(name, [EXPECTED].into_iter()).filter(|_| expected.is_none());
            ensure!(meant.is_none(), "array {name}: nothing reads it (is array {EXPECTED} meant?)");
        }
        let expected = match expected {
            Some((name, array)) => {
                let given = self::images(name, &array, network.output().shape)?;
                ensure!(given == images, "array {name}: its shape is {:?}: {INPUT} has {images} images", array.shape);
                Some(array.values)
            }
            None => None,
        };
        Ok((
            Self { input: input.values, images, expected },
            others.iter().map(|name| format!("array {name}")).collect(),
        ))
    }
}

/// N of an array.
fn images(name: &str, array: &Array, of: [usize; 3]) -> Result<usize> {
    let [channels, height, width] = of;
    shape::images(&array.shape, of).with_context(|| {
        let given = &array.shape;
        format!("array {name}: its shape is {given:?}: the network has [N, {channels}, {height}, {width}]")
    })
}

/// The first few.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(LISTED);
    if more > 0 { format!("{first} (and {more} more)") } else { first }
}
