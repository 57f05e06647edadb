//! Memory of activations: values whose lifetimes do not overlap share a buffer.

/// When a value must exist: from the operation that first writes it to the last that reads it, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) bytes: u64,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Buffers and which of them each value lives in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Slots {
    pub(crate) bytes: Vec<u64>,
    pub(crate) of_value: Vec<usize>,
}

/// Assigns values to slots, in order of birth: the smallest free slot that is large enough, else the largest free one,
/// grown, else a new one.
pub(crate) fn assign(values: &[Lifetime]) -> Slots {
    let mut slots = Slots { bytes: Vec::new(), of_value: vec![0; values.len()] };
    let mut busy_until: Vec<usize> = Vec::new();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&value| values[value].first);
    for value in order {
        let Lifetime { bytes, first, last } = values[value];
        let free = (0..slots.bytes.len()).filter(|&slot| busy_until[slot] < first);
        // Fitting slots sort before those that must grow; among the fitting the smallest is best, else the largest.
        let best = free.min_by_key(|&slot| {
            let size = slots.bytes[slot];
            if size >= bytes { (0, size) } else { (1, u64::MAX - size) }
        });
        let slot = best.unwrap_or_else(|| {
            slots.bytes.push(0);
            busy_until.push(0);
            slots.bytes.len() - 1
        });
        slots.bytes[slot] = slots.bytes[slot].max(bytes);
        busy_until[slot] = last;
        slots.of_value[value] = slot;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::{Lifetime, assign};

    fn value(bytes: u64, first: usize, last: usize) -> Lifetime {
        Lifetime { bytes, first, last }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<_> = (0..6).map(|i| value(100 - i, i as usize, i as usize + 1)).collect();
        let slots = assign(&chain);
        assert_eq!(slots.bytes, [100, 99]);
        assert_eq!(slots.of_value, [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn values_alive_together_never_share() {
        let values = [value(4, 0, 3), value(8, 1, 2), value(16, 2, 5), value(2, 3, 4), value(32, 5, 6), value(1, 0, 6)];
        let slots = assign(&values);
        for (i, a) in values.iter().enumerate() {
            assert!(slots.bytes[slots.of_value[i]] >= a.bytes);
            for (j, b) in values.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                assert!(!together || slots.of_value[i] != slots.of_value[j], "{i} and {j} share a buffer");
            }
        }
    }

    #[test]
    fn a_free_buffer_grows_before_another_is_made() {
        let slots = assign(&[value(4, 0, 0), value(64, 1, 1)]);
        assert_eq!(slots.bytes, [64]);
    }
}
