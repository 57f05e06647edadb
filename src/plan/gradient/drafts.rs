//! The passes of gradients, in their order, over some images at a time.

use std::ops::Range;

use super::areas::Areas;
use super::pass::{ConvPlaces, Pass, Place};
use super::terms::Terms;
use crate::error::Result;
use crate::kernels::gradient::spread::{self, Spread};
use crate::kernels::{Access, Geometry, Role};
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::method::wanted::Wanted;
use crate::method::window::{INDEX_LIMIT, TAP_LIMIT};
use crate::plan::{Plan, PlanOptions, Step, Target};

/// What passes are made of.
pub(super) struct Drafts<'a> {
    pub(super) problem: &'a Problem,
    pub(super) wanted: Wanted,
    pub(super) target: &'a Target,
    pub(super) options: PlanOptions,
    pub(super) terms: &'a Terms,
}

/// Some of the images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) index: usize,
    pub(super) first_image: usize,
    pub(super) images: usize,
}

impl Drafts<'_> {
    /// The passes, over `size` images at a time.
    pub(super) fn passes(&self, size: usize, areas: &mut Areas) -> Result<Vec<Pass>> {
        let Wanted { input, summary, gains, positions } = self.wanted;
        let batch = self.problem.batch();
        let chunk = |index: usize| {
            let first_image = index * size;
            Chunk { index, first_image, images: size.min(batch - first_image) }
        };
        let chunks: Vec<Chunk> = (0..batch.div_ceil(size)).map(chunk).collect();
        // Products, and later what they contribute to the loss: as many values, one after the other.
        let products = areas.values(self.all_rows() * (size * self.plane()) as u64);
        let matrix = input.then(|| areas.values(self.problem.placement().window().channels() as u64 * self.all_rows()));
        let contributions = summary.then(|| self.contributions(size, areas));
        let taps = (gains || positions).then(|| self.tap_sums(chunks.len(), areas));
        let mut passes = Vec::new();
        passes.extend(matrix.as_ref().map(|matrix| self.transpose(matrix)));
        for chunk in chunks {
            if let Some(sums) = &taps {
                self.taps(chunk, &products, sums, &mut passes)?;
            }
            if input || summary {
                passes.push(self.spread(chunk, &products));
            }
            if let Some(matrix) = &matrix {
                passes.push(self.input(chunk, &products, matrix)?);
            }
            if let Some(contributions) = &contributions {
                self.contribute(chunk, &products, contributions, &mut passes)?;
            }
        }
        if let Some(sums) = &taps {
            self.ends(sums, &mut passes);
        }
        Ok(in_one_workspace(passes, areas))
    }

    /// How many images may be computed at a time, the most first: the whole batch, then halves, where the tensors of
    /// every chunk begin where bindings may.
    pub(super) fn chunks(&self) -> Vec<usize> {
        let batch = self.problem.batch();
        let together = self.together();
        // Products are a tensor, of a convolution too.
        let most = INDEX_LIMIT / (self.all_rows() as usize * self.plane()).max(1);
        let most = if self.target.is_software() { most.min(TAP_LIMIT) } else { most };
        let whole = (batch <= most).then_some(batch);
        let halves = std::iter::successors(Some(batch.min(most)), |&images| (images > 1).then_some(images / 2));
        let mut chunks: Vec<usize> = halves.map(|images| images / together * together).collect();
        chunks.push(together);
        chunks.retain(|&images| 0 < images && images < batch && images <= most);
        chunks.dedup();
        whole.into_iter().chain(chunks).collect()
    }

    /// Fewest images that chunks are multiples of.
    fn together(&self) -> usize {
        let Wanted { input, gains, positions, .. } = self.wanted;
        if !(input || gains || positions) {
            // Nothing of the caller's is bound from within.
            return 1;
        }
        let alignment = (self.target.limits.min_storage_buffer_offset_alignment as usize / 4).max(1);
        let image = self.problem.in_channels() * self.plane();
        (1..=alignment).find(|images| (images * image).is_multiple_of(alignment)).unwrap_or(alignment)
    }

    /// Rows of all groups.
    pub(super) fn all_rows(&self) -> u64 {
        (self.terms.groups * self.terms.rows) as u64
    }

    /// Pixels of the input.
    pub(super) fn plane(&self) -> usize {
        let [_, _, height, width] = self.problem.input_shape();
        height * width
    }

    pub(super) fn geometry(&self) -> Geometry {
        Geometry::of(self.problem, self.terms.channel_stride)
    }

    pub(super) fn limit(&self) -> u32 {
        self.target.limits.max_compute_workgroups_per_dimension
    }

    pub(super) fn has_gains(&self) -> bool {
        self.problem.placement().has_gains()
    }

    /// Adds the gains where they are there.
    pub(super) fn with_gains(&self, mut places: Vec<(Role, Place)>) -> Vec<(Role, Place)> {
        places.extend(self.has_gains().then_some((Role::Gains, Place::Gains)));
        places
    }

    fn spread(&self, chunk: Chunk, products: &Range<u64>) -> Pass {
        let (conv, terms) = (self.problem.conv(), self.terms);
        let [_, _, height, width] = self.problem.input_shape();
        let [_, _, out_height, out_width] = self.problem.output_shape();
        let row_quads = width.div_ceil(4);
        let threads = (row_quads * height * chunk.images) as u64 * self.all_rows();
        let kernel = Spread {
            blended: terms.neighbours > 1,
            gains: self.has_gains(),
            strided: conv.stride != [1, 1],
            output: Access::for_lengths(&[width], false),
        };
        let uniform = spread::Uniform {
            conv: self.geometry().at_image(chunk.first_image),
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

    /// A 1x1 convolution of some images.
    pub(super) fn pointwise(&self, chunk: Chunk, placement: &Placement, places: ConvPlaces) -> Result<Pass> {
        let [_, _, height, width] = self.problem.input_shape();
        let conv = Conv2d { groups: self.terms.groups, ..Conv2d::default() };
        self.conv(&Problem::new(placement, conv, [chunk.images, height, width])?, places)
    }

    /// A convolution.
    pub(super) fn conv(&self, problem: &Problem, places: ConvPlaces) -> Result<Pass> {
        // Several of its tensors lie in the workspace. Dense filters would be packed otherwise.
        let options = PlanOptions::new().with_family(self.options.family).with_algorithm(Algorithm::Gather);
        let plan = Plan::new(problem, self.target, options.with_bind_read_write(true))?;
        Ok(Pass::Conv(Box::new(plan), places))
    }

    /// Bytes before a chunk's images of the input.
    pub(super) fn bytes_before(&self, chunk: Chunk) -> u64 {
        4 * (chunk.first_image * self.problem.in_channels() * self.plane()) as u64
    }
}

/// The same with one workspace for all convolutions that need some, as they run one after another.
fn in_one_workspace(mut passes: Vec<Pass>, areas: &mut Areas) -> Vec<Pass> {
    let size = |pass: &Pass| if let Pass::Conv(plan, _) = pass { plan.workspace_size() } else { 0 };
    let most = passes.iter().map(size).max().unwrap_or(0);
    if most > 0 {
        let workspace = areas.bytes_of(most);
        for pass in &mut passes {
            if let Pass::Conv(plan, places) = pass {
                places.workspace = (plan.workspace_size() > 0).then(|| Place::Workspace(workspace.clone()));
            }
        }
    }
    passes
}
