//! Hankel products in f64: the twin of what kernels do where rows begin a piece of a tap after one another
//! (derivation in `docs/method.md`), and the magnitudes that their error is measured against.

use super::{Operands, Place, Reference, products_underflow, size_of};
use crate::error::{Error, Result};
use crate::method::algorithm::Algorithm;
use crate::method::problem::Problem;

/// The products of `x` with `2^levels` segments of `f`, each of `x.len()` values, that begin `x.len() / 2^levels` after
/// one another: by `3^levels` products of pieces instead of `4^levels`.
///
/// ```
/// use filter_summary::reference::hankel_products;
///
/// // Two rows of two values, one after the other: (1, 2) and (2, 3), by (5, 7).
/// assert_eq!(hankel_products(1, &[1.0, 2.0, 3.0], &[5.0, 7.0])?, [19.0, 31.0]);
/// # Ok::<(), filter_summary::Error>(())
/// ```
///
/// # Errors
/// When `x` has no `2^levels` equal pieces, or `f` is not one piece short of twice as long.
pub fn hankel_products(levels: u32, f: &[f64], x: &[f64]) -> Result<Vec<f64>> {
    // More pieces than there could be values.
    let rows = 1usize.checked_shl(levels).unwrap_or(usize::MAX);
    if x.is_empty() || !x.len().is_multiple_of(rows) {
        return Err(Error::value("values of x", x.len(), format!("it must be a multiple of {rows}")));
    }
    let length = 2 * x.len() - x.len() / rows;
    if f.len() != length {
        return Err(Error::value("values of f", f.len(), format!("it must be {length}")));
    }
    Ok(split(levels, f, x, |a, b| a - b))
}

/// `combine` takes weights together: their difference, or for magnitudes their sum.
fn split(levels: u32, f: &[f64], x: &[f64], combine: fn(f64, f64) -> f64) -> Vec<f64> {
    let Some(levels) = levels.checked_sub(1) else {
        return vec![f.iter().zip(x).map(|(f, x)| f * x).sum()];
    };
    let (half, run) = (x.len() / 2, f.len() - x.len());
    let [left, middle, right] = [0, 1, 2].map(|i| &f[i * half..i * half + run]);
    let of_weights = |outer: &[f64]| outer.iter().zip(middle).map(|(&a, &b)| combine(a, b)).collect::<Vec<f64>>();
    let both: Vec<f64> = x[..half].iter().zip(&x[half..]).map(|(a, b)| a + b).collect();
    let m0 = split(levels, &of_weights(left), &x[..half], combine);
    let m1 = split(levels, middle, &both, combine);
    let m2 = split(levels, &of_weights(right), &x[half..], combine);
    let join = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
    [join(&m0, &m1), join(&m1, &m2)].concat()
}

impl Reference {
    /// This reference with the magnitudes that outputs are measured by which an algorithm computes with `levels`
    /// of Hankel products ([`Plan::hankel_levels`](crate::Plan::hankel_levels)): those of the numbers that these add,
    /// which neighbouring rows have part in. With 0 levels, this reference.
    ///
    /// # Errors
    /// When an operand does not fit the problem, or this is not the reference of all its outputs.
    pub fn with_hankel(
        mut self,
        problem: &Problem,
        algorithm: Algorithm,
        levels: u32,
        operands: &Operands<'_>,
    ) -> Result<Self> {
        operands.check(problem)?;
        let outputs: usize = problem.output_shape().iter().product();
        if self.magnitude.len() != outputs {
            let given = self.magnitude.len();
            return Err(Error::value("outputs of the reference", given, format!("it must have {outputs}")));
        }
        if levels > 0 {
            for (at, magnitude) in self.magnitude.iter_mut().enumerate() {
                *magnitude = size((problem, algorithm), levels, operands, &Place::new(problem, at));
            }
        }
        Ok(self)
    }
}

/// The magnitude of one output.
fn size((problem, algorithm): (&Problem, Algorithm), levels: u32, operands: &Operands<'_>, place: &Place) -> f64 {
    let (placement, bases) = (problem.placement(), problem.bases());
    let (taps, channels, neighbours) = (placement.taps(), placement.window().channels(), bases.neighbours);
    let plane = problem.input_shape()[2] * problem.input_shape()[3];
    let (rows, piece) = (1 << levels, channels >> levels);
    let fraction = f64::from(placement.fraction(place.filter));
    let mut sum = 0.0;
    for tap in 0..taps {
        let Some(pixel) = place.pixel(problem, tap) else { continue };
        let x = |channel: usize| size_of(f64::from(operands.input[place.first + channel * plane + pixel]));
        let x: Vec<f64> = (0..channels).map(x).collect();
        let gain = operands.summary.gains().map_or(1.0, |_| size_of(operands.summary.gain(place.filter, tap).into()));
        for segment in 0..neighbours {
            let index = (place.filter * neighbours + segment) * taps + tap;
            let row = match algorithm {
                Algorithm::Shared | Algorithm::Fused => problem.sharing().rows()[index] as usize % rows,
                Algorithm::Gather | Algorithm::Dense => {
                    place.filter % (problem.out_channels() / problem.conv().groups) % rows
                }
            };
            // Where the first of the rows that share products begins. What lies behind the summary no row
            // of the layer reads.
            let begin = (bases.of_tap[index] as usize).saturating_sub(row * piece);
            let f = |at: usize| operands.summary.get(begin + at).map_or(0.0, |f| size_of(f64::from(f)));
            let f: Vec<f64> = (0..2 * channels - piece).map(f).collect();
            let share = if segment == 0 { 1.0 - fraction } else { fraction };
            sum += gain * share * split(levels, &f, &x, |a, b| a + b)[row];
        }
        sum += products_underflow(operands.summary, place.filter, tap);
    }
    place.finish(operands, (0.0, sum), channels * taps).1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_rows() {
        for levels in 0..4 {
            let (rows, piece) = (1 << levels, 3);
            let x: Vec<f64> = (0..rows * piece).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect();
            let f: Vec<f64> = (0..(2 * rows - 1) * piece).map(|i| ((i * 5 + 1) % 13) as f64 - 6.0).collect();
            let row = |i: usize| f[i * piece..].iter().zip(&x).map(|(f, x)| f * x).sum::<f64>();
            assert_eq!(hankel_products(levels, &f, &x).unwrap(), (0..rows).map(row).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lengths_that_are_no_pieces_are_refused() {
        assert!(hankel_products(1, &[0.0; 3], &[0.0; 3]).is_err());
        assert!(hankel_products(1, &[0.0; 4], &[0.0; 2]).is_err());
        assert!(hankel_products(2, &[], &[]).is_err());
        assert!(hankel_products(u32::MAX, &[0.0; 2], &[0.0; 2]).is_err());
    }
}
