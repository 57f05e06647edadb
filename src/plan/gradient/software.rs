//! What bases contribute on software adapters, whose workgroups share memory at a high price: a convolution.

use std::ops::Range;

use super::drafts::{Chunk, Drafts};
use super::pass::{ConvPlaces, Pass, Place};
use crate::error::Result;
use crate::kernels::Role;
use crate::kernels::gradient::transpose_pixels::{self, TransposePixels};
use crate::method::conv2d::Conv2d;
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::starts::Starts;
use crate::method::window::Window;
use crate::plan::Step;

impl Drafts<'_> {
    /// A convolution of the transposed input, as kernels of software adapters are good at: channels are pixels, pixels
    /// channels, taps images, and its filters the rows of dP where they lie.
    pub(super) fn contribute_by_convolution(
        &self,
        chunk: Chunk,
        products: &Range<u64>,
        transposed: &Range<u64>,
        to: &Range<u64>,
        passes: &mut Vec<Pass>,
    ) -> Result<()> {
        let (groups, channels, plane) = (self.terms.groups, self.problem.placement().window().channels(), self.plane());
        let threads = chunk.images * self.problem.in_channels() * plane;
        let uniform = transpose_pixels::Uniform {
            threads: threads as u32,
            first_image: chunk.first_image as u32,
            images: chunk.images as u32,
            groups: groups as u32,
            channels: channels as u32,
            plane: plane as u32,
        };
        let step = Step::of_threads(TransposePixels, &uniform, threads as u64, self.limit());
        let places = vec![(Role::Input, Place::Input), (Role::Output, Place::Workspace(transposed.clone()))];
        passes.push(Pass::Step(Box::new(step), places));

        let rows = self.all_rows() as usize;
        let images_apart = (0..chunk.images).map(|image| (image * rows * plane) as i64).collect();
        let window = Window::new(plane, 1, chunk.images, 1, images_apart)?;
        let starts = (0..rows).map(|row| (row * plane) as i64).collect();
        let starts = Starts::Line { length: chunk.images * rows * plane, starts };
        let placement = Placement::new(window, starts, Boundary::None)?;
        let conv = Conv2d { dilation: [1, channels], groups, ..Conv2d::default() };
        let problem = Problem::new(&placement, conv, [1, 1, chunk.images * channels])?;
        let [input, summary, output] = [transposed, products, to].map(|area| Place::Workspace(area.clone()));
        passes.push(self.conv(&problem, ConvPlaces::new(input, summary, output))?);
        Ok(())
    }
}
