//! The gradient of the summary: what the weights of every base contribute, and the values that bases overlap on.

use std::ops::Range;

use super::areas::Areas;
use super::drafts::{Chunk, Drafts};
use super::pass::{Pass, Place};
use crate::error::Result;
use crate::kernels::gradient::outer::{self, Outer};
use crate::kernels::gradient::overlap::{self, Overlap};
use crate::kernels::{Access, Role};
use crate::plan::Step;

/// Of a device's processors, how many workgroups each has to have before splits are not cut any finer.
const WORKGROUPS_A_PROCESSOR: usize = 4;

/// Fewest pixels of a split: fewer are read in less time than their sums are written.
const LEAST_PIXELS: usize = 256;

/// What the bases of a chunk contribute, in splits, and how.
pub(super) struct Contributions {
    at: Range<u64>,
    way: Way,
}

/// How they are computed.
enum Way {
    /// By a product along the pixels, so many of which are a split.
    Product(Outer, usize),
    /// By a convolution, of the input transposed to this place.
    #[cfg(feature = "software")]
    Convolution(Range<u64>),
}

impl Drafts<'_> {
    /// Values of a split of contributions.
    fn split_values(&self) -> u64 {
        self.all_rows() * self.channels() as u64
    }

    /// Channels of a group.
    fn channels(&self) -> usize {
        self.problem.placement().window().channels()
    }

    /// How they are computed, and room for them, for chunks of up to so many images.
    pub(super) fn contributions(&self, images: usize, areas: &mut Areas) -> Contributions {
        let pixels = images * self.plane();
        #[cfg(feature = "software")]
        if self.target.is_software() {
            let at = areas.values(self.split_values());
            let transposed = areas.values((pixels * self.problem.in_channels()) as u64);
            return Contributions { at, way: Way::Convolution(transposed) };
        }
        let (kernel, span) = self.product(pixels);
        let at = areas.values(pixels.div_ceil(span) as u64 * self.split_values());
        Contributions { at, way: Way::Product(kernel, span) }
    }

    /// What a chunk's pixels contribute, and the values of the summary, each of which bases overlap on.
    pub(super) fn contribute(
        &self,
        chunk: Chunk,
        products: &Range<u64>,
        to: &Contributions,
        passes: &mut Vec<Pass>,
    ) -> Result<()> {
        let splits = match &to.way {
            Way::Product(kernel, span) => {
                let uniform = self.cut(*kernel, *span, chunk);
                let step = Step::new(*kernel, &uniform, uniform.tiles.into(), self.limit());
                let places = vec![
                    (Role::ProductsIn, Place::Workspace(products.clone())),
                    (Role::Residual, Place::Input),
                    (Role::Output, Place::Workspace(to.at.clone())),
                ];
                passes.push(Pass::Step(Box::new(step), places));
                (chunk.images * self.plane()).div_ceil(*span)
            }
            #[cfg(feature = "software")]
            Way::Convolution(transposed) => {
                self.contribute_by_convolution(chunk, products, transposed, &to.at, passes)?;
                1
            }
        };
        passes.push(self.overlap(chunk, &to.at, splits));
        Ok(())
    }

    fn overlap(&self, chunk: Chunk, contributions: &Range<u64>, splits: usize) -> Pass {
        let (terms, placement) = (self.terms, self.problem.placement());
        let uniform = overlap::Uniform {
            length: placement.length() as u32,
            groups: terms.groups as u32,
            rows: terms.rows as u32,
            channels: self.channels() as u32,
            channel_stride: terms.channel_stride,
            counts_at: terms.counts_at as u32,
            splits: splits as u32,
            turns: terms.turns as u32,
            most_bases: terms.most_bases as u32,
            adds: u32::from(chunk.index > 0),
        };
        let step = Step::of_threads(Overlap, &uniform, placement.length() as u64, self.limit());
        let places = vec![
            (Role::Input, Place::Workspace(contributions.clone())),
            (Role::Table, Place::Table),
            (Role::Output, Place::GradSummary),
        ];
        Pass::Step(Box::new(step), places)
    }

    /// The product of a tile along some of a chunk's pixels.
    fn cut(&self, kernel: Outer, span: usize, chunk: Chunk) -> outer::Uniform {
        let (terms, channels, plane) = (self.terms, self.channels(), self.plane());
        let (rows, columns) = (kernel.tile.rows_per_tile(), kernel.tile.pixels_per_tile());
        let [row_tiles, column_tiles] = [terms.rows.div_ceil(rows), channels.div_ceil(columns)];
        let pixels = chunk.images * plane;
        let tiles = terms.groups * row_tiles * column_tiles * pixels.div_ceil(span);
        outer::Uniform {
            tiles: tiles as u32,
            column_tiles: column_tiles as u32,
            row_tiles: row_tiles as u32,
            groups: terms.groups as u32,
            rows: terms.rows as u32,
            channels: channels as u32,
            plane: plane as u32,
            pixels: pixels as u32,
            first_image: chunk.first_image as u32,
            span: span as u32,
        }
    }

    /// The tile and the pixels of a split that are expected to take least time.
    fn product(&self, pixels: usize) -> (Outer, usize) {
        let limits = &self.target.limits;
        let fits = |kernel: &Outer| {
            kernel.tile.threads() <= limits.max_compute_invocations_per_workgroup
                && Outer::bytes(kernel.tile) <= u64::from(limits.max_compute_workgroup_storage_size)
        };
        let chunk = Chunk { index: 0, first_image: 0, images: pixels / self.plane() };
        // Splits begin at whole quads, as planes do where quads are loaded together.
        let access = if self.plane().is_multiple_of(4) { Access::Vec4 } else { Access::Scalar };
        let kernels = Outer::TILES.map(|tile| Outer { tile, access });
        let enough = self.target.hardware().processors as usize * WORKGROUPS_A_PROCESSOR;
        let cuts = kernels.into_iter().filter(fits).flat_map(|kernel| {
            let spans = std::iter::successors(Some(Outer::MOST_PIXELS), |span| Some(span / 2));
            let mut is_enough = false;
            let finer = spans.take_while(move |&span| {
                let stop = is_enough || span < LEAST_PIXELS;
                is_enough = self.cut(kernel, span, chunk).tiles as usize >= enough;
                !stop
            });
            finer.map(move |span| (kernel, span))
        });
        let seconds = |&(kernel, span): &(Outer, usize)| {
            let uniform = self.cut(kernel, span, chunk);
            let step = Step::new(kernel, &uniform, uniform.tiles.into(), self.limit());
            // Every split is written, and read once more.
            let moved = 8.0 * pixels.div_ceil(span) as f64 * self.split_values() as f64;
            let read = 4.0 * pixels as f64 * (self.terms.rows + self.channels()) as f64;
            step.predict(self.target, moved + read).seconds()
        };
        let best = cuts.min_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        // The smallest tile runs everywhere; where a device refuses even that, the check says so.
        best.unwrap_or((kernels[kernels.len() - 1], Outer::MOST_PIXELS))
    }
}
