//! `Resize` and `Upsample`, of all opsets.

use super::context::{Context, Lowered};
use crate::network::ops::{Coordinates, Op, Resize, ResizeMode, Rounding, UpsampleNearest};
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};

const MODES: &str = "export with mode nearest or bilinear";

pub(super) fn resize(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (input, rank) = context.image(call, 0)?;
    let shape = context.draft.shape(input);
    let is_old = call.opset < 11 || call.node.op_type == "Upsample";
    let axes = axes(call, rank)?;
    let mode = match call.word("mode", "nearest")? {
        "nearest" => ResizeMode::Nearest(rounding(call, is_old)?),
        "linear" | "bilinear" => ResizeMode::Bilinear,
        other => return Err(why(format!("mode {other:?} is not in the format")).or(MODES)),
    };
    let coordinates = match call.word("coordinate_transformation_mode", "half_pixel")? {
        _ if is_old => Coordinates::Asymmetric,
        "half_pixel" => Coordinates::HalfPixel,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        other => return Err(why(format!("coordinate_transformation_mode {other:?} is not in the format"))),
    };
    if call.int("antialias", 0)? != 0 {
        return Err(why("antialias is not in the format").or("export without antialias"));
    }
    let (sizes_at, scales_at) = if is_old { (usize::MAX, 1) } else { (3, 2) };
    let given = |at: usize| call.constant(at).map(|tensor| tensor.filter(|tensor| tensor.count() > 0));
    let mut size = [shape[1], shape[2]];
    let mut scale = [1.0; 2];
    let by_size = if let Some(sizes) = given(sizes_at)? {
        let sizes = numbers(sizes.count(), &axes, |at| sizes.int(at) as f64)?;
        fitted(call, &sizes, shape, &mut size)?;
        true
    } else {
        let attribute = call.floats("scales")?;
        let scales = match (given(scales_at)?, attribute) {
            (Some(scales), _) => numbers(scales.count(), &axes, |at| f64::from(scales.float(at)))?,
            (None, Some(scales)) => numbers(scales.len(), &axes, |at| f64::from(scales[at]))?,
            (None, None) => return Err(why("it has neither scales nor sizes")),
        };
        for (axis, number) in scales {
            match axis {
                0 | 1 if number != 1.0 => return Err(why("it resizes the batch or the channels")),
                0 | 1 => {}
                _ => scale[axis - 2] = whole_scale(number as f32, shape[axis - 1]),
            }
        }
        false
    };
    let shrinks = scale.iter().any(|&scale| scale < 1.0);
    if shrinks && call.node.op_type == "Upsample" {
        return Err(why("its scales are below 1, which Upsample has not").or("export with opset 11 or later"));
    }
    let mode = match mode {
        // Before opset 11 ONNX Runtime rounds up where an image shrinks.
        ResizeMode::Nearest(_) if is_old && shrinks => {
            if scale.iter().any(|&scale| scale > 1.0) {
                return Err(
                    why("it grows along one axis and shrinks along the other").or("export with opset 11 or later")
                );
            }
            ResizeMode::Nearest(Rounding::Ceil)
        }
        mode => mode,
    };
    // ONNX scales corners by the size before it is rounded, PyTorch and ONNX Runtime by that after.
    let is_rounded = (0..2).any(|axis| (shape[axis + 1] as f64 * scale[axis]).fract() != 0.0);
    if coordinates == Coordinates::AlignCorners && !by_size && is_rounded {
        return Err(why("align_corners with scales that give no whole size").or("give sizes instead of scales"));
    }
    let whole = scale.map(|scale| scale as usize);
    let is_whole = !by_size && [0, 1].iter().all(|&at| whole[at] >= 1 && whole[at] as f64 == scale[at]);
    let picks_corner = matches!((mode, coordinates), (ResizeMode::Nearest(Rounding::Floor), Coordinates::Asymmetric));
    let op = if is_whole && picks_corner {
        Op::UpsampleNearest(UpsampleNearest::new(whole))
    } else {
        let resize = if by_size { Resize::to(size) } else { Resize::by(scale) };
        Op::Resize(resize.with_mode(mode).with_coordinates(coordinates))
    };
    context.finish(call, op, vec![input], rank)
}

