//! Floats of every type become f32, as PyTorch's `float()` has it.

use filter_summary::Precision;
use filter_summary::network::{Network, Op};
use filter_summary::tensor_file::TensorFile;
use safetensors::Dtype;

use crate::common::parts::{Parts, Tensor, file, floats};

fn read(tensor: Tensor) -> Result<Vec<f32>, String> {
    let bytes = file(&Default::default(), &[("x".to_owned(), tensor)].into());
    TensorFile::parse(&bytes).unwrap().take("x").unwrap().to_f32().map_err(|error| error.to_string())
}

/// The value of a binary16: by its definition.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    if exponent == 0 { sign * fraction * 2f64.powi(-24) } else { sign * (1024.0 + fraction) * 2f64.powi(exponent - 25) }
}

#[test]
fn sixteen_bits_are_exact() {
    let finite: Vec<u16> = (0..=u16::MAX).filter(|bits| bits >> 10 & 31 != 31).collect();
    let bytes = |bits: &[u16]| bits.iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<u8>>();
    let got = read((Dtype::F16, vec![finite.len()], bytes(&finite))).unwrap();
    assert!(
        finite
            .iter()
            .zip(got)
            .all(|(&bits, got)| f64::from(got) == half(bits) && got.is_sign_negative() == (bits >> 15 == 1))
    );
    let finite: Vec<u16> = (0..=u16::MAX).filter(|bits| bits >> 7 & 255 != 255).collect();
    let got = read((Dtype::BF16, vec![finite.len()], bytes(&finite))).unwrap();
    assert!(finite.iter().zip(got).all(|(&bits, got)| got.to_bits() == u32::from(bits) << 16));
    assert_eq!(
        read((Dtype::BF16, vec![1], bytes(&[0x7f80]))).unwrap_err(),
        "tensor x: value 0 is inf: it must be finite"
    );
}

#[test]
fn f64_is_rounded_to_nearest() {
    let tensor =
        |values: &[f64]| (Dtype::F64, vec![values.len()], values.iter().flat_map(|v| v.to_le_bytes()).collect());
    let ulp = f64::from(f32::EPSILON);
    let values = [0.1, -1.0 - ulp / 2.0, 1.0 + ulp * 0.75, 1.0 + ulp * 1.5, 1e-45, 1e-60, f64::from(f32::MAX)];
    let want = [0.1, -1.0, 1.0 + f32::EPSILON, 1.0 + 2.0 * f32::EPSILON, f32::from_bits(1), 0.0, f32::MAX];
    assert_eq!(read(tensor(&values)).unwrap(), want);
    assert_eq!(read(tensor(&[0.0, 1e39])).unwrap_err(), "tensor x: value 1 is inf: it must be finite");
    let error = read((Dtype::I32, vec![1], vec![0; 4])).unwrap_err();
    assert_eq!(error, "tensor x: its dtype is I32: it must be F32, F16, BF16 or F64");
}

/// An exporter that forgot to convert gives the same network.
#[test]
fn networks_of_other_floats() {
    let wide = |(_, shape, bytes): Tensor| {
        let values = bytes.chunks(4).map(|word| f64::from(f32::from_le_bytes(word.try_into().unwrap())));
        (Dtype::F64, shape, values.flat_map(f64::to_le_bytes).collect())
    };
    let brief =
        |(_, shape, bytes): Tensor| (Dtype::BF16, shape, bytes.chunks(4).flat_map(|word| [word[2], word[3]]).collect());
    let want = Parts::good().load().unwrap();
    for convert in [&wide as &dyn Fn(Tensor) -> Tensor, &brief] {
        let mut parts = Parts::good();
        for (name, tensor) in &mut parts.tensors {
            if tensor.0 == Dtype::F32 && !name.ends_with("quantization") {
                *tensor = convert(tensor.clone());
            }
        }
        let got: Network = parts.load().unwrap();
        assert_eq!(got, want);
        let precisions = got.nodes().iter().filter_map(|node| match &node.op {
            Op::Conv(conv) => Some(conv.summary.precision()),
            _ => None,
        });
        assert!(precisions.into_iter().all(|precision| precision == Precision::F32));
    }
    // Exact in all of them: otherwise the test would prove less.
    assert_eq!(floats(&[13]).2.chunks(4).filter(|word| word[..2] != [0, 0]).count(), 0);
}
