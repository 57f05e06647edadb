//! Shared products, for all families: the two passes, over as many images at a time as the workspace holds.

use std::ops::Range;

use super::ask::Ask;
use super::cost::{Costs, Work};
use super::draft::Draft;
use super::tables::{Stored, Tables};
use super::{PlanOptions, Step, Target};
use crate::error::{Error, Result};

/// A family's product pass for one problem. It stores products, or their sums over kernel rows, as
/// `[slots, images, H, pitch]`.
pub(super) trait Products {
    /// What is stored.
    fn stored(&self) -> Stored;

    /// Multiply-adds for a batch, what tiles do too much included.
    fn multiply_adds(&self, ask: &Ask<'_>) -> f64;

    /// Levels of Hankel products.
    fn hankel_levels(&self) -> u32 {
        0
    }

    /// The dispatch for some of the images.
    ///
    /// # Errors
    /// Where the family's kernels cannot compute them.
    fn step(&self, pass: &Pass<'_>) -> Result<Step>;

    /// The accumulation that follows it.
    fn accumulate(&self, pass: &Pass<'_>) -> Step;
}

/// What a product pass works on: some of a batch's images.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) first_image: usize,
    pub(super) images: usize,
    pub(super) stored: Stored,
    pub(super) tables: &'a Tables,
}

impl Pass<'_> {
    /// Which of the batch.
    pub(super) fn images(&self) -> Range<usize> {
        self.first_image..self.first_image + self.images
    }
}

/// The two passes of a family's products.
pub(super) fn draft(ask: Ask<'_>, products: &dyn Products, costs: Option<Costs>) -> Result<Draft> {
    let (problem, stored) = (ask.problem, products.stored());
    let tables = Tables::new(problem, stored);
    let [batch, _, height, _] = problem.input_shape();
    let image_bytes = 4 * (stored.splits * tables.slots) as u64 * height as u64 * stored.pitch as u64;
    let chunk = images_a_chunk(image_bytes, ask.target, ask.options)?.min(batch as u64) as usize;
    let mut steps = Vec::new();
    for first_image in (0..batch).step_by(chunk) {
        let pass = Pass { ask, first_image, images: chunk.min(batch - first_image), stored, tables: &tables };
        steps.push(products.step(&pass)?);
        steps.push(products.accumulate(&pass));
    }
    let terms = problem.bases().neighbours * problem.placement().window().taps() / stored.row_taps;
    let [kinds, apart] = [stored.tap_rows.kinds(), stored.tap_rows.apart()].map(u64::from);
    // Those that no filter reads are not stored, but few.
    let sums = problem.sharing().bases() as u64 * kinds / apart;
    let work = Work {
        multiply_adds: products.multiply_adds(&ask),
        stored: sums * (batch * height * stored.columns) as u64,
        row_taps: stored.row_taps,
        outputs: problem.outputs(),
        terms,
    };
    Ok(Draft {
        storage: ask.storage(),
        steps,
        workspace: image_bytes * chunk as u64,
        hankel_levels: products.hankel_levels(),
        terms,
        cost: costs.map(|costs| costs.of_shared(&work)),
        table: tables.words,
        stage: tables.stage,
    })
}

fn images_a_chunk(image_bytes: u64, target: &Target, options: PlanOptions) -> Result<u64> {
    let default = target.cached_bytes();
    let hard = target.limits.max_storage_buffer_binding_size.min(target.limits.max_buffer_size);
    if image_bytes > hard {
        return Err(Error::Limit {
            field: "bytes of products of one image".to_owned(),
            value: image_bytes,
            limit_name: "max_storage_buffer_binding_size",
            limit: hard,
        });
    }
    // Kernels count the products of a chunk with 32 bits.
    let most = hard.min(4 * u64::from(u32::MAX));
    Ok((options.workspace_limit.unwrap_or(default).min(most) / image_bytes).max(1))
}
