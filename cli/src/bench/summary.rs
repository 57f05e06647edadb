//! How a layer's filters lie in their summary: `C/2`, `2C`, `gains:C`, `base:C`, `published:4`, `dense`.

use std::fmt;
use std::str::FromStr;

use filter_summary::{Boundary, Placement, Problem, Starts, Window};

use super::layer::Layer;

/// A placement, whatever the layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Summary {
    /// Tap-major, each filter `C * times / over` further than the last.
    Step { times: usize, over: usize },
    /// The same with learned positions in units of a tap, all of them halfway between two.
    Learned { times: usize, over: usize },
    /// Tap-major with tap gains.
    Gains { times: usize, over: usize },
    /// All taps of a filter on one base, with gains.
    OneBase { times: usize, over: usize },
    /// The FSNet authors' placement with this compression ratio.
    Published(f64),
    /// Filters that share nothing.
    Dense,
}

impl Summary {
    /// One tap a filter.
    pub(crate) const C: Self = Self::Step { times: 1, over: 1 };

    /// The convolution `layer` with filters that lie so.
    pub(crate) fn problem(self, layer: &Layer) -> filter_summary::Result<Problem> {
        let &Layer { channels, filters, kernel, .. } = layer;
        let placement = match self {
            // A step that is no whole number of values is rounded down; the library refuses 0.
            Self::Step { times, over } => {
                Placement::tap_major(filters, channels, kernel, kernel, channels.saturating_mul(times) / over)?
            }
            Self::Gains { times, over } => {
                let step = channels.saturating_mul(times) / over;
                Placement::tap_major(filters, channels, kernel, kernel, step)?.with_gains()
            }
            Self::OneBase { times, over } => {
                Placement::one_base(filters, channels, kernel, kernel, channels.saturating_mul(times) / over)?
            }
            Self::Learned { times, over } => halfway(layer, times, over)?,
            Self::Published(ratio) => Placement::published(filters, channels, kernel, kernel, ratio)?,
            Self::Dense => Placement::dense(filters, channels, kernel, kernel)?,
        };
        Problem::new(&placement, layer.conv(), [layer.batch, layer.size, layer.size])
    }

    /// Whether it compresses `layer`, or is not meant to: a step beyond a whole filter, as 2C is for a 1x1 layer, only
    /// leaves gaps, and one below a single value, as C/2 is for one channel, is none.
    pub(crate) fn suits(self, layer: &Layer) -> bool {
        match self {
            Self::Step { times, over } | Self::Learned { times, over } | Self::Gains { times, over } => {
                let taps = layer.kernel.saturating_mul(layer.kernel);
                times < over.saturating_mul(taps) && layer.channels.saturating_mul(times) >= over
            }
            // Filters of one base end to end are the most that there can be.
            Self::OneBase { times, over } => times <= over && layer.channels.saturating_mul(times) >= over,
            Self::Published(_) | Self::Dense => true,
        }
    }
}

/// Filter `i` between taps `floor(i * times / over)` and the next.
fn halfway(layer: &Layer, times: usize, over: usize) -> filter_summary::Result<Placement> {
    let &Layer { channels, filters, kernel, .. } = layer;
    let window = Window::tap_major(channels, kernel, kernel)?;
    // Refuses more filters than there can be, before there is a list of them.
    Placement::tap_major(filters, channels, kernel, kernel, 1)?;
    let taps: Vec<usize> = (0..filters).map(|filter| filter.saturating_mul(times) / over).collect();
    let positions = taps.iter().map(|&tap| tap as f32 + 0.5).collect();
    let last = taps.last().map_or(0, |tap| tap.saturating_add(1));
    let length = window.weights().saturating_add(last.saturating_mul(channels));
    Placement::new(window, Starts::Learned { length, positions, unit: channels }, Boundary::None)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Step { times, over }
            | Self::Learned { times, over }
            | Self::Gains { times, over }
            | Self::OneBase { times, over } => {
                f.write_str(match self {
                    Self::Learned { .. } => "learned:",
                    Self::Gains { .. } => "gains:",
                    Self::OneBase { .. } => "base:",
                    _ => "",
                })?;
                if times != 1 {
                    write!(f, "{times}")?;
                }
                f.write_str("C")?;
                if over != 1 { write!(f, "/{over}") } else { Ok(()) }
            }
            Self::Published(ratio) => write!(f, "published:{ratio}"),
            Self::Dense => f.write_str("dense"),
        }
    }
}

impl FromStr for Summary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            if text == "dense" {
                return Some(Self::Dense);
            }
            if let Some(ratio) = text.strip_prefix("published:") {
                return ratio
                    .parse()
                    .ok()
                    .filter(|ratio: &f64| ratio.is_finite() && *ratio >= 1.0)
                    .map(Self::Published);
            }
            if let Some((kind, step)) = text.split_once(':') {
                let Self::Step { times, over } = step.parse().ok()? else { return None };
                return match kind {
                    "learned" => Some(Self::Learned { times, over }),
                    "gains" => Some(Self::Gains { times, over }),
                    "base" => Some(Self::OneBase { times, over }),
                    _ => None,
                };
            }
            let (times, over) = text.split_once(['C', 'c'])?;
            let number = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
            let times = if times.is_empty() { 1 } else { number(times)? };
            let over = if over.is_empty() { 1 } else { number(over.strip_prefix('/')?)? };
            Some(Self::Step { times, over })
        };
        parse().ok_or_else(|| {
            "write it like C, C/2, 2C, 3C/2, learned:2C, gains:C, base:C, published:4 or dense".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_read_as_they_print() {
        for text in [
            "C",
            "C/2",
            "2C",
            "3C/2",
            "learned:2C",
            "learned:C/2",
            "gains:C",
            "base:C/2",
            "published:4",
            "published:2.5",
            "dense",
        ] {
            assert_eq!(text.parse::<Summary>().unwrap().to_string(), text);
        }
        for text in [
            "learned",
            "learned:",
            "learned:dense",
            "learned:learned:C",
            "gains:base:C",
            "",
            "2",
            "C2",
            "0C",
            "C/0",
            "C/",
            "published",
            "published:0.5",
            "published:inf",
            "Dense",
        ] {
            assert!(text.parse::<Summary>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_step_of_a_whole_filter_compresses_nothing() {
        let suits = |summary: &str, layer: &str| summary.parse::<Summary>().unwrap().suits(&layer.parse().unwrap());
        assert!(suits("2C", "64x8") && suits("8C", "64x8") && !suits("9C", "64x8"));
        assert!(suits("C/2", "64x8k1") && !suits("C", "64x8k1") && !suits("3C", "64x8k1"));
        assert!(suits("dense", "64x8k1") && suits("published:4", "64x8k1"));
        assert!(suits("gains:2C", "64x8") && suits("base:C", "64x8k1") && !suits("base:2C", "64x8"));
        assert!(suits("learned:2C", "64x8") && !suits("learned:C", "64x8k1"));
    }
}
