//! Constants: tensors whose values are known when a model is imported.

use std::borrow::Cow;
use std::rc::Rc;

use half::{bf16, f16};

use super::budget::Budget;
use super::external::External;
use super::messages;
use super::refusal::{Why, why};
use super::wire;
use crate::error::Error;
use crate::method::window::INDEX_LIMIT;

/// Where a tensor's bytes are: `TensorProto.DataLocation`.
const EXTERNAL: i32 = 1;

/// A constant of any number of axes, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) dims: Vec<usize>,
    pub(super) values: Values,
}

/// A tensor as ONNX writes it to a file of its own (`TensorProto`), its numbers as floats.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GivenTensor {
    /// What it is called, if anything.
    pub name: String,
    /// Sizes of its axes.
    pub sizes: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

impl GivenTensor {
    /// Reads the bytes of a `TensorProto`.
    ///
    /// # Errors
    /// When they are none, or of a type that is not read.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |reason: String| Error::format("ONNX tensor", reason);
        let mut budget = Budget::for_file(bytes.len());
        let message = wire::tensor(bytes, &mut budget).map_err(|why| wrong(why.reason))?;
        let tensor =
            Tensor::decode(&message, &mut External::default(), &mut budget).map_err(|why| wrong(why.reason))?;
        let values = tensor.copied(&mut budget).map_err(|why| wrong(why.reason))?;
        Ok(Self { name: message.name, sizes: tensor.dims, values })
    }
}

/// All of ONNX's kinds of numbers as one of floats and one of integers, which truth values are too.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// One number everywhere: what makes large tensors of small files.
    AllFloats(f32),
    AllInts(i64),
}

/// `TensorProto.DataType`, as far as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataType {
    F32,
    F64,
    F16,
    Bf16,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    U32,
    U64,
    Bool,
}

impl DataType {
    /// By ONNX's number.
    pub(super) fn of(number: i64) -> Result<Self, Why> {
        Ok(match number {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::Bf16,
            _ => return Err(why(format!("its data type is number {number}, which is not read"))),
        })
    }

    /// What a float becomes in this type.
    pub(super) fn rounded(self, value: f32) -> f32 {
        match self {
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
            _ => value,
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::Bf16)
    }

