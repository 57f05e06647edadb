//! Messages about what is in a file.

use crate::error::{Error, Result};

/// Longest name of a tensor, node or key that a message repeats, in characters.
const NAME_LIMIT: usize = 160;

/// Longest rest of a message, in characters.
const REASON_LIMIT: usize = 500;

/// Makes an error one line of bounded length: names in a file may hold line breaks, terminal codes, or megabytes.
pub(crate) fn one_line<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Format { place, reason } => {
            Error::Format { place: clean(&place, NAME_LIMIT), reason: clean(&reason, REASON_LIMIT) }
        }
        Error::Value { field, value, rule } => Error::Value {
            field: clean(&field, NAME_LIMIT),
            value: clean(&value, NAME_LIMIT),
            rule: clean(&rule, REASON_LIMIT),
        },
        other => other,
    })
}

pub(super) fn clean(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, symbol) in text.chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        if symbol.is_control() || matches!(symbol, '\u{2028}' | '\u{2029}') {
            line.extend(symbol.escape_default());
        } else {
            line.push(symbol);
        }
    }
    line
}
