//! From a network's outputs to classes with probabilities.

use serde::Serialize;

/// A class and how probable the network holds it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// The class's name in the file, or `class N`.
    pub label: String,
    /// 0 to 1.
    pub probability: f64,
    /// The class, from 0.
    pub index: usize,
}

/// The `count` most probable classes, best first: the softmax of `logits`, in f64.
pub fn best(logits: &[f32], labels: &[String], count: usize) -> Vec<Guess> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - f64::from(largest)).exp()).collect();
    let total: f64 = powers.iter().sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    // Stable: of equal classes the first comes first, as with PyTorch's argmax.
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let guess = |index: usize| Guess {
        label: labels.get(index).cloned().unwrap_or_else(|| format!("class {index}")),
        probability: powers[index] / total,
        index,
    };
    order.into_iter().take(count).map(guess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_a_softmax() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let best = best(&[1000.0, 1000.0 + 2.0f32.ln(), 900.0], &labels, 2);
        assert_eq!((best.len(), best[0].label.as_str(), best[1].label.as_str()), (2, "b", "a"));
        // The sum of logits near 1000 rounds ln 2 to a multiple of 2^-14.
        assert!((best[0].probability - 2.0 / 3.0).abs() < 1e-4, "{best:?}");
        assert!((best[0].probability + best[1].probability - 1.0).abs() < 1e-12);
    }

    #[test]
    fn classes_without_labels_have_numbers() {
        assert_eq!(best(&[0.0, 1.0], &[], 5)[0].label, "class 1");
    }
}
