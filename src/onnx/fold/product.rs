//! `MatMul`, `Gemm` and 1x1 `Conv` of constants: of tables of positions, which small layers make biases of.

use super::arithmetic::broadcast;
use super::strided::Strided;
use crate::onnx::budget::Budget;
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, count, shown};

/// Most products: a fraction of a second.
const MOST_PRODUCTS: usize = 1 << 26;

/// `[.., M, K]` by `[.., K, N]`; of `[K]` a matrix of one row before, of one column behind, and no axis for that after.
pub(super) fn matmul(one: &Tensor, other: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let (before, behind) = (one.dims.len() == 1, other.dims.len() == 1);
    if !before && !behind {
        return matrices(one, other, budget);
    }
    let matrix = |tensor: &Tensor, at: usize, budget: &mut Budget| {
        let mut tensor = super::copy(tensor, budget)?;
        tensor.dims.insert(at, 1);
        Ok::<_, Why>(tensor)
    };
    let row = before.then(|| matrix(one, 0, budget)).transpose()?;
    let column = behind.then(|| matrix(other, 1, budget)).transpose()?;
    let mut made = matrices(row.as_ref().unwrap_or(one), column.as_ref().unwrap_or(other), budget)?;
    if behind {
        made.dims.pop();
    }
    if before {
        made.dims.remove(made.dims.len() - 1 - usize::from(!behind));
    }
    Ok(made)
}

fn matrices(one: &Tensor, other: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let told = || why(format!("it multiplies {} by {}", shown(&one.dims), shown(&other.dims)));
    let (&[ref outer @ .., rows, inner], &[ref other_outer @ .., other_inner, columns]) =
        (&one.dims[..], &other.dims[..])
    else {
        return Err(told());
    };
    if inner != other_inner || !one.is_float() || !other.is_float() {
        return Err(told());
    }
    let outer = broadcast(outer, other_outer)?;
    let dims = [&outer[..], &[rows, columns]].concat();
    let all = count(&dims)?;
    let products = all.checked_mul(inner).filter(|&products| products <= MOST_PRODUCTS);
    let Some(products) = products else {
        return Err(why(format!("{}: at most {MOST_PRODUCTS} products of constants are computed", told().reason)));
    };
    // As memory, so that many of them do not take long either.
    budget.take(products)?;
    // Both read in order, repeated where the other has more of them.
    let whole = |tensor: &Tensor, last: [usize; 2], budget: &mut Budget| {
        Strided::of(&tensor.dims).broadcast(&[&outer[..], &last].concat())?.read(tensor, budget)
    };
    let (left, right) = (whole(one, [rows, inner], budget)?, whole(other, [inner, columns], budget)?);
    budget.take(all * 4)?;
    let of = |at: usize| {
        let (matrix, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
        let (left_at, right_at) = ((matrix * rows + row) * inner, matrix * inner * columns + column);
        let product = |k: usize| f64::from(left.float(left_at + k)) * f64::from(right.float(right_at + k * columns));
        (0..inner).map(product).sum::<f64>() as f32
    };
    Ok(Tensor::floats(dims, (0..all).map(of).collect()))
}

/// Two matrices, either turned, and numbers that are added.
pub(super) fn gemm(call: &Call<'_>, operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let turned = |tensor: &Tensor, name: &str, budget: &mut Budget| {
        if tensor.dims.len() != 2 {
            return Err(why(format!("an operand is {}: no matrix", shown(&tensor.dims))));
        }
        let order = if call.int(name, 0)? != 0 { [1, 0] } else { [0, 1] };
        super::reordered(tensor, &order, budget)
    };
    let (one, other) = (turned(operands[0], "transA", budget)?, turned(operands[1], "transB", budget)?);
    let mut made = matmul(&one, &other, budget)?;
    let (alpha, beta) = (f64::from(call.float("alpha", 1.0)?), f64::from(call.float("beta", 1.0)?));
    let bias = match operands.get(2) {
        Some(bias) if bias.is_float() => Some(Strided::of(&bias.dims).broadcast(&made.dims)?.read(bias, budget)?),
        Some(_) => return Err(why("its third operand has no floats")),
        None => None,
    };
    budget.take(made.count() * 4)?;
    let of = |at: usize| {
        let bias = bias.as_ref().map_or(0.0, |bias| beta * f64::from(bias.float(at)));
        (alpha * f64::from(made.float(at)) + bias) as f32
    };
    let values = (0..made.count()).map(of).collect();
    made = Tensor::floats(made.dims, values);
    Ok(made)
}

/// A convolution of single pixels, without anything else to it; `None` of any other.
pub(super) fn conv(call: &Call<'_>, operands: &[&Tensor], budget: &mut Budget) -> Result<Option<Tensor>, Why> {
    let (&[tensor, weights], bias) = (&operands[..2.min(operands.len())], operands.get(2)) else { return Ok(None) };
    let (&[rows, channels, ref pixels @ ..], &[filters, reads, ref kernel @ ..]) =
        (&tensor.dims[..], &weights.dims[..])
    else {
        return Ok(None);
    };
    let is_ones = |name: &str| Ok::<_, Why>(call.ints(name)?.is_none_or(|ints| ints.iter().all(|&one| one == 1)));
    let is_padded = call.ints("pads")?.is_some_and(|pads| pads.iter().any(|&pad| pad != 0));
    let is_plain = is_ones("strides")? && is_ones("kernel_shape")? && call.int("group", 1)? == 1 && !is_padded;
    if !is_plain || reads != channels || kernel.iter().any(|&size| size != 1) || kernel.len() != pixels.len() {
        return Ok(None);
    }
    if bias.is_some_and(|bias| bias.dims != [filters] || !bias.is_float()) {
        return Err(why(format!("its bias is none of {filters} filters")));
    }
    let places: usize = pixels.iter().product();
    let flat = |tensor: &Tensor, dims: Vec<usize>, budget: &mut Budget| {
        Ok::<_, Why>(Tensor { dims, ..super::copy(tensor, budget)? })
    };
    let weights = flat(weights, vec![filters, channels], budget)?;
    let made = matmul(&weights, &flat(tensor, vec![rows, channels, places], budget)?, budget)?;
    budget.take(made.count() * 4)?;
    let of = |at: usize| made.float(at) + bias.map_or(0.0, |bias| bias.float(at / places % filters));
    let dims = [&[rows, filters], pixels].concat();
    Ok(Some(Tensor::floats(dims, (0..made.count()).map(of).collect())))
}
