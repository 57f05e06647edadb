//! Numbers of any type as f32, where exactly what they mean is clear.

use safetensors::Dtype;

use super::Tensor;
use crate::error::Result;

/// Integers from here on are not all f32 numbers.
const EXACT: u64 = 1 << f32::MANTISSA_DIGITS;

impl Tensor<'_> {
    /// As [`Tensor::to_f32`], and integers of 8 to 64 bits: those that are f32 numbers. U8 is refused, which may be
    /// numbers or the pixels of a picture.
    ///
    /// # Errors
    /// When the dtype is another, a value is infinite or NaN, or infinite in f32, or an integer has no such number.
    pub fn numbers(&self) -> Result<Vec<f32>> {
        let of_width = |wide: Vec<i128>| {
            let inexact = |value: &i128| value.unsigned_abs() > u128::from(EXACT);
            match wide.iter().position(inexact) {
                Some(at) => {
                    Err(self.error(format!("value {at} is {}: integers must be at most {EXACT} in size", wide[at])))
                }
                None => Ok(wide.into_iter().map(|value| value as f32).collect()),
            }
        };
        match self.dtype() {
            Dtype::I8 => of_width(self.values(|bytes| i8::from_le_bytes(bytes).into())),
            Dtype::I16 => of_width(self.values(|bytes| i16::from_le_bytes(bytes).into())),
            Dtype::I32 => of_width(self.values(|bytes| i32::from_le_bytes(bytes).into())),
            Dtype::I64 => of_width(self.values(|bytes| i64::from_le_bytes(bytes).into())),
            Dtype::U16 => of_width(self.values(|bytes| u16::from_le_bytes(bytes).into())),
            Dtype::U32 => of_width(self.values(|bytes| u32::from_le_bytes(bytes).into())),
            Dtype::U64 => of_width(self.values(|bytes| u64::from_le_bytes(bytes).into())),
            Dtype::U8 => Err(self.error("its dtype is U8: pixels or numbers? convert it to F32")),
            Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64 => self.to_f32(),
            other => Err(self.error(format!("its dtype is {other:?}: it must be F32, F16, BF16, F64 or integers"))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::TensorFile;

    /// A file of one tensor `x`.
    fn file(dtype: &str, count: usize, bytes: &[u8]) -> Vec<u8> {
        let end = bytes.len();
        let header = format!(r#"{{"x":{{"dtype":"{dtype}","shape":[{count}],"data_offsets":[0,{end}]}}}}"#);
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), bytes].concat()
    }

    fn numbers(dtype: &str, count: usize, bytes: &[u8]) -> Result<Vec<f32>, String> {
        let file = file(dtype, count, bytes);
        let tensor = TensorFile::parse(&file).unwrap().take("x").unwrap();
        tensor.numbers().map_err(|error| error.to_string())
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(numbers("I8", 3, &[1, 0xff, 0x80]).unwrap(), [1.0, -1.0, -128.0]);
        assert_eq!(numbers("U16", 1, &[0xff, 0xff]).unwrap(), [65_535.0]);
        assert_eq!(numbers("I64", 1, &(-16_777_216i64).to_le_bytes()).unwrap(), [-16_777_216.0]);
        assert_eq!(numbers("F64", 1, &0.1f64.to_le_bytes()).unwrap(), [0.1]);
        let error = numbers("I32", 2, &[0, 0, 0, 0, 1, 0, 0, 1]).unwrap_err();
        assert_eq!(error, "tensor x: value 1 is 16777217: integers must be at most 16777216 in size");
        assert!(numbers("I64", 1, &i64::MIN.to_le_bytes()).unwrap_err().contains("value 0 is -9223372036854775808"));
        assert!(numbers("U64", 1, &[0xff; 8]).unwrap_err().contains("value 0 is 18446744073709551615"));
        assert!(numbers("U8", 1, &[7]).unwrap_err().contains("its dtype is U8: pixels or numbers?"));
        assert!(numbers("BOOL", 1, &[1]).unwrap_err().contains("its dtype is BOOL"));
        assert!(numbers("F32", 1, &f32::NAN.to_le_bytes()).unwrap_err().contains("value 0 is NaN"));
    }
}
