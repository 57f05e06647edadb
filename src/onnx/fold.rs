//! Constants that a model computes from constants: shapes most of all.

mod arithmetic;
mod batch_norm;
mod product;
mod reduce;
mod scatter;
mod strided;
mod unary;

use std::rc::Rc;

pub(super) use arithmetic::choose;

use super::budget::Budget;
use super::call::{Call, Value};
use super::external::External;
use super::refusal::{Why, why};
use super::shapes::is_beside;
use super::tensor::{DataType, Tensor, Values, count, shown};
use strided::{Strided, exactly};

/// What is allocated on the way.
pub(super) struct Means<'a> {
    pub(super) budget: &'a mut Budget,
    pub(super) external: &'a mut External,
}

/// Whether an operator computes numbers of numbers that are known.
pub(super) fn computes_numbers(operator: &str) -> bool {
    const OTHERS: [&str; 11] =
        ["Sign", "Not", "Abs", "Log", "Floor", "Ceil", "Round", "Sin", "Cos", "CumSum", "ReduceProd"];
    OTHERS.contains(&operator) || arithmetic::binary(operator).is_some()
}

/// What a node computes of constants; `None` where it has others, or its operator is not folded.
pub(super) fn fold(call: &Call<'_>, means: &mut Means<'_>) -> Option<Result<Vec<Tensor>, Why>> {
    let of_shape = match (call.node.op_type.as_str(), call.input(0)) {
        ("Shape", Some(value)) => Some(shape(call, dims(value, call.batch))),
        ("Size", Some(value)) => {
            Some(Ok(scalar(dims(value, call.batch).iter().fold(1usize, |all, &size| all.saturating_mul(size)) as i64)))
        }
        _ => None,
    };
    if let Some(tensor) = of_shape {
        return Some(tensor.map(|tensor| vec![tensor]));
    }
    let constants: Option<Vec<Option<&Rc<Tensor>>>> = call
        .inputs
        .iter()
        .map(|input| match input {
            Some(Value::Constant(tensor)) => Some(Some(tensor)),
            Some(_) => None,
            None => Some(None),
        })
        .collect();
    let operands: Vec<&Tensor> = constants?.into_iter().flatten().map(Rc::as_ref).collect();
    by_operator(call, &operands, means).transpose()
}

fn by_operator(call: &Call<'_>, operands: &[&Tensor], means: &mut Means<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let operator = call.node.op_type.as_str();
    if operator == "Constant" {
        return constant(call, means).map(|tensor| Some(vec![tensor]));
    }
    let Some(&first) = operands.first() else { return Ok(None) };
    let budget = &mut *means.budget;
    let folded = match operator {
        "Identity" | "Dropout" => copy(first, budget)?,
        "ConstantOfShape" => of_shape(call, first, means)?,
        "Cast" => cast(first, call.cast_type()?, budget)?,
        "CastLike" if operands.len() == 2 && operands[1].is_float() => cast(first, DataType::F32, budget)?,
        "Gather" if operands.len() == 2 => gather(call, first, operands[1], budget)?,
        "Slice" => slice(call, first, budget)?,
        "Concat" => concat(call, operands, budget)?,
        "Split" => return split(call, first, budget).map(Some),
        "Unsqueeze" | "Squeeze" | "Reshape" | "Flatten" => {
            Tensor { dims: super::shapes::reshaped(call, &first.dims)?, ..copy(first, budget)? }
        }
        "Transpose" => {
            let order = super::shapes::order(call, first.dims.len())?;
            reordered(first, &order, budget)?
        }
        "Expand" if operands.len() == 2 => {
            let asked = operands[1].ints()?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
            let asked = asked.map_err(|_| why("it expands to a negative size"))?;
            let dims = arithmetic::broadcast(&first.dims, &asked)?;
            Strided::of(&first.dims).broadcast(&dims)?.read(first, budget)?
        }
        "NonZero" => non_zero(first, budget)?,
        "BatchNormalization" => batch_norm::batch_norm(call, operands, budget)?,
        "MatMul" if operands.len() == 2 => product::matmul(first, operands[1], budget)?,
        "Gemm" if operands.len() >= 2 => product::gemm(call, operands, budget)?,
        "Conv" => match product::conv(call, operands, budget)? {
            Some(made) => made,
            None => return Ok(None),
        },
        "ScatterND" => scatter::scatter_nd(call, operands, budget)?,
        "CumSum" if operands.len() == 2 => reduce::running(call, first, operands[1], budget)?,
        "Tile" if operands.len() == 2 => tile(first, operands[1], budget)?,
        "Sum" | "Min" | "Max" if operands.len() == 1 => copy(first, budget)?,
        "Range" if operands.len() == 3 => range(operands, budget)?,
        "Mod" if call.int("fmod", 0)? != 0 => return Err(why("fmod of constants is not computed")),
        "Where" if operands.len() == 3 => choose(operands, budget)?,
        "Mean" => {
            let sum = match operands {
                [one] => copy(one, budget)?,
                all => arithmetic::sum(all, budget)?,
            };
            unary::divided(sum, operands.len() as f32)
        }
        "Clip" => clip(call, first, budget)?,
        _ if reduce::OPERATORS.contains(&operator) => reduce::reduce(call, first, budget)?,
        _ => match (unary::unary(call)?, arithmetic::binary(operator)) {
            (Some(of), _) => unary::each(first, &of, budget)?,
            (_, Some(of)) if operands.len() >= 2 => arithmetic::fold(operands, of, budget)?,
            _ => return Ok(None),
        },
    };
    Ok(Some(vec![folded]))
}

