//! What a stage needs to know of the network around it, to say what it dispatches.

use super::Source;
use super::layout::{Destination, Layout, Owner, Wiring};
use crate::error::{Error, Result};
use crate::kernels::Kernel;
use crate::method::window::INDEX_LIMIT;
use crate::plan::{PlanOptions, Step, Target};

/// Where values lie, for which device, and for how many inputs.
pub(crate) struct Context<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) target: &'a Target,
    pub(crate) batch: usize,
    pub(crate) options: PlanOptions,
}

impl Context<'_> {
    /// Where a value is that a node reads.
    pub(crate) fn view(&self, source: Source) -> Destination {
        self.layout.view(source)
    }

    pub(crate) fn owner(&self, source: Source) -> Owner {
        self.view(source).owner
    }

    /// Threads of kernels that give one to each quad of a channel's pixels.
    pub(crate) fn quads(&self, wiring: &Wiring) -> Result<u64> {
        let plane = wiring.shape[1] * wiring.shape[2];
        Ok((self.elements(wiring.shape)? / plane * plane.div_ceil(4)) as u64)
    }

    /// A dispatch, after a check that the tensors it reads and writes can be bound.
    pub(crate) fn dispatch<K: Kernel>(
        &self,
        kernel: K,
        uniform: &K::Uniform,
        threads: u64,
        wiring: &Wiring,
        to: Destination,
    ) -> Result<Step> {
        let limit = self.target.limits.max_compute_workgroups_per_dimension;
        let step = Step::of_threads(kernel, uniform, threads, limit);
        let kernel = step.description.kernel();
        for owner in wiring.inputs.iter().map(|&source| self.owner(source)).chain([to.owner]) {
            let bytes = 4 * self.elements(self.layout.shape_of(owner))? as u64;
            self.check_bytes(&format!("a tensor of {kernel}"), bytes)?;
        }
        step.check_turns(self.target)?;
        Ok(step)
    }

    /// Checks that a buffer of `bytes` can be bound.
    pub(crate) fn check_bytes(&self, what: &str, bytes: u64) -> Result<()> {
        let limits = &self.target.limits;
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if bytes <= limit {
            return Ok(());
        }
        let limit_name = "max_storage_buffer_binding_size";
        Err(Error::Limit { field: format!("bytes of {what}"), value: bytes, limit_name, limit })
    }

    /// Elements of a batch of values.
    pub(crate) fn elements(&self, shape: [usize; 3]) -> Result<usize> {
        let elements = shape.iter().try_fold(self.batch, |product, &size| product.checked_mul(size));
        elements.filter(|&elements| elements <= INDEX_LIMIT).ok_or_else(|| {
            let rule = format!("a tensor must have at most {} elements", INDEX_LIMIT);
            Error::value("batch of activations", format!("{} x {shape:?}", self.batch), rule)
        })
    }
}

/// Sizes and counts of tensors are below 2^31, as networks check when they are built or planned.
pub(crate) fn word(size: usize) -> u32 {
    size as u32
}
