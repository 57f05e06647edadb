//! `resize`: images of another size, by the rules of PyTorch and ONNX.

use std::sync::Arc;

#[cfg(feature = "cpu")]
use super::Reach;
use super::{FileOp, NodeInput, NodeJson, Op, Operation, Picker, Picks, Resample, Work, check_sides};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::stored_summary::Word;
use crate::files::tensor_file::TensorFile;
use crate::method::window::INDEX_LIMIT;
#[cfg(feature = "cpu")]
use crate::network::bounds::EPSILON;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::ops::SizeJson;

/// Images of another size. [`Resize::to`] and [`Resize::by`] are PyTorch's `interpolate` in mode `bilinear`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Resize {
    /// Which.
    pub size: ResizeSize,
    /// What becomes of pixels between those of the input.
    pub mode: ResizeMode,
    /// Where pixels of the output lie in the input.
    pub coordinates: Coordinates,
}

/// The size of resized images.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ResizeSize {
    /// `[H, W]`.
    To([usize; 2]),
    /// So many times the input's, `[y, x]`, rounded down.
    By([f64; 2]),
}

/// What becomes of pixels that lie between those of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResizeMode {
    /// A blend of the two nearest of each axis.
    #[default]
    Bilinear,
    /// The one that places are rounded to.
    Nearest(Rounding),
}

/// Where the pixel `o` of the output lies in the input, scaled by `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Coordinates {
    /// `(o + 1/2) / s - 1/2`.
    #[default]
    HalfPixel,
    /// The same, and 0 where the output's size is 1.
    PytorchHalfPixel,
    /// `o * (input - 1) / (output - 1)`, and 0 where the output's size is 1.
    AlignCorners,
    /// `o / s`.
    Asymmetric,
}

/// How places become whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Rounding {
    /// Down.
    #[default]
    Floor,
    /// Up.
    Ceil,
    /// To the nearest, halves down.
    PreferFloor,
    /// To the nearest, halves up.
    PreferCeil,
}

pub(super) const FILE_OPS: &[FileOp] = &[FileOp {
    name: "resize",
    keys: &["input", "size", "scale", "mode", "coordinates", "rounding"],
    tensors: &[],
    read,
}];

/// The words of modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModeWord {
    Bilinear,
    Nearest,
}

impl Word for ModeWord {
    const ALL: &'static [Self] = &[Self::Bilinear, Self::Nearest];

    fn word(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Nearest => "nearest",
        }
    }
}

impl Word for Coordinates {
    const ALL: &'static [Self] = &[Self::HalfPixel, Self::PytorchHalfPixel, Self::AlignCorners, Self::Asymmetric];

    fn word(self) -> &'static str {
        match self {
            Self::HalfPixel => "half_pixel",
            Self::PytorchHalfPixel => "pytorch_half_pixel",
            Self::AlignCorners => "align_corners",
            Self::Asymmetric => "asymmetric",
        }
    }
}

impl Word for Rounding {
    const ALL: &'static [Self] = &[Self::Floor, Self::Ceil, Self::PreferFloor, Self::PreferCeil];

    fn word(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::PreferFloor => "round_prefer_floor",
            Self::PreferCeil => "round_prefer_ceil",
        }
    }
}

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    let size = match (&node.size, node.scale) {
        (Some(SizeJson::Image(size)), None) => ResizeSize::To(*size),
        (Some(SizeJson::Number(size)), None) => return Err(Error::value("size", size, "it must be [H, W]")),
        (None, Some(scale)) => ResizeSize::By(scale),
        _ => return Err(Error::format("size", "there must be either size or scale")),
    };
    let mode = node.mode.as_deref().map_or(Ok(ModeWord::Bilinear), |word| ModeWord::from_word("mode", word))?;
    let rounding = node.rounding.as_deref().map(|word| Rounding::from_word("rounding", word)).transpose()?;
    let mode = match (mode, rounding) {
        (ModeWord::Nearest, rounding) => ResizeMode::Nearest(rounding.unwrap_or_default()),
        (ModeWord::Bilinear, None) => ResizeMode::Bilinear,
        (ModeWord::Bilinear, Some(word)) => {
            return Err(Error::value("rounding", word.word(), "only the mode nearest has one"));
        }
    };
    let coordinates = node.coordinates.as_deref().map(|word| Coordinates::from_word("coordinates", word));
    Ok(Op::Resize(Resize { size, mode, coordinates: coordinates.transpose()?.unwrap_or_default() }))
}

