//! What an algorithm has to do for a layer, counted from the outside: arithmetic and bytes.

use filter_summary::{Algorithm, Problem, Storage};

/// Floating point operations and bytes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Work {
    /// A multiply-add is two. What kernels compute beyond it (tiles that reach over an edge) does not count.
    pub(crate) flops: f64,
    /// Input, weights and output once, as they are stored; the products of shared once written and once read, in f32.
    pub(crate) bytes: f64,
}

impl Work {
    /// The work of `algorithm` by so many multiply-adds, with weights that take `weight_bytes` on the device.
    pub(crate) fn new(
        problem: &Problem,
        algorithm: Algorithm,
        multiply_adds: u64,
        storage: Storage,
        weight_bytes: u64,
    ) -> Self {
        let elements = |shape: [usize; 4]| shape.iter().map(|&size| size as f64).product::<f64>();
        let value_bytes = if storage.has_f16_tensors() { 2.0 } else { 4.0 };
        let tensors = value_bytes * (elements(problem.input_shape()) + elements(problem.output_shape()));
        let bytes = tensors + weight_bytes as f64;
        let flops = 2.0 * multiply_adds as f64;
        match algorithm {
            Algorithm::Shared => {
                let products = problem.shared_multiply_adds() as f64 / problem.placement().window().channels() as f64;
                Self { flops: flops + problem.shared_additions() as f64, bytes: bytes + 2.0 * 4.0 * products }
            }
            Algorithm::Fused => {
                // Taps are added one by one, or multiplied with gains, which then count among the multiply-adds.
                let placement = problem.placement();
                let terms = if placement.has_gains() { 0 } else { placement.neighbours() * placement.taps() };
                Self { flops: flops + elements(problem.output_shape()) * terms as f64, bytes }
            }
            _ => Self { flops, bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::Summary;
    use super::*;

    #[test]
    fn shared_does_less_and_moves_products() {
        let problem = Summary::C.problem(&"64x8".parse().unwrap()).unwrap();
        let (outputs, bases) = (64.0 * 64.0, 72.0);
        let dense = Work::new(&problem, Algorithm::Dense, problem.dense_multiply_adds(), Storage::F32, 100);
        assert_eq!(dense, Work { flops: 2.0 * outputs * 576.0, bytes: 4.0 * 2.0 * outputs + 100.0 });
        let shared = Work::new(&problem, Algorithm::Shared, problem.shared_multiply_adds(), Storage::U8_WEIGHTS, 0);
        // Three additions an output: a row of taps is summed with the products.
        assert_eq!(shared.flops, 2.0 * bases * 64.0 * 64.0 + 3.0 * outputs);
        assert_eq!(shared.bytes, 4.0 * 2.0 * outputs + 8.0 * bases * 64.0);
        // Half the tensors, but all of the products.
        let half = Work::new(&problem, Algorithm::Shared, problem.shared_multiply_adds(), Storage::F16, 0);
        assert_eq!(half, Work { bytes: 2.0 * 2.0 * outputs + 8.0 * bases * 64.0, ..shared });
    }
}
