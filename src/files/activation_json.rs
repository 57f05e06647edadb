//! The JSON of an activation: a word, or an object of one word with its numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::nearest::misspelt;
use crate::method::activation::{Activation, OF_BASES};

/// An activation as it stands in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "an activation must be a word, or an object of one word with its numbers")]
pub(crate) enum ActivationJson {
    Word(String),
    Object(BTreeMap<String, Numbers>),
}

/// The numbers of a word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Numbers {
    One(f32),
    List(Vec<f32>),
}

/// What a word needs to become an activation.
#[derive(Clone, Copy)]
enum Maker {
    Word(Activation),
    One(fn(f32) -> Result<Activation>),
    /// With their names.
    Two([&'static str; 2], fn(f32, f32) -> Result<Activation>),
}

const MAKERS: [(&str, Maker); 20] = [
    ("none", Maker::Word(Activation::None)),
    ("relu", Maker::Word(Activation::Relu)),
    ("relu6", Maker::Word(Activation::Relu6)),
    ("leaky_relu", Maker::One(Activation::leaky_relu)),
    ("clip", Maker::Two(["low", "high"], Activation::clip)),
    ("sigmoid", Maker::Word(Activation::Sigmoid)),
    ("tanh", Maker::Word(Activation::Tanh)),
    ("silu", Maker::Word(Activation::Silu)),
    ("hard_sigmoid", Maker::Two(["a", "b"], Activation::hard_sigmoid)),
    ("hard_swish", Maker::Word(Activation::HardSwish)),
    ("gelu", Maker::Word(Activation::Gelu)),
    ("gelu_tanh", Maker::Word(Activation::GeluTanh)),
    ("elu", Maker::One(Activation::elu)),
    ("celu", Maker::One(Activation::celu)),
    ("selu", Maker::Word(Activation::Selu)),
    ("softplus", Maker::Word(Activation::Softplus)),
    ("mish", Maker::Word(Activation::Mish)),
    ("softsign", Maker::Word(Activation::Softsign)),
    ("sqrt", Maker::Word(Activation::Sqrt)),
    ("exp", Maker::Word(Activation::Exp)),
];

impl ActivationJson {
    /// Of a text that stands alone: a bare word, or the JSON of an object.
    pub(crate) fn of_text(key: &str, text: &str) -> Result<Self> {
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|error| Error::format(key, error));
        }
        Ok(Self::Word(text.to_owned()))
    }

    /// The activation that it means; `key` is where it stands.
    pub(crate) fn read(&self, key: &str) -> Result<Activation> {
        let (word, numbers) = self.parts(key)?;
        match (maker(key, word)?, numbers) {
            (Maker::Word(activation), None) => Ok(activation),
            (Maker::One(make), Some(&Numbers::One(number))) => make(number),
            (Maker::Two(_, make), Some(Numbers::List(numbers))) if numbers.len() == 2 => make(numbers[0], numbers[1]),
            (Maker::Word(_), Some(_)) => Err(Error::value(key, word, format!("it has no numbers: write \"{word}\""))),
            (Maker::One(_), _) => Err(Error::value(key, word, format!("write {{\"{word}\": a}}, with one number"))),
            (Maker::Two([first, second], _), _) => {
                let rule = format!("write {{\"{word}\": [{first}, {second}]}}, with two numbers");
                Err(Error::value(key, word, rule))
            }
        }
    }

    /// The same of a base stage.
    pub(crate) fn read_of_bases(&self, key: &str) -> Result<Activation> {
        let (word, _) = self.parts(key)?;
        let found = self.read(key).ok().filter(|activation| activation.check_of_bases().is_ok());
        found.ok_or_else(|| Error::value(key, word, OF_BASES))
    }

    fn parts(&self, key: &str) -> Result<(&str, Option<&Numbers>)> {
        match self {
            Self::Word(word) => Ok((word, None)),
            Self::Object(object) => match (object.len(), object.iter().next()) {
                (1, Some((word, numbers))) => Ok((word, Some(numbers))),
                (words, _) => Err(Error::format(key, format!("it is an object of {words} words: it must have one"))),
            },
        }
    }
}

fn maker(key: &str, word: &str) -> Result<Maker> {
    let words = || MAKERS.iter().map(|(word, _)| *word);
    let found = MAKERS.iter().find(|(known, _)| *known == word);
    found.map(|(_, maker)| *maker).ok_or_else(|| {
        let meant = misspelt(word, words()).map(|meant| format!(" (is {meant} meant?)")).unwrap_or_default();
        Error::value(key, word, format!("it must be one of {}{meant}", words().collect::<Vec<_>>().join(", ")))
    })
}

