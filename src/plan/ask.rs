//! What a family's planner is asked for: a problem on a device, with what the caller has decided.

use super::{PlanOptions, Target};
use crate::kernels::{Access, Affine, End, Filters, Gains, Tensor, WeightLoad, Weights};
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::storage::Storage;

/// A problem, or a part of its sums, to plan with one family's kernels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) problem: &'a Problem,
    pub(super) target: &'a Target,
    pub(super) options: PlanOptions,
    /// Runs of f32 are moved as words of 64 bits.
    pub(super) words: bool,
    /// The sum of earlier parts is added; it is f32 whatever tensors are.
    pub(super) has_addend: bool,
    /// Later parts add to the sum, which stays f32.
    pub(super) is_addend: bool,
}

impl Ask<'_> {
    pub(super) fn storage(&self) -> Storage {
        self.options.storage
    }

    /// Most workgroups a dimension.
    pub(super) fn most_workgroups(&self) -> u32 {
        self.target.limits.max_compute_workgroups_per_dimension
    }

    /// How runs of values are moved that begin and end at sums of multiples of `lengths`.
    pub(super) fn access(&self, lengths: &[usize]) -> Access {
        Access::for_lengths(lengths, self.words)
    }

    /// Whether the caller, or else the device's cache, leaves room for so many bytes of products.
    pub(super) fn allows_workspace(&self, bytes: u64) -> bool {
        let limits = &self.target.limits;
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        // Kernels count values with 32 bits.
        let most = most.min(4 * u64::from(u32::MAX));
        bytes <= self.options.workspace_limit.unwrap_or(self.target.cached_bytes()).min(most)
    }

    /// Bytes of input, weights and output.
    pub(super) fn tensor_bytes(&self) -> [u64; 3] {
        let count = |shape: [usize; 4]| shape.iter().map(|&size| size as u64).product::<u64>();
        let (tensors, weights) = (self.storage().tensors().bytes(), self.storage().weights().bytes());
        let values = self.problem.placement().length() as u64;
        [tensors * count(self.problem.input_shape()), weights * values, tensors * count(self.problem.output_shape())]
    }

    /// The input, moved so.
    pub(super) fn input(&self, access: Access) -> Tensor {
        Tensor { access, half: self.storage().has_f16_tensors() }
    }

    /// What finishes outputs that are stored so.
    pub(super) fn end(&self, access: Access) -> End {
        let halves = self.storage().has_f16_tensors();
        let residual = Tensor { access, half: halves && !self.has_addend };
        End {
            output: Tensor { access, half: halves && !self.is_addend },
            residual: self.problem.residual().then_some(residual),
            activation: self.problem.activation().into(),
            // The bias is added with the first part of a sum.
            affine: Affine {
                scale_is_lent: self.options.lent.scale,
                bias_is_lent: self.options.lent.bias && !self.has_addend,
            },
        }
    }

    /// Weights that are loaded so.
    pub(super) fn weights(&self, load: WeightLoad) -> Weights {
        Weights::new(load, self.storage().weights(), self.words)
    }

    /// Weights as the summary lets kernels load them.
    pub(super) fn summary_weights(&self) -> Weights {
        self.weights(weight_load(self.problem))
    }

    /// What filters are made of.
    pub(super) fn filters(&self) -> Filters {
        let gains = match (self.problem.placement().has_gains(), self.options.lent.gains) {
            (false, _) => Gains::None,
            (true, false) => Gains::Own,
            (true, true) => Gains::Lent,
        };
        Filters { blended: self.problem.bases().neighbours > 1, gains }
    }
}

/// How kernels may load a layer's weights from the summary.
pub(super) fn weight_load(problem: &Problem) -> WeightLoad {
    let bases = problem.bases();
    load_of(problem.placement(), bases.channel_stride, &bases.of_tap)
}

/// The same for channels from some `bases` on.
pub(super) fn load_of(placement: &Placement, channel_stride: i32, bases: &[i32]) -> WeightLoad {
    let channels = placement.window().channels();
    let aligned = channel_stride == 1 && channels.is_multiple_of(4) && bases.iter().all(|base| base % 4 == 0);
    match placement.boundary() {
        Boundary::None if aligned => WeightLoad::Vec4,
        boundary => WeightLoad::Scalar(boundary),
    }
}

/// Whether `base + channel * channel_stride`, which kernels compute with 32 bits, can overflow.
pub(super) fn overflows(problem: &Problem) -> bool {
    let last_channel = problem.placement().window().channels() as u64 - 1;
    // Other boundaries have no index beyond a window's reach, which fits. A wrapped stride may be a negative one plus
    // L.
    let stride = u64::try_from(problem.bases().channel_stride).unwrap_or(0);
    problem.placement().boundary() == Boundary::Wrap
        && problem.placement().length() as u64 + last_channel * stride > u64::from(u32::MAX)
}

/// Whether dense filters would need weights that the summary's storage does not hold: blends, or products with gains;
/// and where it has levels, the zeros outside the summary.
pub(super) fn widens(problem: &Problem, weights: Precision) -> bool {
    let placement = problem.placement();
    let made = problem.bases().neighbours > 1 || placement.has_gains();
    match weights {
        Precision::F32 => false,
        Precision::F16 => made,
        Precision::U8 => made || placement.boundary() == Boundary::Zero,
    }
}

/// What the table holds before the scales: how far every filter lies between its two segments, as the bits of f32.
/// Empty where filters are no blends.
pub(super) fn fractions(problem: &Problem) -> impl Iterator<Item = u32> {
    let filters = if problem.bases().neighbours > 1 { problem.out_channels() } else { 0 };
    (0..filters).map(|filter| problem.placement().fraction(filter).to_bits())
}
