//! Names that may have been meant, by edit distance.

use std::cmp::Reverse;

use strsim::osa_distance;

/// Longest name that is compared, in bytes, and most names: files are hostile, and distances cost the product of the
/// lengths.
const LENGTH_LIMIT: usize = 200;
const COUNT_LIMIT: usize = 20_000;

/// The `count` names nearest to `wanted`, nearest first.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    if wanted.len() > LENGTH_LIMIT {
        return Vec::new();
    }
    let short = names.filter(|name| name.len() <= LENGTH_LIMIT).take(COUNT_LIMIT);
    // Of names equally near, those with the same end: what is put before a name leaves it what it is.
    let same_end = |name: &str| wanted.bytes().rev().zip(name.bytes().rev()).take_while(|(a, b)| a == b).count();
    let rank = |name: &str| (osa_distance(wanted, name), Reverse(same_end(name)));
    let mut ranked: Vec<_> = short.map(|name| (rank(name), name)).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(count).map(|(_, name)| name).collect()
}

/// What others call what has another name here: ONNX's attributes, and what people shorten.
const OTHER_WORDS: [(&str, &str); 4] =
    [("pads", "padding"), ("pad", "padding"), ("auto_pad", "padding"), ("swish", "silu")];

/// The name that `word` is a misspelling of, in any case: nearer than a quarter of its letters, or one letter; or of
/// which it is the plural, or another word.
pub fn misspelt<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let names: Vec<&str> = names.collect();
    let is_plural = |name: &&str| word.strip_prefix(*name).is_some_and(|rest| rest == "s" || rest == "es");
    let other = OTHER_WORDS.iter().find(|(other, _)| *other == word).map(|(_, name)| *name);
    if let Some(same) = names.iter().copied().find(|name| is_plural(name) || other == Some(*name)) {
        return Some(same);
    }
    let near = nearest(&word, names.into_iter(), 1).first().copied()?;
    (osa_distance(&word, near) <= (near.len() / 4).max(1)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::{misspelt, nearest};

    #[test]
    fn the_nearest_come_first() {
        let names = ["conv1.weight", "layer1.0.conv1.weight", "bn1.bias"];
        assert_eq!(nearest("layer1.0.conv2.weight", names.into_iter(), 2), ["layer1.0.conv1.weight", "conv1.weight"]);
        let ties = ["encoder.bn1.weight", "encoder.conv1.weight"];
        assert_eq!(nearest("conv1.weight", ties.into_iter(), 1), ["encoder.conv1.weight"]);
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest("a", [long.as_str(), "b"].into_iter(), 3), ["b"]);
        assert!(nearest(&long, names.into_iter(), 3).is_empty());
    }

    #[test]
    fn other_words_are_no_misspellings() {
        let known = ["input", "expected", "bias", "padding", "stride", "scale", "weight", "dilation", "groups"];
        let of = |word| misspelt(word, known.into_iter());
        for (word, meant) in [
            ("expectd", "expected"),
            ("Expected", "expected"),
            ("expect", "expected"),
            ("paddings", "padding"),
            ("padidng", "padding"),
            ("strides", "stride"),
            ("bais", "bias"),
            ("biases", "bias"),
            ("weights", "weight"),
            ("pads", "padding"),
            ("dilations", "dilation"),
            ("group", "groups"),
        ] {
            assert_eq!(of(word), Some(meant), "{word}");
        }
        for word in ["output", "author", "date", "name", ""] {
            assert_eq!(of(word), None, "{word}");
        }
    }
}