impl From<Activation> for ActivationJson {
    fn from(activation: Activation) -> Self {
        let numbers = match activation {
            Activation::LeakyRelu(a) | Activation::Elu(a) | Activation::Celu { a } => Numbers::One(a.get()),
            Activation::Clip { low: first, high: second } | Activation::HardSigmoid(first, second) => {
                Numbers::List(vec![first.get(), second.get()])
            }
            _ => return Self::Word(activation.name().to_owned()),
        };
        Self::Object(BTreeMap::from([(activation.name().to_owned(), numbers)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Activation, String> {
        let json: ActivationJson = serde_json::from_str(text).map_err(|error| error.to_string())?;
        json.read("activation").map_err(|error| error.to_string())
    }

    #[test]
    fn every_activation_comes_back() {
        let numbers = [0.1, -0.0, 1e-40, f32::MAX, f32::MIN, 1.0 / 6.0];
        let mut all: Vec<Activation> = MAKERS
            .iter()
            .filter_map(|(_, maker)| if let Maker::Word(activation) = maker { Some(*activation) } else { None })
            .collect();
        for (&a, &b) in numbers.iter().zip(numbers.iter().rev()) {
            all.push(Activation::leaky_relu(a).unwrap());
            all.push(Activation::hard_sigmoid(a, b).unwrap());
            all.push(Activation::elu(a).unwrap());
            all.push(Activation::celu(a.abs().clamp(0.5, 1e30)).unwrap());
            all.push(Activation::clip(a.min(b), a.max(b)).unwrap());
        }
        for activation in all {
            let text = serde_json::to_string(&ActivationJson::from(activation)).unwrap();
            assert_eq!(read(&text), Ok(activation), "{text}");
            assert!(text.contains(activation.name()), "{text}");
            let alone = text.trim_matches('"');
            assert_eq!(ActivationJson::of_text("activation", alone).unwrap().read("activation"), Ok(activation));
        }
    }

    #[test]
    fn wrong_ones_are_named() {
        let words = "none, relu, relu6, leaky_relu, clip, sigmoid, tanh, silu, hard_sigmoid, hard_swish, gelu, \
                     gelu_tanh, elu, celu, selu, softplus, mish, softsign, sqrt, exp";
        let any = format!("it must be one of {words}");
        for (text, want) in [
            (r#""gellu""#, format!("activation is gellu: {any} (is gelu meant?)")),
            (r#""LeakyReLU""#, format!("activation is LeakyReLU: {any} (is leaky_relu meant?)")),
            (r#""swish""#, format!("activation is swish: {any} (is silu meant?)")),
            (r#""maxout""#, format!("activation is maxout: {any}")),
            (r#"{"maxout": 1}"#, format!("activation is maxout: {any}")),
            (r#"{"mish": 1}"#, "activation is mish: it has no numbers: write \"mish\"".into()),
            (r#""clip""#, "activation is clip: write {\"clip\": [low, high]}, with two numbers".into()),
            (r#"{"clip": 6}"#, "activation is clip: write {\"clip\": [low, high]}, with two numbers".into()),
            (r#"{"clip": [0, 3, 6]}"#, "activation is clip: write {\"clip\": [low, high]}, with two numbers".into()),
            (r#"{"leaky_relu": [0.1]}"#, "activation is leaky_relu: write {\"leaky_relu\": a}, with one number".into()),
            (r#"{"relu": []}"#, "activation is relu: it has no numbers: write \"relu\"".into()),
            (
                r#"{"celu": 0}"#,
                "activation.celu is 0: it must be from 1.2e-38, the least normal number, to 8.5e37".into(),
            ),
            (r#"{"clip": [1, 0]}"#, "activation.clip is [1, 0]: low must be at most high".into()),
            (r#"{"leaky_relu": 1e39}"#, "activation.leaky_relu is inf: it must be finite".into()),
            (r#"{"hard_sigmoid": [1, -1e300]}"#, "activation.hard_sigmoid[1] is -inf: it must be finite".into()),
            (r#"{"leaky_relu": 1e400}"#, "number out of range at line 1 column 20".into()),
            ("{}", "activation: it is an object of 0 words: it must have one".into()),
            (r#"{"relu": 1, "tanh": 1}"#, "activation: it is an object of 2 words: it must have one".into()),
        ] {
            assert_eq!(read(text), Err(want), "{text}");
        }
        let shape = "an activation must be a word, or an object of one word with its numbers";
        for text in ["6", "null", "[\"relu\"]", r#"{"leaky_relu": "a"}"#, r#"{"leaky_relu": null}"#, "true"] {
            assert!(read(text).unwrap_err().starts_with(shape), "{text}: {:?}", read(text));
        }
    }
}
