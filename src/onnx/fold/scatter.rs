//! `ScatterND` of constants: of masks that are written window by window.

use crate::onnx::budget::Budget;
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values, shown};

/// Data, with what is new of each place that the indices name.
pub(super) fn scatter_nd(call: &Call<'_>, operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let &[data, indices, new] = operands else { return Err(why("it has no three operands")) };
    let Some((&known, list)) = indices.dims.split_last() else { return Err(why("its indices have no axes")) };
    if call.word("reduction", "none")? != "none" || indices.is_float() || known > data.dims.len() {
        return Err(why("it adds up, or its indices are none of its data"));
    }
    let (outer, rest) = data.dims.split_at(known);
    if new.dims != [list, rest].concat() || new.is_float() != data.is_float() {
        return Err(why(format!("what it writes is {}, of data of {}", shown(&new.dims), shown(&data.dims))));
    }
    let block: usize = rest.iter().product();
    // Where each comes from, and what comes of it.
    budget.take((data.count() + new.count()) * 24)?;
    let mut from: Vec<Option<usize>> = vec![None; data.count()];
    for at in 0..new.count() / block.max(1) {
        let mut place = 0;
        for (axis, &size) in outer.iter().enumerate() {
            place = place * size + Call::axis(indices.int(at * known + axis), size)?;
        }
        (0..block).for_each(|inner| from[place * block + inner] = Some(at * block + inner));
    }
    let values = if data.is_float() {
        let of = |(at, from): (usize, &Option<usize>)| from.map_or_else(|| data.float(at), |from| new.float(from));
        Values::Floats(from.iter().enumerate().map(of).collect())
    } else {
        let of = |(at, from): (usize, &Option<usize>)| from.map_or_else(|| data.int(at), |from| new.int(from));
        Values::Ints(from.iter().enumerate().map(of).collect())
    };
    Ok(Tensor { dims: data.dims.clone(), values })
}
