//! What `resize` and `pad` compute: rows and columns that are picked, or blended of two.

use std::fmt::Debug;

use crate::check::check_size;
use crate::error::Result;
use crate::kernels::{Access, resample as kernel};
#[cfg(feature = "cpu")]
use crate::network::bounds::{Bounds, EPSILON};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::stage::{BoundedOperands, Operands};
use crate::plan::Step;

/// Where the rows, or the columns, of the output come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Picks {
    /// One of the input each, or none.
    One(Vec<Option<u32>>),
    /// Two, and the share of the second.
    Two(Vec<([u32; 2], f64)>),
}

/// What a program that computes a row's place in f32 may read in its stead.
#[cfg(feature = "cpu")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    /// The first and the last row.
    pub(super) rows: [u32; 2],
    /// How far the share of the second may be off.
    pub(super) share: f64,
}

/// Says where rows and columns come from.
pub(super) trait Picker: Debug + Send + Sync {
    /// Whether values are blended.
    fn blends(&self) -> bool {
        false
    }

    /// What is where there is no row or column.
    fn value(&self) -> f32 {
        0.0
    }

    /// The rows (axis 0) or columns of an output of a size, from an input of one.
    fn picks(&self, axis: usize, input: usize, output: usize) -> Picks;

    /// What others may read in the stead of each; empty where that is the same.
    #[cfg(feature = "cpu")]
    fn reaches(&self, _axis: usize, _input: usize, _output: usize) -> Vec<Reach> {
        Vec::new()
    }
}

/// Rows and columns that are picked. Which are is asked when they are needed: there may be millions.
#[derive(Debug)]
pub(super) struct Resample<P> {
    pub(super) picker: P,
    /// `[H, W]` of the input.
    pub(super) input: [usize; 2],
    /// Of the output.
    pub(super) output: [usize; 2],
}

/// A row or a column of the output: `(1 - share) * first + share * second`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pick {
    first: u32,
    second: u32,
    share: f32,
}

impl Picks {
    fn picks(self) -> Vec<Pick> {
        match self {
            Self::One(picks) => {
                let pick = |first: Option<u32>| {
                    let first = first.unwrap_or(kernel::Resample::MISSING);
                    Pick { first, second: first, share: 0.0 }
                };
                picks.into_iter().map(pick).collect()
            }
            Self::Two(picks) => {
                let pick = |([first, second], share): ([u32; 2], f64)| Pick { first, second, share: share as f32 };
                picks.into_iter().map(pick).collect()
            }
        }
    }
}

impl<P: Picker> Resample<P> {
    /// Those of rows (axis 0) or columns.
    fn picks(&self, axis: usize) -> Vec<Pick> {
        self.picker.picks(axis, self.input[axis], self.output[axis]).picks()
    }
}

