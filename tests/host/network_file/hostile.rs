//! Damaged files, by the thousand: an error of one line or a sound value, never a panic, never a huge allocation.

use std::collections::BTreeMap;

use filter_summary::layer_file::LayerFile;
use filter_summary::network::Network;

use super::{layer, quantized};
use crate::common::parts::{Parts, file};

/// xorshift, so that every run damages the same bytes.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % count
    }
}

/// Good files: networks, then layers.
fn files() -> [Vec<u8>; 4] {
    [Parts::good(), quantized::good(), layer::good(), quantized::good_layer()].map(|parts| parts.bytes())
}

/// Loads bytes as both kinds of file; whether the network was refused.
fn load(bytes: &[u8]) -> bool {
    let layer = LayerFile::from_bytes(bytes);
    let network = Network::from_bytes(bytes);
    for message in
        [layer.map(drop), network.as_ref().map(drop).map_err(Clone::clone)].into_iter().filter_map(Result::err)
    {
        let message = message.to_string();
        assert!(!message.contains(char::is_control) && message.chars().count() < 700, "{message}");
    }
    if let Ok(network) = &network {
        let again = Network::from_bytes(&network.to_bytes(&BTreeMap::new()).unwrap());
        assert_eq!(again.as_ref(), Ok(network));
    }
    network.is_err()
}

#[test]
fn truncated_at_every_byte() {
    for bytes in files() {
        for length in 0..bytes.len() {
            assert!(load(&bytes[..length]), "{length} bytes");
            assert!(LayerFile::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(load(&longer) && LayerFile::from_bytes(&longer).is_err());
    }
}

#[test]
fn random_bytes_changed() {
    let mut random = Random(0x5eed);
    for bytes in files() {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
        for _ in 0..4000 {
            let mut damaged = bytes.clone();
            for _ in 0..=random.below(3) {
                // Mostly the header: in the data a flip seldom makes anything but another finite number.
                let at = if random.below(8) == 0 { random.below(bytes.len()) } else { random.below(header) };
                damaged[at] = random.below(256) as u8;
            }
            load(&damaged);
        }
    }
}

/// Numbers worth trying in place of any other.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
];

/// `text` with one of its numbers replaced.
fn other_number(text: &str, random: &mut Random) -> String {
    let numbers: Vec<(usize, &str)> = text
        .match_indices(|c: char| c.is_ascii_digit())
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_ascii_digit()))
        .collect();
    let Some(&(at, _)) = numbers.get(random.below(numbers.len().max(1))) else { return text.to_owned() };
    let end = text[at..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| at + length);
    format!("{}{}{}", &text[..at], NUMBERS[random.below(NUMBERS.len())], &text[end..])
}

#[test]
fn numbers_of_the_graph_changed() {
    let mut random = Random(0xf00d);
    let graph = Parts::good().graph.to_string();
    let mut loaded = 0;
    for _ in 0..4000 {
        let mut parts = Parts::good();
        let once = other_number(&graph, &mut random);
        let text = if random.below(2) == 0 { other_number(&once, &mut random) } else { once };
        parts.metadata.insert("graph".to_owned(), text);
        loaded += usize::from(!load(&parts.bytes()));
    }
    assert!(loaded > 100, "only {loaded} were sound: the test no longer tests what it should");
}

#[test]
fn numbers_of_a_layer_changed() {
    let mut random = Random(0xcafe);
    let mut loaded = 0;
    for _ in 0..4000 {
        let mut layer = if random.below(2) == 0 { layer::good() } else { quantized::good_layer() };
        for _ in 0..=random.below(2) {
            let keys: Vec<String> = layer.metadata.keys().cloned().collect();
            let key = &keys[random.below(keys.len())];
            let text = other_number(&layer.metadata[key], &mut random);
            layer.metadata.insert(key.clone(), text);
        }
        if random.below(2) == 0 {
            let starts = layer.tensors.get_mut("starts").unwrap();
            let at = random.below(starts.2.len());
            starts.2[at] = random.below(256) as u8;
        }
        loaded += usize::from(LayerFile::from_bytes(&file(&layer.metadata, &layer.tensors)).is_ok());
    }
    assert!(loaded > 100, "only {loaded} were sound: the test no longer tests what it should");
}