/// A scale in f64 that makes of a size what it makes in f32, as frameworks multiply: the number that it was written for
/// in decimals (0.7 makes 7 of 10, what f32 has of it 6), else that of the sizes.
fn whole_scale(scale: f32, size: usize) -> f64 {
    let made = (size as f32 * scale).floor();
    let written = scale.to_string().parse().unwrap_or(f64::from(scale));
    let makes = |scale: f64| (size as f64 * scale).floor() == f64::from(made);
    let of_sizes = f64::from(made) / size as f64;
    [written, f64::from(scale), of_sizes].into_iter().find(|&scale| makes(scale)).unwrap_or(f64::from(scale))
}

/// Which axes its numbers are of, the batch's 0.
fn axes(call: &Call<'_>, rank: usize) -> Result<Vec<usize>, Why> {
    if rank != 2 && rank != 3 {
        return Err(why("its operand is no image"));
    }
    match call.ints("axes")? {
        Some(axes) => axes.iter().map(|&axis| Call::axis(axis, rank + 1)).collect(),
        None => Ok((0..=rank).collect()),
    }
}

fn numbers(count: usize, axes: &[usize], of: impl Fn(usize) -> f64) -> Result<Vec<(usize, f64)>, Why> {
    if count != axes.len() {
        return Err(why(format!("it has {count} scales or sizes: there are {} axes", axes.len())));
    }
    Ok(axes.iter().copied().zip((0..count).map(of)).collect())
}

/// Puts the rows and columns asked for into `size`.
fn fitted(call: &Call<'_>, sizes: &[(usize, f64)], shape: [usize; 3], size: &mut [usize; 2]) -> Result<(), Why> {
    let policy = call.word("keep_aspect_ratio_policy", "stretch")?;
    let images: Vec<(usize, f64)> = sizes.iter().copied().filter(|&(axis, _)| axis >= 2).collect();
    if let Some((_, asked)) = sizes.iter().find(|&&(axis, asked)| axis == 0 && asked != call.batch as f64) {
        return Err(why(format!("it makes {asked} images of {}", call.batch)));
    }
    if let Some((_, asked)) = sizes.iter().find(|&&(axis, asked)| axis == 1 && asked != shape[0] as f64) {
        return Err(why(format!("it makes {asked} channels of {}", shape[0])));
    }
    let ratio = |&(axis, asked): &(usize, f64)| asked / shape[axis - 1] as f64;
    let ratios = images.iter().map(ratio);
    let common = match policy {
        "stretch" => None,
        "not_larger" => ratios.reduce(f64::min),
        "not_smaller" => ratios.reduce(f64::max),
        other => return Err(why(format!("keep_aspect_ratio_policy is {other:?}"))),
    };
    for (axis, asked) in images {
        let fitted = common.map(|ratio| ratio * shape[axis - 1] as f64);
        // ONNX scales by the common ratio, the format by sizes.
        if let Some(fitted) = fitted.filter(|fitted| (fitted - fitted.round()).abs() > 1e-9) {
            let reason = format!("keep_aspect_ratio_policy {policy:?} gives {fitted} pixels, no whole number");
            return Err(why(reason).or("give both sizes with the policy stretch"));
        }
        let exact = fitted.map_or(asked, f64::round);
        // What is no size is refused where the operation is checked.
        size[axis - 2] = exact as usize;
    }
    Ok(())
}

fn rounding(call: &Call<'_>, is_old: bool) -> Result<Rounding, Why> {
    if is_old {
        return Ok(Rounding::Floor);
    }
    Ok(match call.word("nearest_mode", "round_prefer_floor")? {
        "round_prefer_floor" => Rounding::PreferFloor,
        "round_prefer_ceil" => Rounding::PreferCeil,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        other => return Err(why(format!("nearest_mode is {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::whole_scale;

    /// As frameworks multiply, in f32.
    #[test]
    fn scales_make_the_sizes_that_they_make_in_f32() {
        for (scale, size, made) in [(0.7, 10, 7), (1.4, 5, 7), (1.4, 15, 21), (5.0 / 3.0, 3, 5), (35.0 / 21.0, 21, 35)]
        {
            let exact = whole_scale(scale, size);
            assert_eq!((exact * size as f64).floor() as usize, made, "{scale} of {size}");
            assert!((exact / f64::from(scale) - 1.0).abs() < 1e-6, "{scale} of {size}: {exact}");
        }
        assert_eq!(whole_scale(1.2, 9), 1.2);
        assert_eq!(whole_scale(2.0, 7), 2.0);
    }
}
