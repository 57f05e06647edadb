//! The gradients of gains and learned positions: what every tap contributes, from the products that it adds up.

use std::ops::Range;

use super::areas::Areas;
use super::drafts::{Chunk, Drafts};
use super::pass::{ConvPlaces, Pass, Place};
use crate::error::Result;
use crate::kernels::gradient::tap_ends::{self, Ends, TapEnds};
use crate::kernels::gradient::tap_sums::{self, TapSums};
use crate::kernels::{Kernel, Role};
use crate::method::placement::Placement;
use crate::method::starts::Starts;
use crate::method::window::Window;
use crate::plan::Step;

/// Where taps' sums go: those of one chunk after those of another, or to the gains at once.
pub(super) struct TapSumsAt {
    at: Option<Range<u64>>,
    chunks: usize,
}

impl TapSumsAt {
    fn place(&self) -> Place {
        self.at.clone().map_or(Place::GradGains, Place::Workspace)
    }
}

impl Drafts<'_> {
    /// Sums of a chunk.
    fn sums(&self) -> usize {
        let placement = self.problem.placement();
        placement.filters() * self.terms.neighbours * placement.taps()
    }

    /// Room for them, where they are not the gradients themselves.
    pub(super) fn tap_sums(&self, chunks: usize, areas: &mut Areas) -> TapSumsAt {
        let are_gradients = self.terms.neighbours == 1 && chunks == 1;
        let at = (!are_gradients).then(|| areas.values((chunks * self.sums()) as u64));
        TapSumsAt { at, chunks }
    }

    /// The products of a chunk, and what every tap contributes.
    pub(super) fn taps(
        &self,
        chunk: Chunk,
        products: &Range<u64>,
        to: &TapSumsAt,
        passes: &mut Vec<Pass>,
    ) -> Result<()> {
        let (terms, placement) = (self.terms, self.problem.placement());
        let window = Window::new(placement.window().channels(), 1, 1, terms.channel_stride.into(), vec![0])?;
        let starts = terms.bases.iter().map(|&base| base.into()).collect();
        let bases = Placement::new(window, Starts::Line { length: placement.length(), starts }, placement.boundary())?;
        let product = Place::Workspace(products.clone());
        let places = ConvPlaces::new(Place::Input, Place::Summary, product.clone());
        passes.push(self.pointwise(chunk, &bases, places.with_input_from(self.bytes_before(chunk)))?);

        let blended = terms.neighbours > 1;
        let [_, _, out_height, out_width] = self.problem.output_shape();
        let uniform = tap_sums::Uniform {
            conv: self.geometry().at_image(chunk.first_image),
            sums: self.sums() as u32,
            image_rows: (chunk.images * out_height) as u32,
            rows: self.all_rows() as u32,
            tap_rows_at: terms.tap_rows_at as u32,
            first_sum: (chunk.index * self.sums()) as u32,
        };
        let own = TapSums::own(blended);
        let is_short = own.turns(&uniform) <= self.target.most_turns(own.unrolled());
        let alone = self.target.is_software() && is_short;
        let kernel = if alone { own } else { TapSums::shared(blended, out_width) };
        let step = Step::new(kernel, &uniform, (self.sums() as u64).div_ceil(kernel.sums()), self.limit());
        let places = vec![
            (Role::Input, Place::GradOutput),
            (Role::Table, Place::Table),
            (Role::Output, to.place()),
            (Role::Residual, product),
        ];
        passes.push(Pass::Step(Box::new(step), places));
        Ok(())
    }

    /// The gradients, from the sums of all chunks and segments.
    pub(super) fn ends(&self, sums: &TapSumsAt, passes: &mut Vec<Pass>) {
        if sums.at.is_none() {
            return;
        }
        let (placement, blended) = (self.problem.placement(), self.terms.neighbours > 1);
        let of_positions = Ends::Positions { gains: self.has_gains() };
        let ends = [
            (self.wanted.gains, Ends::Gains { blended }, placement.gains(), Place::GradGains),
            (self.wanted.positions, of_positions, placement.filters(), Place::GradPositions),
        ];
        for (_, of, threads, output) in ends.into_iter().filter(|(wanted, ..)| *wanted) {
            let uniform = tap_ends::Uniform {
                conv: self.geometry(),
                threads: threads as u32,
                fractions_at: self.terms.fractions_at as u32,
                splits: sums.chunks as u32,
                split_values: self.sums() as u32,
            };
            let step = Step::of_threads(TapEnds { of }, &uniform, threads as u64, self.limit());
            let places = vec![(Role::Input, sums.place()), (Role::Table, Place::Table), (Role::Output, output)];
            let places = if of == of_positions { self.with_gains(places) } else { places };
            passes.push(Pass::Step(Box::new(step), places));
        }
    }
}