/// Sizes of a value's axes.
pub(super) fn dims(value: &Value, batch: usize) -> Vec<usize> {
    match value {
        Value::Constant(tensor) => tensor.dims.clone(),
        Value::OfBatch(tensors) => tensors[0].dims.clone(),
        Value::Computed(view) => [vec![batch], view.dims()].concat(),
        Value::Moved(moved) => moved.dims(batch),
    }
}

fn scalar(value: i64) -> Tensor {
    Tensor { dims: Vec::new(), values: Values::Ints(vec![value]) }
}

fn shape(call: &Call<'_>, dims: Vec<usize>) -> Result<Tensor, Why> {
    let rank = dims.len() as i64;
    let bound = |name: &str, default: i64| {
        let at = call.int(name, default)?;
        Ok::<_, Why>((if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize)
    };
    let (start, end) = (bound("start", 0)?, bound("end", rank)?);
    Ok(Tensor::list(dims.get(start..end).unwrap_or_default().iter().map(|&size| size as i64).collect()))
}

fn constant(call: &Call<'_>, means: &mut Means<'_>) -> Result<Tensor, Why> {
    if let Some(tensor) = call.tensor("value")? {
        return Tensor::decode(tensor, means.external, means.budget);
    }
    let floats = |dims, values: &[f32]| Tensor::floats(dims, values.to_vec());
    Ok(if call.has("value_float") {
        floats(Vec::new(), &[call.float("value_float", 0.0)?])
    } else if call.has("value_int") {
        scalar(call.int("value_int", 0)?)
    } else if let Some(values) = call.floats("value_floats")? {
        floats(vec![values.len()], values)
    } else if let Some(values) = call.ints("value_ints")? {
        Tensor::list(values.to_vec())
    } else {
        return Err(why("it has no value that is read: a tensor, numbers or a list of them"));
    })
}

fn of_shape(call: &Call<'_>, sizes: &Tensor, means: &mut Means<'_>) -> Result<Tensor, Why> {
    let dims = sizes.ints()?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
    let dims = dims.map_err(|_| why("a size is negative"))?;
    count(&dims)?;
    let values = match call.tensor("value")? {
        None => Values::AllFloats(0.0),
        Some(value) => {
            let value = Tensor::decode(value, means.external, means.budget)?;
            match value.count() {
                1 if value.is_float() => Values::AllFloats(value.float(0)),
                1 => Values::AllInts(value.int(0)),
                more => return Err(why(format!("its value has {more} numbers: it must be one"))),
            }
        }
    };
    Ok(Tensor { dims, values })
}

/// A copy, which is paid for.
pub(super) fn copy(tensor: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    match &tensor.values {
        Values::Floats(values) => budget.take(values.len() * 4)?,
        Values::Ints(values) => budget.take(values.len() * 8)?,
        Values::AllFloats(_) | Values::AllInts(_) => {}
    }
    Ok(tensor.clone())
}

fn cast(tensor: &Tensor, to: DataType, budget: &mut Budget) -> Result<Tensor, Why> {
    if to == DataType::I64 && !tensor.is_float() {
        return copy(tensor, budget);
    }
    if to.is_float() && tensor.is_float() {
        let mut rounded = copy(tensor, budget)?;
        match &mut rounded.values {
            Values::Floats(values) => values.iter_mut().for_each(|value| *value = to.rounded(*value)),
            Values::AllFloats(value) => *value = to.rounded(*value),
            Values::Ints(_) | Values::AllInts(_) => {}
        }
        return Ok(rounded);
    }
    let count = tensor.count();
    budget.take(count * 8)?;
    let values = match to {
        _ if to.is_float() => Values::Floats((0..count).map(|at| to.rounded(tensor.float(at))).collect()),
        DataType::Bool => Values::Ints((0..count).map(|at| i64::from(tensor.float(at) != 0.0)).collect()),
        _ => Values::Ints((0..count).map(|at| to.wrapped(tensor.int(at))).collect()),
    };
    Ok(Tensor { dims: tensor.dims.clone(), values })
}

/// Numbers cut off at both ends: by operands, or by attributes in older opsets.
fn clip(call: &Call<'_>, tensor: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let mut clipped = copy(tensor, budget)?;
    let bound = |at: usize| match call.constant(at)? {
        Some(bound) if bound.count() != 1 => Err(why(format!("its operand {at} must be one number"))),
        bound => Ok(bound),
    };
    let (low, high) = (bound(1)?, bound(2)?);
    let (least, most) = (call.float("min", f32::NEG_INFINITY)?, call.float("max", f32::INFINITY)?);
    let of_float = |value: f32| {
        let (low, high) = (low.map(|low| low.float(0)), high.map(|high| high.float(0)));
        // Above the upper bound everything is that.
        value.max(low.unwrap_or(least)).min(high.unwrap_or(most))
    };
    let of_int = |value: i64| {
        let (low, high) = (low.map(|low| low.int(0)), high.map(|high| high.int(0)));
        value.max(low.unwrap_or(i64::MIN)).min(high.unwrap_or(i64::MAX))
    };
    match &mut clipped.values {
        Values::Floats(values) => values.iter_mut().for_each(|value| *value = of_float(*value)),
        Values::AllFloats(value) => *value = of_float(*value),
        Values::Ints(values) => values.iter_mut().for_each(|value| *value = of_int(*value)),
        Values::AllInts(value) => *value = of_int(*value),
    }
    Ok(clipped)
}

fn gather(call: &Call<'_>, tensor: &Tensor, indices: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let axis = Call::axis(call.int("axis", 0)?, tensor.dims.len())?;
    let (outer, size) = (&tensor.dims[..axis], tensor.dims[axis]);
    let inner = &tensor.dims[axis + 1..];
    let dims = [outer, &indices.dims, inner].concat();
    let (block, places) = (inner.iter().product::<usize>(), indices.count());
    budget.take(places * 8)?;
    let places: Vec<usize> = (0..places)
        .map(|at| {
            Call::axis(indices.int(at), size).map_err(|_| why(format!("index {} is beyond {size}", indices.int(at))))
        })
        .collect::<Result<_, _>>()?;
    let pick = |outer: usize, place: usize, at: usize| (outer * size + place) * block + at;
    let count = count(&dims)?;
    let all = (0..outer.iter().product())
        .flat_map(|outer| places.iter().flat_map(move |&place| (0..block).map(move |at| pick(outer, place, at))));
    strided::picked(tensor, dims, count, all, budget)
}

/// A tensor whose axis `k` is what was axis `order[k]`.
pub(super) fn reordered(tensor: &Tensor, order: &[usize], budget: &mut Budget) -> Result<Tensor, Why> {
    Strided::of(&tensor.dims).transposed(order).read(tensor, budget)
}

/// Where numbers are that are not 0: of each axis a list of places.
fn non_zero(tensor: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let (rank, all) = (tensor.dims.len(), tensor.count());
    budget.take(all.saturating_mul(8 * (rank + 1)))?;
    // Not as integers, of which small numbers are 0.
    let is_there = |&at: &usize| if tensor.is_float() { tensor.float(at) != 0.0 } else { tensor.int(at) != 0 };
    let places: Vec<usize> = (0..all).filter(is_there).collect();
    let along = |axis: usize| {
        let behind: usize = tensor.dims[axis + 1..].iter().product();
        places.iter().map(move |at| (at / behind % tensor.dims[axis]) as i64)
    };
    let values = exactly(rank * places.len(), (0..rank).flat_map(along));
    Ok(Tensor { dims: vec![rank, places.len()], values: Values::Ints(values) })
}

/// Every axis behind itself: as one of its own before it, along which it is repeated.
fn tile(tensor: &Tensor, repeats: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let repeats = repeats.ints()?;
    let times: Option<Vec<usize>> = repeats.iter().map(|&times| usize::try_from(times).ok()).collect();
    let times = times.filter(|times| times.len() == tensor.dims.len());
    let times = times.ok_or_else(|| why(format!("its repeats are {repeats:?}, of {}", shown(&tensor.dims))))?;
    let pairs = |before: &[usize]| -> Vec<usize> {
        before.iter().zip(&tensor.dims).flat_map(|(&before, &size)| [before, size]).collect()
    };
    let (once, all) = (pairs(&vec![1; times.len()]), pairs(&times));
    let tiled = Strided::of(&once).broadcast(&all)?.read(tensor, budget)?;
    Ok(Tensor { dims: all.chunks(2).map(|pair| pair.iter().product()).collect(), ..tiled })
}

fn slice(call: &Call<'_>, tensor: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let mut strided = Strided::of(&tensor.dims);
    for cut in super::shapes::cuts(call, &tensor.dims)? {
        strided = strided.cut(cut);
    }
    strided.read(tensor, budget)
}

fn split(call: &Call<'_>, tensor: &Tensor, budget: &mut Budget) -> Result<Vec<Tensor>, Why> {
    let cuts = super::shapes::parts(call, &tensor.dims)?;
    cuts.into_iter().map(|cut| Strided::of(&tensor.dims).cut(cut).read(tensor, budget)).collect()
}

fn concat(call: &Call<'_>, operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let first = operands[0];
    let axis = Call::axis(call.int("axis", 1)?, first.dims.len())?;
    if !operands.iter().all(|tensor| is_beside(&first.dims, &tensor.dims, axis)) {
        return Err(why("its operands have other sizes beside the axis"));
    }
    let mut dims = first.dims.clone();
    dims[axis] =
        operands.iter().try_fold(0usize, |sum, tensor| sum.checked_add(tensor.dims[axis])).unwrap_or(usize::MAX);
    let all = count(&dims)?;
    budget.take(all * 8)?;
    let outer: usize = dims[..axis].iter().product();
    // Of every row the blocks of all operands, one after another.
    let row = |row: usize| {
        operands.iter().flat_map(move |&tensor| {
            let block = tensor.count() / outer;
            (row * block..(row + 1) * block).map(move |at| (tensor, at))
        })
    };
    let values = if operands.iter().any(|tensor| tensor.is_float()) {
        Values::Floats(exactly(all, (0..outer).flat_map(row).map(|(tensor, at)| tensor.float(at))))
    } else {
        Values::Ints(exactly(all, (0..outer).flat_map(row).map(|(tensor, at)| tensor.int(at))))
    };
    Ok(Tensor { dims, values })
}

fn range(operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let [start, limit, step] = [0, 1, 2].map(|at| operands[at]);
    if [start, limit, step].iter().any(|tensor| tensor.count() != 1) {
        return Err(why("its bounds are no numbers"));
    }
    let exact = |tensor: &Tensor| if tensor.is_float() { f64::from(tensor.float(0)) } else { tensor.int(0) as f64 };
    let [from, to, by] = [start, limit, step].map(exact);
    let steps = ((to - from) / by).ceil();
    if !(0.0..=1e6).contains(&steps) {
        return Err(why(format!("it counts from {from} to {to} by {by}: more than a million steps, or none")));
    }
    let steps = steps as usize;
    budget.take(steps * 8)?;
    let values = if start.is_float() {
        Values::Floats((0..steps).map(|at| (from + at as f64 * by) as f32).collect())
    } else {
        let (from, by) = (start.int(0), step.int(0));
        Values::Ints((0..steps).map(|at| from.wrapping_add(by.wrapping_mul(at as i64))).collect())
    };
    Ok(Tensor { dims: vec![steps], values })
}
