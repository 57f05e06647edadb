//! The passes of gradients, in their order.

use std::ops::Range;

use super::areas::Areas;
use super::pass::{ConvPlaces, Pass, Place};
use super::terms::Terms;
use crate::error::Result;
use crate::kernels::gradient::outer::{self, Outer};
use crate::kernels::gradient::overlap::{self, Overlap};
use crate::kernels::gradient::spread::{self, Spread};
use crate::kernels::gradient::tap_ends::{self, Ends, TapEnds};
use crate::kernels::gradient::tap_sums::{self, TapSums};
use crate::kernels::gradient::transpose::{self, Transpose};
#[cfg(feature = "software")]
use crate::kernels::gradient::transpose_pixels::{self, TransposePixels};
use crate::kernels::{Access, Geometry, Kernel, Role, Weights};
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
#[cfg(feature = "software")]
use crate::method::placement::Boundary;
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::starts::Starts;
use crate::method::wanted::Wanted;
use crate::method::window::Window;
use crate::plan::{Plan, PlanOptions, Step, Target};

/// Of a device's processors, how many workgroups each has to have before splits are not cut any finer.
const WORKGROUPS_A_PROCESSOR: usize = 4;

/// Fewest pixels of a split: fewer are read in less time than their sums are written.
const LEAST_PIXELS: usize = 256;

/// What passes are made of.
pub(super) struct Drafts<'a> {
    pub(super) problem: &'a Problem,
    pub(super) wanted: Wanted,
    pub(super) target: &'a Target,
    pub(super) options: PlanOptions,
    pub(super) terms: &'a Terms,
}

