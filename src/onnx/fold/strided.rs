//! Constants read in another order: slices, transpositions, repetitions.

use crate::onnx::budget::Budget;
use crate::onnx::refusal::{Why, why};
use crate::onnx::shapes::Cut;
use crate::onnx::tensor::{Tensor, Values, count};

/// Sizes, and how far apart the values along each axis lie in a row-major tensor.
#[derive(Debug, Clone)]
pub(super) struct Strided {
    offset: usize,
    dims: Vec<usize>,
    strides: Vec<isize>,
}

impl Strided {
    /// All of a tensor.
    pub(super) fn of(dims: &[usize]) -> Self {
        let mut strides = vec![1; dims.len()];
        for at in (1..dims.len()).rev() {
            strides[at - 1] = strides[at] * dims[at].max(1) as isize;
        }
        Self { offset: 0, dims: dims.to_vec(), strides }
    }

    pub(super) fn transposed(self, order: &[usize]) -> Self {
        let dims = order.iter().map(|&axis| self.dims[axis]).collect();
        let strides = order.iter().map(|&axis| self.strides[axis]).collect();
        Self { dims, strides, ..self }
    }

    pub(super) fn cut(mut self, cut: Cut) -> Self {
        let Cut { axis, start, count, step } = cut;
        self.offset = self.offset.wrapping_add_signed(self.strides[axis] * start as isize);
        self.strides[axis] *= step as isize;
        self.dims[axis] = count;
        self
    }

    /// Repeated along axes of size 1, and new ones before the first.
    pub(super) fn broadcast(self, dims: &[usize]) -> Result<Self, Why> {
        let new = dims.len().checked_sub(self.dims.len()).ok_or_else(|| why("it has too many axes"))?;
        let mut strides = vec![0; new];
        for (at, (&size, stride)) in self.dims.iter().zip(self.strides).enumerate() {
            if size != dims[new + at] && size != 1 {
                return Err(why(format!("a size of {size} cannot stand for {}", dims[new + at])));
            }
            strides.push(if size == 1 { 0 } else { stride });
        }
        Ok(Self { offset: self.offset, dims: dims.to_vec(), strides })
    }

    /// Where its values lie, row-major.
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        let count = if self.dims.contains(&0) { 0 } else { self.dims.iter().product::<usize>() };
        let Self { offset, dims, strides } = self;
        let (mut at, mut place) = (vec![0; dims.len()], offset);
        (0..count).map(move |_| {
            let here = place;
            for axis in (0..dims.len()).rev() {
                at[axis] += 1;
                place = place.wrapping_add_signed(strides[axis]);
                if at[axis] < dims[axis] {
                    break;
                }
                place = place.wrapping_add_signed(-(strides[axis] * dims[axis] as isize));
                at[axis] = 0;
            }
            here
        })
    }

    /// The tensor that it describes.
    pub(super) fn read(self, tensor: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
        let all = count(&self.dims)?;
        picked(tensor, self.dims.clone(), all, self.places(), budget)
    }
}

/// Values of a tensor, by their places.
pub(super) fn picked(
    tensor: &Tensor,
    dims: Vec<usize>,
    count: usize,
    places: impl Iterator<Item = usize>,
    budget: &mut Budget,
) -> Result<Tensor, Why> {
    let values = match &tensor.values {
        Values::Floats(values) => {
            budget.take(count * 4)?;
            Values::Floats(exactly(count, places.map(|at| values[at])))
        }
        Values::Ints(values) => {
            budget.take(count * 8)?;
            Values::Ints(exactly(count, places.map(|at| values[at])))
        }
        same => same.clone(),
    };
    Ok(Tensor { dims, values })
}

/// A list of so many values, in as much memory as they take: one that grew could take three times that.
pub(super) fn exactly<T>(count: usize, values: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::with_capacity(count);
    list.extend(values.take(count));
    list
}
