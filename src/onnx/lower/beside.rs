//! Constants beside a computed value, which ONNX repeats along the axes that they have not.

use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, shown};

/// The sizes of a constant along the axes `dims` behind the batch, 1 where it has none. A size of 1 of either stands
/// for as many as the other has.
pub(super) fn aligned(constant: &Tensor, dims: &[usize]) -> Result<Vec<usize>, Why> {
    let rank = dims.len();
    let of = &constant.dims;
    let behind = of.len().min(rank);
    let (before, inner) = of.split_at(of.len() - behind);
    if before.iter().any(|&size| size != 1) {
        return Err(why(format!("its constant is {}, which varies with the batch or makes new axes", shown(of))));
    }
    if of.len() > rank + 1 {
        return Err(why(format!("its constant is {}: its operand has {} axes", shown(of), rank + 1)));
    }
    let sizes = [vec![1; rank - behind], inner.to_vec()].concat();
    if sizes.iter().zip(dims).any(|(&size, &dim)| size != 1 && dim != 1 && size != dim) {
        let value = shown(&[&[1], dims].concat());
        return Err(why(format!("its constant is {}, which does not fit its operand of {value}", shown(of))));
    }
    Ok(sizes)
}

/// The same of one that must not make the value larger.
pub(super) fn within(constant: &Tensor, dims: &[usize]) -> Result<Vec<usize>, Why> {
    let sizes = aligned(constant, dims)?;
    if is_larger(&sizes, dims) {
        let value = shown(&[&[1], dims].concat());
        return Err(why(format!("its constant is {}, larger than its operand of {value}", shown(&constant.dims))));
    }
    Ok(sizes)
}

/// Whether sizes along the axes `dims` make a value larger.
pub(super) fn is_larger(sizes: &[usize], dims: &[usize]) -> bool {
    sizes.iter().zip(dims).any(|(size, dim)| size > dim)
}

/// The one number that a constant is at every place of a value; `None` where it varies, or makes the value larger.
pub(super) fn number(constant: &Tensor, dims: &[usize]) -> Result<Option<f32>, Why> {
    let sizes = aligned(constant, dims)?;
    Ok(constant.scalar().filter(|_| !is_larger(&sizes, dims)))
}