impl Resize {
    /// To `[H, W]`.
    pub fn to(size: [usize; 2]) -> Self {
        Self { size: ResizeSize::To(size), mode: ResizeMode::default(), coordinates: Coordinates::default() }
    }

    /// To `[y, x]` times the size.
    pub fn by(scale: [f64; 2]) -> Self {
        Self { size: ResizeSize::By(scale), ..Self::to([1, 1]) }
    }

    /// The same in another mode.
    #[must_use]
    pub fn with_mode(self, mode: ResizeMode) -> Self {
        Self { mode, ..self }
    }

    /// The same with pixels elsewhere.
    #[must_use]
    pub fn with_coordinates(self, coordinates: Coordinates) -> Self {
        Self { coordinates, ..self }
    }

    /// The size along an axis of the image.
    fn output_size(&self, axis: usize, input: usize) -> Result<usize> {
        match self.size {
            ResizeSize::To(size) => {
                check_size(&format!("size[{axis}]"), size[axis], INDEX_LIMIT)?;
                Ok(size[axis])
            }
            ResizeSize::By(scale) => {
                let output = (input as f64 * scale[axis]).floor();
                if (1.0..=INDEX_LIMIT as f64).contains(&output) {
                    return Ok(output as usize);
                }
                let rule = format!("times the size, {input}, it must be between 1 and {INDEX_LIMIT}");
                Err(Error::value(format!("scale[{axis}]"), format!("{:?}", scale[axis]), rule))
            }
        }
    }

    /// Where a pixel of the output lies in the input.
    fn place(&self, axis: usize, at: usize, input: usize, output: usize) -> f64 {
        // Sizes first, so that quotients that are whole come out whole.
        let unscaled = |place: f64| match self.size {
            ResizeSize::To(_) => place * input as f64 / output as f64,
            ResizeSize::By(scale) => place / scale[axis],
        };
        match self.coordinates {
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if output == 1 => 0.0,
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => unscaled(at as f64 + 0.5) - 0.5,
            Coordinates::AlignCorners => at as f64 * (input - 1) as f64 / (output - 1) as f64,
            Coordinates::Asymmetric => unscaled(at as f64),
        }
    }
}

#[cfg(feature = "cpu")]
impl Resize {
    /// The same by arithmetic in f32: with the scale as a factor, and as a divisor.
    fn places_in_f32(&self, axis: usize, at: usize, input: usize, output: usize) -> [f32; 2] {
        let [at, input, size] = [at, input, output].map(|number| number as f32);
        let [shrinks, grows] = match self.size {
            ResizeSize::To(_) => [input / size, size / input],
            ResizeSize::By(scale) => [(1.0 / scale[axis]) as f32, scale[axis] as f32],
        };
        let both = |place: f32| [place * shrinks, place / grows];
        match self.coordinates {
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if output == 1 => [0.0; 2],
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => both(at + 0.5).map(|place| place - 0.5),
            Coordinates::AlignCorners => [at * ((input - 1.0) / (size - 1.0)), at * (input - 1.0) / (size - 1.0)],
            Coordinates::Asymmetric => both(at),
        }
    }
}

impl NetworkBuilder {
    /// Adds an image of another size: `[C, H, W]` to `[C, OH, OW]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when the size asked for is zero.
    pub fn resize(&mut self, name: &str, input: Value, resize: Resize) -> Result<Value> {
        self.node(name, Op::Resize(resize), &[input])
    }
}