    /// What ONNX calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "FLOAT",
            Self::F64 => "DOUBLE",
            Self::F16 => "FLOAT16",
            Self::Bf16 => "BFLOAT16",
            Self::U8 => "UINT8",
            Self::I8 => "INT8",
            Self::U16 => "UINT16",
            Self::I16 => "INT16",
            Self::I32 => "INT32",
            Self::I64 => "INT64",
            Self::U32 => "UINT32",
            Self::U64 => "UINT64",
            Self::Bool => "BOOL",
        }
    }

    /// An integer as this type holds it: its lowest bits.
    pub(super) fn wrapped(self, value: i64) -> i64 {
        match self {
            Self::U8 => (value as u8).into(),
            Self::I8 => (value as i8).into(),
            Self::U16 => (value as u16).into(),
            Self::I16 => (value as i16).into(),
            Self::U32 => (value as u32).into(),
            Self::I32 => (value as i32).into(),
            _ => value,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// Most axes of a tensor: ONNX's own tests have 8.
pub(super) const MOST_AXES: usize = 64;

/// How many values a tensor has, where that can be counted and indexed.
pub(super) fn count(dims: &[usize]) -> Result<usize, Why> {
    // Sizes beside a 0 must not be more either: parts of them are multiplied too.
    let most = dims.iter().try_fold(1usize, |count, &size| count.checked_mul(size.max(1)));
    let most = most.filter(|&count| count <= INDEX_LIMIT && dims.len() <= MOST_AXES);
    let count = most.map(|count| if dims.contains(&0) { 0 } else { count });
    let limits = || format!("more than {INDEX_LIMIT} values or {MOST_AXES} axes");
    count.ok_or_else(|| why(format!("a tensor of {} has {}", shown(dims), limits())))
}

/// Sizes for a message: `3x4`, and not thousands of them.
pub(super) fn shown(dims: &[usize]) -> String {
    let first: Vec<String> = dims.iter().take(8).map(usize::to_string).collect();
    let rest = if dims.len() > 8 { "x..." } else { "" };
    if dims.is_empty() { "no axes".to_owned() } else { format!("{}{rest}", first.join("x")) }
}

impl Tensor {
    pub(super) fn floats(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self { dims, values: Values::Floats(values) }
    }

    /// A list of integers.
    pub(super) fn list(values: Vec<i64>) -> Self {
        Self { dims: vec![values.len()], values: Values::Ints(values) }
    }

    pub(super) fn count(&self) -> usize {
        self.dims.iter().product()
    }

    pub(super) fn is_float(&self) -> bool {
        matches!(self.values, Values::Floats(_) | Values::AllFloats(_))
    }

    /// What a file's tensor holds. Nothing is allocated by a number that the file's length does not bear out.
    pub(super) fn decode(tensor: &messages::Tensor, external: &mut External, budget: &mut Budget) -> Result<Self, Why> {
        let dims = tensor.dims.iter().map(|&size| usize::try_from(size));
        let dims: Vec<usize> =
            dims.collect::<Result<_, _>>().map_err(|_| why("its dimensions are negative or too large"))?;
        let (count, kind) = (count(&dims)?, DataType::of(tensor.data_type.into())?);
        let bytes = if tensor.data_location == EXTERNAL {
            Some(Cow::Owned(external.read(&tensor.external_data, count * kind.bytes(), budget)?))
        } else {
            tensor.raw_data.as_deref().map(Cow::Borrowed)
        };
        budget.take(count * if kind.is_float() { 4 } else { 8 })?;
        let values = match bytes {
            Some(bytes) => of_bytes(&bytes, kind, count)?,
            None => of_fields(tensor, kind, count)?,
        };
        Ok(Self { dims, values })
    }

    /// The value at a place, as a float.
    pub(super) fn float(&self, at: usize) -> f32 {
        match &self.values {
            Values::Floats(values) => values[at],
            Values::Ints(values) => values[at] as f32,
            Values::AllFloats(value) => *value,
            Values::AllInts(value) => *value as f32,
        }
    }

    /// The value at a place, as an integer.
    pub(super) fn int(&self, at: usize) -> i64 {
        match &self.values {
            Values::Floats(values) => values[at] as i64,
            Values::Ints(values) => values[at],
            Values::AllFloats(value) => *value as i64,
            Values::AllInts(value) => *value,
        }
    }

    /// The numbers that it has: one, where it is everywhere.
    pub(super) fn numbers(&self) -> impl Iterator<Item = f32> {
        let is_uniform = matches!(self.values, Values::AllFloats(_) | Values::AllInts(_));
        let count = if is_uniform { self.count().min(1) } else { self.count() };
        (0..count).map(|at| self.float(at))
    }

    /// All values as floats.
    pub(super) fn into_floats(self: Rc<Self>, budget: &mut Budget) -> Result<Vec<f32>, Why> {
        match Rc::try_unwrap(self) {
            Ok(Self { values: Values::Floats(values), .. }) => Ok(values),
            Ok(tensor) => tensor.copied(budget),
            Err(shared) => shared.copied(budget),
        }
    }

    /// A copy of all values as floats.
    pub(super) fn copied(&self, budget: &mut Budget) -> Result<Vec<f32>, Why> {
        budget.take(self.count() * 4)?;
        Ok((0..self.count()).map(|at| self.float(at)).collect())
    }

    /// All values of a list of integers (axes, sizes), which has few.
    pub(super) fn ints(&self) -> Result<Vec<i64>, Why> {
        if self.is_float() || self.dims.len() > 1 || self.count() > 64 {
            return Err(why(format!("a list of integers is expected, not a tensor of {}", shown(&self.dims))));
        }
        Ok((0..self.count()).map(|at| self.int(at)).collect())
    }

    /// The only value, where there is one only or all are alike; of many that is not asked.
    pub(super) fn scalar(&self) -> Option<f32> {
        const MANY: usize = 1 << 16;
        match (&self.values, self.count()) {
            (_, 0) => None,
            (Values::AllFloats(_) | Values::AllInts(_), _) | (_, 1) => Some(self.float(0)),
            (_, count) => {
                let first = self.float(0);
                (count <= MANY && (1..count).all(|at| self.float(at) == first)).then_some(first)
            }
        }
    }
}

fn of_bytes(bytes: &[u8], kind: DataType, count: usize) -> Result<Values, Why> {
    if bytes.len() != count * kind.bytes() {
        let (there, wanted) = (bytes.len(), count * kind.bytes());
        return Err(why(format!("it has {there} bytes of data: its dimensions take {wanted}")));
    }
    fn all<const N: usize, T>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (chunks, _) = bytes.as_chunks::<N>();
        chunks.iter().map(|chunk| of(*chunk)).collect()
    }
    Ok(match kind {
        DataType::F32 => Values::Floats(all(bytes, f32::from_le_bytes)),
        DataType::F64 => Values::Floats(all(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
        DataType::F16 => Values::Floats(all(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
        DataType::Bf16 => Values::Floats(all(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        DataType::U8 => Values::Ints(all(bytes, |bytes| u8::from_le_bytes(bytes).into())),
        DataType::I8 => Values::Ints(all(bytes, |bytes| i8::from_le_bytes(bytes).into())),
        DataType::U16 => Values::Ints(all(bytes, |bytes| u16::from_le_bytes(bytes).into())),
        DataType::I16 => Values::Ints(all(bytes, |bytes| i16::from_le_bytes(bytes).into())),
        DataType::I32 => Values::Ints(all(bytes, |bytes| i32::from_le_bytes(bytes).into())),
        DataType::U32 => Values::Ints(all(bytes, |bytes| u32::from_le_bytes(bytes).into())),
        DataType::I64 => Values::Ints(all(bytes, i64::from_le_bytes)),
        // Nothing that is folded comes near numbers that i64 has not.
        DataType::U64 => Values::Ints(all(bytes, |bytes| u64::from_le_bytes(bytes) as i64)),
        DataType::Bool => Values::Ints(all(bytes, |[byte]: [u8; 1]| i64::from(byte != 0))),
    })
}

fn of_fields(tensor: &messages::Tensor, kind: DataType, count: usize) -> Result<Values, Why> {
    let halves = |of: fn(u16) -> f32| tensor.int32_data.iter().map(|&word| of(word as u16)).collect();
    let values = match kind {
        DataType::F32 => Values::Floats(tensor.float_data.clone()),
        DataType::F64 => Values::Floats(tensor.double_data.iter().map(|&value| value as f32).collect()),
        DataType::F16 => Values::Floats(halves(|word| f16::from_bits(word).to_f32())),
        DataType::Bf16 => Values::Floats(halves(|word| bf16::from_bits(word).to_f32())),
        DataType::I64 => Values::Ints(tensor.int64_data.clone()),
        DataType::U32 | DataType::U64 => Values::Ints(tensor.uint64_data.iter().map(|&value| value as i64).collect()),
        _ => Values::Ints(tensor.int32_data.iter().map(|&value| value.into()).collect()),
    };
    let there = match &values {
        Values::Floats(values) => values.len(),
        Values::Ints(values) => values.len(),
        Values::AllFloats(_) | Values::AllInts(_) => count,
    };
    if there == count {
        return Ok(values);
    }
    Err(why(format!("it has {there} values: its dimensions take {count}")))
}
