//! Texts that variants are put together from.

use std::borrow::Cow;

use super::{Access, Role};

/// A text that goes before a kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Text(&'static str),
    /// That reads a tensor, by its name.
    Read {
        name: &'static str,
        role: Role,
        access: Access,
    },
}

impl Part {
    pub(super) fn text(self) -> Cow<'static, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Read { name, role, access } => {
                let title = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
                let text = access.read_text().replace("tensor", name).replace("Tensor", &title);
                let text = text.replace("TENSOR", &name.to_uppercase());
                Cow::Owned(with_constant(&text, &format!("{}_BINDING", name.to_uppercase()), role.binding()))
            }
        }
    }
}

/// Rewrites the default of `const NAME: u32 = ...;`. Tests check that every constant of every variant is there to be
/// rewritten.
pub(super) fn with_constant(source: &str, name: &str, value: u32) -> String {
    let declaration = format!("const {name}: u32 = ");
    match source.split_once(&declaration).and_then(|(before, after)| Some((before, after.split_once(';')?))) {
        Some((before, (_, after))) => format!("{before}{declaration}{value}u;{after}"),
        None => source.to_owned(),
    }
}
