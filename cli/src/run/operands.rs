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

/// Most names that a message lists.
const LISTED: usize = 5;

/// Numbers from a file, of shapes that the network has.
pub(super) struct Operands {
    /// `[N, C, H, W]`.
    pub(super) input: Vec<f32>,
    /// N, at least 1.
    pub(super) images: usize,
    /// `[N, O, OH, OW]` of every output, where it is there.
    pub(super) expected: Vec<Option<Vec<f32>>>,
}

/// The names of a network's outputs in files, in order: `output`, or `output.NODE` of several.
pub(super) fn output_names(network: &Network) -> Vec<String> {
    if network.outputs().len() == 1 {
        return vec![OUTPUT.to_owned()];
    }
    network.outputs().map(|node| format!("{OUTPUT}.{}", node.name)).collect()
}

/// What must come out of each: `expected.NODE`, or `expected` of the only one, which may have its name too.
fn expected_names(network: &Network) -> Vec<Vec<String>> {
    if network.outputs().len() == 1 {
        return vec![vec![EXPECTED.to_owned(), format!("{EXPECTED}.{OUTPUT}")]];
    }
    network.outputs().map(|node| vec![format!("{EXPECTED}.{}", node.name)]).collect()
}

impl Operands {
    /// Reads and checks a file; what nobody reads in it is told. Images of another size than the network's are run by
    /// the network of that size, where there is one, which is put in its place.
    pub(super) fn load(path: &Path, network: &mut Network) -> Result<Self> {
        let expected = expected_names(network);
        let names: Vec<&str> = expected.iter().flatten().map(String::as_str).chain([INPUT]).collect();
        let file = arrays::read(path, &names)?;
        let name = path.display().to_string();
        Self::resize(&name, &file, network)?;
        let (operands, unread) = Self::of(file, network).with_context(|| name.clone())?;
        if !unread.is_empty() {
            output::notice(&format!("{name}: nothing reads {}", listed(&unread)));
        }
        Ok(operands)
    }

    /// Takes the network of the input's size.
    fn resize(name: &str, file: &Arrays, network: &mut Network) -> Result<()> {
        let [channels, height, width] = network.input().shape;
        let input = file.wanted.get(INPUT).filter(|input| shape::images(&input.shape, network.input().shape).is_none());
        let given = input.and_then(|input| shape::size(&input.shape, channels));
        let Some(size) = given.filter(|&size| size != [height, width]) else { return Ok(()) };
        let images = format!("{name}: its images are {}x{}, those of the network {height}x{width}", size[0], size[1]);
        *network = network.with_input_size(size).with_context(|| images.clone())?;
        output::notice(&format!("{images}: it runs in their size"));
        Ok(())
    }

    fn of(Arrays { mut wanted, others }: Arrays, network: &Network) -> Result<(Self, Vec<String>)> {
        let Some(input) = wanted.remove(INPUT) else {
            let there = listed(&others);
            bail!("array {INPUT}: it is missing; there is {}", if there.is_empty() { "none" } else { &there });
        };
        let images = images(INPUT, &input, network.input().shape)?;
        ensure!(images > 0, "array {INPUT}: its shape is {:?}: it must have an image", input.shape);
        let names = expected_names(network);
        let mut expected = Vec::with_capacity(names.len());
        for (names, node) in names.iter().zip(network.outputs()) {
            let mut there = names.iter().filter_map(|name| Some((name, wanted.remove(name)?)));
            let (first, second) = (there.next(), there.next());
            ensure!(second.is_none(), "arrays {}: which one must come out?", names.join(" and "));
            let values = first.map(|(name, array)| {
                let given = self::images(name, &array, node.shape)?;
                ensure!(given == images, "array {name}: its shape is {:?}: {INPUT} has {images} images", array.shape);
                Ok(array.values)
            });
            expected.push(values.transpose()?);
        }
        // What a misspelling would leave out is the comparison.
        for name in &others {
            let is_of_output = name.strip_prefix(EXPECTED).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            let outputs = output_names(network);
            ensure!(!is_of_output, "array {name}: there is no such output, there is {}", listed(&outputs));
            let missing = names.iter().zip(&expected).filter(|(_, expected)| expected.is_none());
            let meant = misspelt(name, missing.map(|(names, _)| names[0].as_str()));
            if let Some(meant) = meant {
                bail!("array {name}: nothing reads it (is array {meant} meant?)");
            }
        }
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
        let left_out = if of.contains(&1) { ", of which the 1s may be left out" } else { "" };
        format!("array {name}: its shape is {given:?}: the network has [N, {channels}, {height}, {width}]{left_out}")
    })
}

/// The first few.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(LISTED);
    if more > 0 { format!("{first} (and {more} more)") } else { first }
}