impl<P: Picker> Stage for Resample<P> {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let ([height, width], [out_height, out_width]) = (self.input, self.output);
        let (plane, view) = (out_height * out_width, context.view(wiring.inputs[0]));
        let uniform = kernel::Uniform {
            images: word(context.batch),
            channels: word(wiring.shape[0]),
            plane: word(plane),
            out_height: word(out_height),
            out_width: word(out_width),
            height: word(height),
            width: word(width),
            in_channels_total: word(view.channels_total),
            in_channel_offset: word(view.channel_offset),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            value: self.picker.value().to_bits(),
        };
        let (access, read_write) = (Access::for_lengths(&[plane], false), context.options.bind_read_write);
        let kernel = kernel::Resample { access, blends: self.picker.blends(), read_write };
        Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
    }

    /// Of every row, then of every column: where it comes from; of blends two places and the share of the second.
    fn table(&self) -> Vec<u32> {
        let picks = self.picks(0).into_iter().chain(self.picks(1));
        if self.picker.blends() {
            picks.flat_map(|pick| [pick.first, pick.second, pick.share.to_bits()]).collect()
        } else {
            picks.map(|pick| pick.first).collect()
        }
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let ([height, width], [_, out_width], value) = (self.input, self.output, self.picker.value());
        let (rows, columns) = (self.picks(0), self.picks(1));
        let planes = operands.inputs[0].chunks_exact(height * width);
        let mut line = vec![0.0; width];
        for (from, to) in planes.zip(to.chunks_exact_mut(rows.len() * out_width)) {
            for (row, to) in rows.iter().zip(to.chunks_exact_mut(out_width)) {
                if row.first == kernel::Resample::MISSING {
                    to.fill(value);
                    continue;
                }
                let row_at = |at: u32| &from[at as usize * width..][..width];
                if !self.picker.blends() {
                    let from = row_at(row.first);
                    for (to, column) in to.iter_mut().zip(&columns) {
                        *to =
                            if column.first == kernel::Resample::MISSING { value } else { from[column.first as usize] };
                    }
                    continue;
                }
                for ((line, first), second) in line.iter_mut().zip(row_at(row.first)).zip(row_at(row.second)) {
                    *line = (1.0 - row.share) * first + row.share * second;
                }
                for (to, &Pick { first, second, share }) in to.iter_mut().zip(&columns) {
                    *to = (1.0 - share) * line[first as usize] + share * line[second as usize];
                }
            }
        }
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let ([channels, height, width], input) = (operands.input_shape, operands.inputs[0]);
        let (rows, columns) = (self.picks(0), self.picks(1));
        let [of_rows, of_columns] = [0, 1].map(|axis| self.picker.reaches(axis, self.input[axis], self.output[axis]));
        let elsewhere = |channel: usize, [y, x]: [usize; 2]| {
            let (Some(rows), Some(columns)) = (of_rows.get(y), of_columns.get(x)) else { return 0.0 };
            let line = |y: u32| (channel * height + y as usize) * width;
            let pixels = (rows.rows[0]..=rows.rows[1])
                .flat_map(|y| (columns.rows[0]..=columns.rows[1]).map(move |x| line(y) + x as usize));
            let (least, most) = pixels.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), at| {
                let (of, _) = input.pair(at);
                (of.min(least), of.max(most))
            });
            let share = (rows.share + columns.share).min(1.0);
            if share == 0.0 { 0.0 } else { share * (most - least) }
        };
        let of = |channel: usize, [y, x]: [usize; 2]| {
            let (row, column) = (rows[y], columns[x]);
            if row.first == kernel::Resample::MISSING || column.first == kernel::Resample::MISSING {
                return (self.picker.value().into(), 0.0);
            }
            let (mut value, mut error, mut size, mut largest) = (0.0, 0.0, 0.0, 0.0f64);
            let shares = |pick: Pick| [(pick.first, 1.0 - f64::from(pick.share)), (pick.second, f64::from(pick.share))];
            for (y, of_row) in shares(row) {
                for (x, of_column) in shares(column) {
                    let (at, share) = ((channel * height + y as usize) * width + x as usize, of_row * of_column);
                    let (of, off) = input.pair(at);
                    // A share of nothing is nothing, unless of what is not finite.
                    value += share * of;
                    error += if share == 0.0 { 0.0 } else { share * off };
                    size += share * of.abs();
                    largest = largest.max(of.abs());
                }
            }
            // Each axis rounds `1 - share`, two products and a sum; shares themselves are rounded once.
            let rounding = if self.picker.blends() { EPSILON * (3.0 * size + largest) } else { 0.0 };
            (value, error + rounding + elsewhere(channel, [y, x]))
        };
        let places = || (0..rows.len()).flat_map(|y| (0..columns.len()).map(move |x| [y, x]));
        (0..channels).flat_map(|channel| places().map(move |place| of(channel, place))).collect()
    }
}

/// Most rows or columns of an image that are listed in tables.
const SIDE_LIMIT: usize = 1 << 22;

/// Checks that rows and columns of a shape may be listed.
pub(super) fn check_sides(shape: [usize; 3]) -> Result<[usize; 3]> {
    check_size("output height", shape[1], SIDE_LIMIT)?;
    check_size("output width", shape[2], SIDE_LIMIT)?;
    Ok(shape)
}