impl Drafts<'_> {
    pub(super) fn passes(&self, areas: &mut Areas) -> Result<Vec<Pass>> {
        let Wanted { input, summary, gains, positions } = self.wanted;
        let [batch, _, height, width] = self.problem.input_shape();
        // Products, and later what they contribute to the loss: as many values, one after the other.
        let products = areas.values(self.all_rows() * (batch * height * width) as u64);
        let mut passes = Vec::new();
        if gains || positions {
            self.taps(&products, areas, &mut passes)?;
        }
        if input || summary {
            passes.push(self.spread(&products));
        }
        if input {
            self.input(&products, areas, &mut passes)?;
        }
        if summary {
            self.summary(&products, areas, &mut passes)?;
        }
        Ok(passes)
    }

    /// Rows of all groups.
    fn all_rows(&self) -> u64 {
        (self.terms.groups * self.terms.rows) as u64
    }

    fn geometry(&self) -> Geometry {
        Geometry::of(self.problem, self.terms.channel_stride)
    }

    fn limit(&self) -> u32 {
        self.target.limits.max_compute_workgroups_per_dimension
    }

    fn has_gains(&self) -> bool {
        self.problem.placement().has_gains()
    }

    /// Adds the gains where they are there.
    fn with_gains(&self, mut places: Vec<(Role, Place)>) -> Vec<(Role, Place)> {
        places.extend(self.has_gains().then_some((Role::Gains, Place::Gains)));
        places
    }

    fn spread(&self, products: &Range<u64>) -> Pass {
        let (conv, terms) = (self.problem.conv(), self.terms);
        let [batch, _, height, width] = self.problem.input_shape();
        let [_, _, out_height, out_width] = self.problem.output_shape();
        let row_quads = width.div_ceil(4);
        let threads = (row_quads * height * batch) as u64 * self.all_rows();
        let kernel = Spread {
            blended: terms.neighbours > 1,
            gains: self.has_gains(),
            strided: conv.stride != [1, 1],
            output: Access::for_lengths(&[width], false),
        };
        let uniform = spread::Uniform {
            conv: self.geometry(),
            threads: threads as u32,
            row_quads: row_quads as u32,
            rows: self.all_rows() as u32,
            firsts_at: terms.firsts_at as u32,
            terms_at: terms.terms_at as u32,
            fractions_at: terms.fractions_at as u32,
            most_terms: terms.most_terms as u32,
            last_y: ((out_height - 1) * conv.stride[0]) as u32,
            last_x: ((out_width - 1) * conv.stride[1]) as u32,
        };
        let places = vec![
            (Role::Input, Place::GradOutput),
            (Role::Table, Place::Table),
            (Role::Output, Place::Workspace(products.clone())),
        ];
        Pass::Step(Box::new(Step::of_threads(kernel, &uniform, threads, self.limit())), self.with_gains(places))
    }

    /// The bases' weights, transposed, and the 1x1 convolution with them.
    fn input(&self, products: &Range<u64>, areas: &mut Areas, passes: &mut Vec<Pass>) -> Result<()> {
        let (terms, channels) = (self.terms, self.problem.placement().window().channels());
        let matrix = areas.values(channels as u64 * self.all_rows());
        let quads = channels.div_ceil(4);
        let threads = self.all_rows() * quads as u64;
        let kernel = Transpose { weights: Weights::new(terms.load, Precision::F32, false) };
        let uniform = transpose::Uniform {
            conv: self.geometry(),
            threads: threads as u32,
            rows: terms.rows as u32,
            quads: quads as u32,
        };
        let places = vec![
            (Role::Summary, Place::Summary),
            (Role::Table, Place::Table),
            (Role::Output, Place::Workspace(matrix.clone())),
        ];
        passes.push(Pass::Step(Box::new(Step::of_threads(kernel, &uniform, threads, self.limit())), places));
        let placement = Placement::dense(self.problem.in_channels(), terms.rows, 1, 1)?;
        let [input, summary] = [products, &matrix].map(|area| Place::Workspace(area.clone()));
        passes.push(self.pointwise(&placement, [input, summary, Place::GradInput], areas)?);
        Ok(())
    }

    /// A 1x1 convolution on planes of the input's size, from where its input and summary are to where its output is.
    fn pointwise(&self, placement: &Placement, places: [Place; 3], areas: &mut Areas) -> Result<Pass> {
        let [batch, _, height, width] = self.problem.input_shape();
        let conv = Conv2d { groups: self.terms.groups, ..Conv2d::default() };
        self.conv(&Problem::new(placement, conv, [batch, height, width])?, places, areas)
    }

    /// A convolution, from where its input and summary are to where its output is.
    fn conv(&self, problem: &Problem, places: [Place; 3], areas: &mut Areas) -> Result<Pass> {
        // Several of its tensors lie in the workspace. Dense filters would be packed otherwise.
        let options = PlanOptions::new().with_family(self.options.family).with_algorithm(Algorithm::Gather);
        let plan = Plan::new(problem, self.target, options.with_bind_read_write(true))?;
        let workspace = (plan.workspace_size() > 0).then(|| Place::Workspace(areas.bytes_of(plan.workspace_size())));
        let [input, summary, output] = places;
        Ok(Pass::Conv(Box::new(plan), ConvPlaces { input, summary, output, workspace }))
    }

    /// What bases contribute, and what the values of the summary do that they overlap on.
    fn summary(&self, products: &Range<u64>, areas: &mut Areas, passes: &mut Vec<Pass>) -> Result<()> {
        #[cfg(feature = "software")]
        if self.target.is_software() {
            let contributions = self.contributions_by_convolution(products, areas, passes)?;
            passes.push(self.overlap(contributions, 1));
            return Ok(());
        }
        let (contributions, splits) = self.contributions(products, areas, passes);
        passes.push(self.overlap(contributions, splits));
        Ok(())
    }

    /// Values of what bases contribute.
    fn contributed(&self) -> u64 {
        self.all_rows() * self.problem.placement().window().channels() as u64
    }

    /// What bases contribute, in splits: where they lie, and how many there are.
    fn contributions(&self, products: &Range<u64>, areas: &mut Areas, passes: &mut Vec<Pass>) -> (Range<u64>, usize) {
        let [batch, _, height, width] = self.problem.input_shape();
        let plane = height * width;
        let (kernel, uniform) = self.outer(plane, batch * plane);
        let splits = (batch * plane).div_ceil(uniform.span as usize);
        let contributions = areas.values(splits as u64 * self.contributed());
        let step = Step::new(kernel, &uniform, uniform.tiles.into(), self.limit());
        let places = vec![
            (Role::ProductsIn, Place::Workspace(products.clone())),
            (Role::Residual, Place::Input),
            (Role::Output, Place::Workspace(contributions.clone())),
        ];
        passes.push(Pass::Step(Box::new(step), places));
        (contributions, splits)
    }

    /// The same by a convolution of the transposed input, as kernels of software adapters are good at: channels are
    /// pixels, pixels channels, taps images, and its filters the rows of dP where they lie.
    #[cfg(feature = "software")]
    fn contributions_by_convolution(
        &self,
        products: &Range<u64>,
        areas: &mut Areas,
        passes: &mut Vec<Pass>,
    ) -> Result<Range<u64>> {
        let (groups, channels) = (self.terms.groups, self.problem.placement().window().channels());
        let [batch, in_channels, height, width] = self.problem.input_shape();
        let plane = height * width;
        let transposed = areas.values((batch * in_channels * plane) as u64);
        let threads = batch * in_channels * plane;
        let [images, group_count, of_group] = [batch, groups, channels].map(|size| size as u32);
        let uniform = transpose_pixels::Uniform {
            threads: threads as u32,
            images,
            groups: group_count,
            channels: of_group,
            plane: plane as u32,
        };
        let step = Step::of_threads(TransposePixels, &uniform, threads as u64, self.limit());
        let places = vec![(Role::Input, Place::Input), (Role::Output, Place::Workspace(transposed.clone()))];
        passes.push(Pass::Step(Box::new(step), places));

        let rows = self.all_rows() as usize;
        let images_apart = (0..batch).map(|image| (image * rows * plane) as i64).collect();
        let window = Window::new(plane, 1, batch, 1, images_apart)?;
        let starts = (0..rows).map(|row| (row * plane) as i64).collect();
        let starts = Starts::Line { length: batch * rows * plane, starts };
        let placement = Placement::new(window, starts, Boundary::None)?;
        let conv = Conv2d { dilation: [1, channels], groups, ..Conv2d::default() };
        let problem = Problem::new(&placement, conv, [1, 1, batch * channels])?;
        let contributions = areas.values(self.contributed());
        let [input, summary, output] = [&transposed, products, &contributions].map(|at| Place::Workspace(at.clone()));
        passes.push(self.conv(&problem, [input, summary, output], areas)?);
        Ok(contributions)
    }

    /// The values of the summary, each of which bases overlap on.
    fn overlap(&self, contributions: Range<u64>, splits: usize) -> Pass {
        let (terms, placement) = (self.terms, self.problem.placement());
        let uniform = overlap::Uniform {
            length: placement.length() as u32,
            groups: terms.groups as u32,
            rows: terms.rows as u32,
            channels: placement.window().channels() as u32,
            channel_stride: terms.channel_stride,
            counts_at: terms.counts_at as u32,
            splits: splits as u32,
            split_values: self.contributed() as u32,
            turns: terms.turns as u32,
            most_bases: terms.most_bases as u32,
        };
        let step = Step::of_threads(Overlap, &uniform, placement.length() as u64, self.limit());
        let places = vec![
            (Role::Input, Place::Workspace(contributions)),
            (Role::Table, Place::Table),
            (Role::Output, Place::GradSummary),
        ];
        Pass::Step(Box::new(step), places)
    }

    /// The tile and the splits of the product along the pixels that are expected to take least time.
    fn outer(&self, plane: usize, pixels: usize) -> (Outer, outer::Uniform) {
        let (terms, channels) = (self.terms, self.problem.placement().window().channels());
        let limits = &self.target.limits;
        let fits = |kernel: &Outer| {
            kernel.tile.threads() <= limits.max_compute_invocations_per_workgroup
                && Outer::bytes(kernel.tile) <= u64::from(limits.max_compute_workgroup_storage_size)
        };
        // Splits begin at whole quads, as planes do where quads are loaded together.
        let access = if plane.is_multiple_of(4) { Access::Vec4 } else { Access::Scalar };
        let kernels = Outer::TILES.map(|tile| Outer { tile, access });
        let cut = |kernel: Outer, span: usize| {
            let (rows, columns) = (kernel.tile.rows_per_tile(), kernel.tile.pixels_per_tile());
            let [row_tiles, column_tiles] = [terms.rows.div_ceil(rows), channels.div_ceil(columns)];
            let tiles = terms.groups * row_tiles * column_tiles * pixels.div_ceil(span);
            let uniform = outer::Uniform {
                tiles: tiles as u32,
                column_tiles: column_tiles as u32,
                row_tiles: row_tiles as u32,
                groups: terms.groups as u32,
                rows: terms.rows as u32,
                channels: channels as u32,
                plane: plane as u32,
                pixels: pixels as u32,
                span: span as u32,
            };
            (kernel, uniform)
        };
        let enough = self.target.hardware().processors as usize * WORKGROUPS_A_PROCESSOR;
        let cuts = kernels.into_iter().filter(fits).flat_map(|kernel| {
            let spans = std::iter::successors(Some(Outer::MOST_PIXELS), |span| Some(span / 2));
            let mut is_enough = false;
            let finer = spans.take_while(move |&span| {
                let stop = is_enough || span < LEAST_PIXELS;
                is_enough = cut(kernel, span).1.tiles as usize >= enough;
                !stop
            });
            finer.map(move |span| cut(kernel, span))
        });
        let seconds = |(kernel, uniform): &(Outer, outer::Uniform)| {
            let step = Step::new(*kernel, uniform, uniform.tiles.into(), self.limit());
            // Every split is written, and read once more.
            let splits = pixels.div_ceil(uniform.span as usize) as f64;
            let moved = 8.0 * splits * (self.all_rows() as f64 * channels as f64);
            step.predict(self.target, moved + 4.0 * pixels as f64 * (terms.rows + channels) as f64).seconds()
        };
        let best = cuts.min_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        // The smallest tile runs everywhere; where a device refuses even that, the check says so.
        best.unwrap_or_else(|| cut(kernels[kernels.len() - 1], Outer::MOST_PIXELS))
    }

    /// What every tap contributes, and from it the gradients of gains and positions.
    fn taps(&self, products: &Range<u64>, areas: &mut Areas, passes: &mut Vec<Pass>) -> Result<()> {
        let (terms, placement) = (self.terms, self.problem.placement());
        let window = Window::new(placement.window().channels(), 1, 1, terms.channel_stride.into(), vec![0])?;
        let starts = terms.bases.iter().map(|&base| base.into()).collect();
        // Bases that lie nowhere are beyond the end, also of a summary that no filter may leave.
        let bases = Placement::new(window, Starts::Line { length: placement.length(), starts }, placement.boundary())?;
        let product = Place::Workspace(products.clone());
        passes.push(self.pointwise(&bases, [Place::Input, Place::Summary, product.clone()], areas)?);

        let blended = terms.neighbours > 1;
        let sums = placement.filters() * terms.neighbours * placement.taps();
        let [batch, _, out_height, out_width] = self.problem.output_shape();
        let uniform = tap_sums::Uniform {
            conv: self.geometry(),
            sums: sums as u32,
            image_rows: (batch * out_height) as u32,
            rows: self.all_rows() as u32,
            tap_rows_at: terms.tap_rows_at as u32,
        };
        let own = TapSums::own(blended);
        let is_short = own.turns(&uniform) <= self.target.most_turns(own.unrolled());
        let alone = self.target.is_software() && is_short;
        let kernel = if alone { own } else { TapSums::shared(blended, out_width) };
        let step = Step::new(kernel, &uniform, (sums as u64).div_ceil(kernel.sums()), self.limit());
        let to = if blended { Place::Workspace(areas.values(sums as u64)) } else { Place::GradGains };
        let places = vec![
            (Role::Input, Place::GradOutput),
            (Role::Table, Place::Table),
            (Role::Output, to.clone()),
            (Role::Residual, product),
        ];
        passes.push(Pass::Step(Box::new(step), places));
        if !blended {
            return Ok(());
        }
        let of_positions = Ends::Positions { gains: self.has_gains() };
        let ends = [
            (self.wanted.gains, Ends::Gains, placement.gains(), Place::GradGains),
            (self.wanted.positions, of_positions, placement.filters(), Place::GradPositions),
        ];
        for (_, of, threads, output) in ends.into_iter().filter(|(wanted, ..)| *wanted) {
            let kernel = TapEnds { of };
            let (conv, fractions_at) = (self.geometry(), terms.fractions_at as u32);
            let uniform = tap_ends::Uniform { conv, threads: threads as u32, fractions_at };
            let step = Step::of_threads(kernel, &uniform, threads as u64, self.limit());
            let places = vec![(Role::Input, to.clone()), (Role::Table, Place::Table), (Role::Output, output)];
            let places = if of == of_positions { self.with_gains(places) } else { places };
            passes.push(Pass::Step(Box::new(step), places));
        }
        Ok(())
    }
}
