//! How an ONNX tensor lies in a network's value: transpositions and reshapes that nothing has computed yet.
//!
//! Exporters write pairs of `Transpose`, and `Reshape` around them, that come to nothing, or to one of the format's
//! operations. So they are not carried out but noted, until somebody needs the values in order.

use super::draft::Id;

/// A tensor without its first axis, the batch.
///
/// The values of `base`, row-major, are counted in `factors`; each axis of the tensor runs over some of those, the
/// last fastest. Axes of size 1 run over none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) base: Id,
    /// None is 1.
    factors: Vec<usize>,
    axes: Vec<Vec<usize>>,
}

impl View {
    /// A tensor whose values lie in the base as they are.
    pub(super) fn of(base: Id, dims: &[usize]) -> Self {
        let mut view = Self { base, factors: Vec::new(), axes: Vec::new() };
        for &size in dims {
            let axis = if size == 1 { Vec::new() } else { vec![view.factors.len()] };
            view.factors.extend((size != 1).then_some(size));
            view.axes.push(axis);
        }
        view
    }

    /// Sizes of the axes.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.iter().map(|&factor| self.factors[factor]).product()).collect()
    }

    /// Factors in the tensor's order.
    fn order(&self) -> Vec<usize> {
        self.axes.concat()
    }

    /// Whether the tensor's values, row-major, are the base's.
    pub(super) fn is_in_order(&self) -> bool {
        self.order().is_sorted()
    }

    /// The same with a new axis, of size 1, at a place.
    pub(super) fn with_axis(&self, at: usize) -> Self {
        let mut view = self.clone();
        view.axes.insert(at.min(self.axes.len()), Vec::new());
        view
    }

    /// The same without an axis, where that has size 1.
    pub(super) fn without_axis(&self, at: usize) -> Option<Self> {
        let mut view = self.clone();
        self.axes.get(at)?.is_empty().then(|| view.axes.remove(at))?;
        Some(view)
    }

    /// The same tensor over values of another base that lie in the same way.
    pub(super) fn over(&self, base: Id) -> Self {
        Self { base, ..self.clone() }
    }

    /// Whether both tensors lie in their bases in the same way.
    pub(super) fn lies_as(&self, other: &Self) -> bool {
        self.factors == other.factors && self.axes == other.axes
    }

    /// Axis `k` is what was axis `order[k]`.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let axes = order.iter().map(|&axis| self.axes[axis].clone()).collect();
        Self { axes, ..self.clone() }
    }

    /// The same values, row-major, in other axes; `None` where an axis would run over parts of what is not in order.
    pub(super) fn reshaped(&self, dims: &[usize]) -> Option<Self> {
        if self.is_in_order() {
            return Some(Self::of(self.base, dims));
        }
        // Factors in the tensor's order, the next last; those that are split count as they lie in the base.
        let mut view = Self { axes: Vec::new(), ..self.clone() };
        let mut order = self.order();
        order.reverse();
        for &size in dims {
            let (mut axis, mut left) = (Vec::new(), size);
            while left > 1 {
                let factor = order.pop()?;
                let there = view.factors[factor];
                if left.is_multiple_of(there) {
                    axis.push(factor);
                    left /= there;
                } else if there.is_multiple_of(left) {
                    view.factors.splice(factor..=factor, [left, there / left]);
                    let moved = |other: &mut usize| *other += usize::from(*other > factor);
                    order.iter_mut().for_each(moved);
                    view.axes.iter_mut().flatten().for_each(moved);
                    axis.iter_mut().for_each(moved);
                    axis.push(factor);
                    order.push(factor + 1);
                    left = 1;
                } else {
                    return None;
                }
            }
            view.axes.push(axis);
        }
        order.is_empty().then_some(view)
    }

    /// Sizes in the base's order, and which of them come one after another in the tensor's: as few as will do.
    pub(super) fn blocks(&self) -> (Vec<usize>, Vec<usize>) {
        let order = self.order();
        // Factors that follow each other in both orders are one.
        let mut first_of = vec![true; self.factors.len()];
        for pair in order.windows(2) {
            if pair[1] == pair[0] + 1 {
                first_of[pair[1]] = false;
            }
        }
        let mut sizes: Vec<usize> = Vec::new();
        let mut block_of = Vec::new();
        for (factor, &size) in self.factors.iter().enumerate() {
            match sizes.last_mut() {
                Some(last) if !first_of[factor] => *last *= size,
                _ => sizes.push(size),
            }
            block_of.push(sizes.len() - 1);
        }
        let order = order.into_iter().filter(|&factor| first_of[factor]).map(|factor| block_of[factor]).collect();
        (sizes, order)
    }

    /// Of every axis of the tensor, the axis of its base `[C, H, W]` that it runs over, or none where its size is 1;
    /// `None` where axes run over parts of those.
    pub(super) fn axes_of(&self, base: [usize; 3]) -> Option<Vec<Option<usize>>> {
        let large: Vec<usize> = (0..3).filter(|&axis| base[axis] != 1).collect();
        let is_same = self.factors.iter().copied().eq(large.iter().map(|&axis| base[axis]));
        let axis = |axis: &Vec<usize>| match axis[..] {
            [] => Some(None),
            [factor] => Some(Some(large[factor])),
            _ => None,
        };
        if is_same { self.axes.iter().map(axis).collect() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the tensor's values, row-major, lie in the base.
    fn places(view: &View) -> Vec<usize> {
        let order = view.order();
        let mut strides = vec![1; view.factors.len()];
        for at in (1..strides.len()).rev() {
            strides[at - 1] = strides[at] * view.factors[at];
        }
        let count = view.factors.iter().product();
        let place = |mut at: usize| {
            let mut place = 0;
            for &factor in order.iter().rev() {
                place += at % view.factors[factor] * strides[factor];
                at /= view.factors[factor];
            }
            place
        };
        (0..count).map(place).collect()
    }

    #[test]
    fn transpositions_undo_each_other() {
        let view = View::of(3, &[4, 5, 6]);
        let last = view.transposed(&[1, 2, 0]);
        assert_eq!(last.dims(), [5, 6, 4]);
        assert!(!last.is_in_order());
        assert_eq!(last.axes_of([4, 5, 6]), Some(vec![Some(1), Some(2), Some(0)]));
        assert_eq!(last.blocks(), (vec![4, 30], vec![1, 0]));
        assert_eq!(last.transposed(&[2, 0, 1]), view);
    }

    #[test]
    fn reshapes_split_and_join_what_is_not_in_order() {
        // A pixel shuffle by 2 of 3 channels, and values in their places throughout.
        let view = View::of(0, &[3, 2, 2, 4, 5]).transposed(&[0, 3, 1, 4, 2]);
        let shuffled = view.reshaped(&[3, 8, 10]).unwrap();
        assert_eq!(shuffled.dims(), [3, 8, 10]);
        assert_eq!(places(&shuffled), places(&view));
        assert_eq!(shuffled.blocks(), (vec![3, 2, 2, 4, 5], vec![0, 3, 1, 4, 2]));
        let split = shuffled.reshaped(&[3, 2, 4, 1, 5, 2]).unwrap();
        assert_eq!((split.dims(), places(&split)), (vec![3, 2, 4, 1, 5, 2], places(&view)));
        // Six of a row of 4 and columns of 2 in turn are no whole number of either.
        assert_eq!(view.reshaped(&[3, 6, 40 / 3]), None);
        let swapped = View::of(0, &[6, 4]).transposed(&[1, 0]);
        assert_eq!(swapped.reshaped(&[3, 8]), None);
        let halves = swapped.reshaped(&[2, 2, 3, 2]).unwrap();
        assert_eq!((halves.dims(), places(&halves)), (vec![2, 2, 3, 2], places(&swapped)));
    }
}