impl Operation for Resize {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let [channels, height, width] = NodeInput::only(inputs)?;
        check_sides([channels, self.output_size(0, height)?, self.output_size(1, width)?])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let (mode, rounding) = match self.mode {
            ResizeMode::Bilinear => (ModeWord::Bilinear, None),
            ResizeMode::Nearest(rounding) => (ModeWord::Nearest, Some(rounding.word().to_owned())),
        };
        let (size, scale) = match self.size {
            ResizeSize::To(size) => (Some(SizeJson::Image(size)), None),
            ResizeSize::By(scale) => (None, Some(scale)),
        };
        let (mode, coordinates) = (Some(mode.word().to_owned()), Some(self.coordinates.word().to_owned()));
        NodeJson { size, scale, mode, rounding, coordinates, ..NodeJson::of("resize") }
    }

    fn tie(&self, _: [usize; 3]) -> Option<&'static str> {
        matches!(self.size, ResizeSize::To(_)).then_some("it makes images of one size")
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], [_, out_height, out_width]: [usize; 3]) -> Work<'_> {
        let [_, height, width] = inputs[0];
        let (input, output) = ([height, width], [out_height, out_width]);
        Work::Stage(Arc::new(Resample { picker: *self, input, output }))
    }
}

/// The row that a place is rounded to.
fn rounded(rounding: Rounding, place: f64, last: f64) -> u32 {
    // The part behind the point is exact, where a half more or less may not be.
    let (floor, behind) = (place.floor(), place - place.floor());
    let whole = match rounding {
        Rounding::Floor => floor,
        Rounding::Ceil => place.ceil(),
        Rounding::PreferFloor => floor + f64::from(u8::from(behind > 0.5)),
        Rounding::PreferCeil => floor + f64::from(u8::from(behind >= 0.5)),
    };
    whole.clamp(0.0, last) as u32
}

impl Picker for Resize {
    fn blends(&self) -> bool {
        self.mode == ResizeMode::Bilinear
    }

    fn picks(&self, axis: usize, input: usize, output: usize) -> Picks {
        let last = (input - 1) as f64;
        let places = (0..output).map(|at| self.place(axis, at, input, output));
        match self.mode {
            ResizeMode::Nearest(rounding) => {
                Picks::One(places.map(|place| Some(rounded(rounding, place, last))).collect())
            }
            ResizeMode::Bilinear => {
                let pick = |place: f64| {
                    let place = place.clamp(0.0, last);
                    let first = place.floor();
                    ([first as u32, (first + 1.0).min(last) as u32], place - first)
                };
                Picks::Two(places.map(pick).collect())
            }
        }
    }

    /// PyTorch and ONNX Runtime compute places in f32, one by products and one by quotients.
    #[cfg(feature = "cpu")]
    fn reaches(&self, axis: usize, input: usize, output: usize) -> Vec<Reach> {
        let last = (input - 1) as f64;
        let of = |at: usize| {
            let place = self.place(axis, at, input, output);
            let others = self.places_in_f32(axis, at, input, output).map(f64::from);
            let [least, most] = [f64::min, f64::max].map(|of: fn(f64, f64) -> f64| others.into_iter().fold(place, of));
            match self.mode {
                ResizeMode::Nearest(rounding) => {
                    let rows = [least, most].map(|place| rounded(rounding, place, last));
                    Reach { rows, share: f64::from(u8::from(rows[0] != rows[1])) }
                }
                ResizeMode::Bilinear => {
                    let [least, most] = [least, most].map(|place| place.clamp(0.0, last));
                    // In orders of operations that neither has, too.
                    let share = (most - least).max(EPSILON * place.abs());
                    let rows = [(least - share).floor().max(0.0), (most + share).ceil().min(last)];
                    Reach { rows: rows.map(|row| row as u32), share }
                }
            }
        };
        (0..output).map(of).collect()
    }
}
