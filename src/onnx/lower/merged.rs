//! Axes of two tensors that are computed with together, as few as will do.

use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::shown;

/// How sizes of an axis stand to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Equal,
    /// The left one is 1, and repeated.
    LeftRepeats,
    RightRepeats,
}

/// Two tensors of equally many axes as `[C, H, W]`: axes side by side that both have, or of which the same tensor
/// repeats its values, are one.
pub(super) fn merged(left: &[usize], right: &[usize]) -> Result<[[usize; 3]; 2], Why> {
    let mut groups: Vec<(Kind, [usize; 2])> = Vec::new();
    for (&one, &other) in left.iter().zip(right).filter(|&sizes| sizes != (&1, &1)) {
        let kind = match (one, other) {
            (one, other) if one == other => Kind::Equal,
            (1, _) => Kind::LeftRepeats,
            (_, 1) => Kind::RightRepeats,
            _ => return Err(why(format!("{} and {} do not fit each other", shown(left), shown(right)))),
        };
        match groups.last_mut() {
            Some((last, sizes)) if *last == kind => *sizes = [sizes[0] * one, sizes[1] * other],
            _ => groups.push((kind, [one, other])),
        }
    }
    let mut shapes = [[1; 3]; 2];
    if groups.len() > 3 {
        let reason = format!("{} and {} repeat their values along more than three axes", shown(left), shown(right));
        return Err(why(reason));
    }
    for (at, (_, sizes)) in groups.into_iter().enumerate() {
        (shapes[0][at], shapes[1][at]) = (sizes[0], sizes[1]);
    }
    Ok(shapes)
}

/// The sizes that two such tensors have together.
pub(super) fn larger(left: &[usize], right: &[usize]) -> Vec<usize> {
    left.iter().zip(right).map(|(&one, &other)| one.max(other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_go_together_are_one() {
        assert_eq!(merged(&[2, 8, 3, 4], &[2, 8, 1, 1]).unwrap(), [[16, 12, 1], [16, 1, 1]]);
        assert_eq!(merged(&[3, 5, 6, 2], &[3, 1, 1, 2]).unwrap(), [[3, 30, 2], [3, 1, 2]]);
        assert_eq!(merged(&[1, 1, 7], &[4, 1, 7]).unwrap(), [[1, 7, 1], [4, 7, 1]]);
        assert_eq!(merged(&[1, 1], &[1, 1]).unwrap(), [[1; 3]; 2]);
        assert_eq!(larger(&[1, 1, 7], &[4, 1, 7]), [4, 1, 7]);
        assert!(merged(&[2, 3], &[2, 4]).unwrap_err().reason.contains("2x3 and 2x4 do not fit each other"));
        let many = merged(&[2, 1, 2, 1], &[1, 2, 1, 2]).unwrap_err().reason;
        assert!(many.contains("along more than three axes"), "{many}");
    }
}
