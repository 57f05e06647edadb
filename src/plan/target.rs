//! What a plan must know of a device, and what a device should be asked for. Nothing else asks whether it is a CPU.

use super::Family;
use super::hardware::{Hardware, Prediction};
use super::vendor::Vendor;
use crate::kernels::Work;
use crate::method::reduction::most_turns;

/// What a plan must know of a device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Target {
    /// The limits the device was opened with.
    pub limits: wgpu::Limits,
    /// The features the device was opened with.
    pub features: wgpu::Features,
    /// Whether the device is a CPU (lavapipe, SwiftShader, WARP): tiles and chunks then fit its caches.
    pub(crate) software: bool,
    /// Fewest invocations of a subgroup; 0 where [`wgpu::Features::SUBGROUP`] was not enabled.
    pub(crate) subgroup_min_size: u32,
    /// Most invocations of a subgroup; 0 where [`wgpu::Features::SUBGROUP`] was not enabled.
    pub(crate) subgroup_max_size: u32,
    /// Whether the device multiplies 16x16 by 16x16 matrices of f16 into f32 and was opened with
    /// [`wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX`]. A device cannot tell: see [`Target::with_matrices`].
    pub(crate) matrix_16x16x16: bool,
    /// What it can do. wgpu cannot tell: it is looked up by the adapter's name, or else guessed by the kind of device,
    /// and who knows better may set it.
    pub(crate) hardware: Hardware,
    /// Who made it.
    pub(crate) vendor: Vendor,
    /// Whether shaders carry checks, which keep drivers from unrolling loops.
    pub(crate) checked: bool,
}

impl Target {
    /// The target that an open device is. Cooperative matrices only its adapter knows: [`Target::with_matrices`].
    pub fn of(device: &wgpu::Device) -> Self {
        Self::with(device.limits(), device.features(), &device.adapter_info())
    }

    /// The target that a device on `adapter` would be, opened with [`required_features`] and [`required_limits`].
    pub fn of_adapter(adapter: &wgpu::Adapter) -> Self {
        let limits = required_limits(&adapter.limits());
        Self::with(limits, required_features(adapter.features()), &adapter.get_info())
    }

    /// Takes note of the adapter's cooperative matrices ([`wgpu::Adapter::cooperative_matrix_properties`]).
    #[must_use]
    pub fn with_matrices(mut self, properties: &[wgpu::CooperativeMatrixProperties]) -> Self {
        use wgpu::CooperativeScalarType::{F16, F32};
        let listed = properties.iter().any(|matrix| {
            let sizes = [matrix.m_size, matrix.n_size, matrix.k_size];
            sizes == [16; 3] && matrix.ab_type == F16 && matrix.cr_type == F32
        });
        let enabled = self.features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
        self.matrix_16x16x16 = listed && enabled;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: wgpu::Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with other features.
    #[must_use]
    pub fn with_features(self, features: wgpu::Features) -> Self {
        Self { features, ..self }
    }

    /// Whether it is a CPU (lavapipe, SwiftShader, WARP), or a GPU: they have kernel families of their own.
    #[must_use]
    pub fn with_software(self, software: bool) -> Self {
        Self { software, ..self }
    }

    /// Whether it is a CPU.
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// Fewest and most invocations of a subgroup; 0 where [`wgpu::Features::SUBGROUP`] was not enabled.
    pub fn subgroup_sizes(&self) -> [u32; 2] {
        [self.subgroup_min_size, self.subgroup_max_size]
    }

    /// Fewest and most invocations of a subgroup, for kernels on subgroups; they count with
    /// [`wgpu::Features::SUBGROUP`] only. For planning where there is no device: one that reports other sizes refuses
    /// layers with such kernels.
    #[must_use]
    pub fn with_subgroup_sizes(self, least: u32, most: u32) -> Self {
        Self { subgroup_min_size: least, subgroup_max_size: most, ..self }
    }

    /// How many processors (multiprocessors, compute units, cores) plans reckon with, where the guess by the kind of
    /// device is wrong.
    #[must_use]
    pub fn with_processors(self, processors: u32) -> Self {
        Self { hardware: Hardware { processors, ..self.hardware }, ..self }
    }

    /// What the device can do, as far as plans reckon with it: by the adapter's name where it is listed
    /// ([`Hardware::named`]), else a guess.
    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// The same with other hardware, for those who know better.
    #[must_use]
    pub fn with_hardware(self, hardware: Hardware) -> Self {
        Self { hardware, ..self }
    }

    /// Who made the device, by PCI as in [`wgpu::AdapterInfo::vendor`], where there is no adapter to ask. Compilers
    /// hold differently many sums in registers; plans choose tiles by that.
    #[must_use]
    pub fn with_vendor(self, id: u32) -> Self {
        Self { vendor: Vendor::of_id(id).unwrap_or_default(), ..self }
    }

    /// Whether kernels are compiled with checks ([`ShaderChecks::Checked`](crate::ShaderChecks::Checked)). Drivers then
    /// unroll few loops, and one of them ends an invocation's after 65,535 turns: sums of some thousand products are
    /// cut into shorter parts. Layers with checks refuse plans for less; networks and the tuner see to it themselves.
    #[must_use]
    pub fn with_checked_shaders(self, checked: bool) -> Self {
        Self { checked, ..self }
    }

    /// Whether the device multiplies 16x16 by 16x16 matrices of f16 into f32, where there is no adapter to ask
    /// ([`Target::with_matrices`]).
    #[must_use]
    pub fn with_matrix_16x16x16(self, matrix_16x16x16: bool) -> Self {
        Self { matrix_16x16x16, ..self }
    }

    /// The least any WebGPU device offers.
    pub fn portable() -> Self {
        Self {
            limits: wgpu::Limits::default(),
            features: wgpu::Features::empty(),
            software: false,
            subgroup_min_size: 0,
            subgroup_max_size: 0,
            matrix_16x16x16: false,
            hardware: Hardware::guess(wgpu::DeviceType::Other),
            vendor: Vendor::Other,
            checked: false,
        }
    }

    /// How long `workgroups` of so many `threads` are expected to take that do `work` each, and move `bytes` through
    /// memory.
    pub(super) fn predict(&self, work: &Work, threads: u32, workgroups: u64, bytes: f64) -> Prediction {
        self.hardware.predict(self.vendor, work, threads, workgroups, bytes)
    }

    /// The families to try, best first; the floor is always the last.
    pub(super) fn families(&self) -> &'static [Family] {
        if self.software { &[Family::Software, Family::Portable] } else { GPU_FAMILIES }
    }

    /// Bytes of products that stay in cache between the passes: the last level of a CPU, the L2 of a large GPU.
    pub(super) fn cached_bytes(&self) -> u64 {
        if self.software { 4 << 20 } else { 32 << 20 }
    }

    /// Rows a thread of portable gather kernels keeps, and threads of a workgroup. On a CPU every load is a loop over
    /// lanes, so that more rows a thread pay, and small workgroups cost nothing; on a GPU registers are scarcer, and a
    /// workgroup should fill its warps.
    pub(super) fn gather_tile(&self) -> [u32; 2] {
        if self.software { [16, 8] } else { [8, 64] }
    }

    /// Most sums of f32 that a thread can keep while tiles are multiplied: with more, the compiler puts some of them,
    /// or of what is needed beside them, into memory.
    pub(crate) fn most_sums(&self) -> u32 {
        self.vendor.most_sums()
    }

    /// Whether products are added up in fewer instructions where quads of them are loaded at once.
    pub(super) fn has_fast_quads(&self) -> bool {
        self.vendor != Vendor::Apple
    }

    /// The same for an implicit GEMM, with what is loaded meanwhile: columns `in_quads` or pixel by pixel.
    pub(super) fn most_values_of_gemm(&self, in_quads: bool) -> u32 {
        self.vendor.most_values_of_gemm(in_quads)
    }

    /// Most turns of a kernel's loops but for those that are unrolled, with so many turns of the latter in each.
    pub(super) fn most_turns(&self, unrolled: u64) -> u64 {
        most_turns(self.checked, unrolled)
    }

    /// Whether a thread of an accumulation walks a whole column: on a CPU its indices cost as much as ten rows;
    /// a GPU wants threads.
    pub(super) fn walks_columns(&self) -> bool {
        self.software
    }

    /// Whether quads of f32 are better moved as two words of 64 bits: software adapters load and store word by word.
    #[cfg(feature = "software")]
    pub(super) fn moves_words(&self) -> bool {
        self.software && self.features.contains(wgpu::Features::SHADER_INT64)
    }

    fn with(limits: wgpu::Limits, features: wgpu::Features, info: &wgpu::AdapterInfo) -> Self {
        // Adapters report sizes whether or not shaders may use subgroups.
        let subgroups = u32::from(features.contains(wgpu::Features::SUBGROUP));
        Self {
            limits,
            features,
            software: info.device_type == wgpu::DeviceType::Cpu,
            subgroup_min_size: subgroups * info.subgroup_min_size,
            subgroup_max_size: subgroups * info.subgroup_max_size,
            matrix_16x16x16: false,
            hardware: Hardware::named(&info.name).unwrap_or_else(|| Hardware::guess(info.device_type)),
            vendor: Vendor::of(info),
            checked: false,
        }
    }
}

/// What suits GPUs, the best first.
const GPU_FAMILIES: &[Family] = &[Family::Matrix, Family::Tiled, Family::Portable];

/// Features worth requesting, of those the adapter has; none is required: timestamps, to measure with, and what the
/// faster kernel families are built on (64-bit words are for software adapters alone).
///
/// None of them is experimental, whatever features this crate is compiled with: a device can be requested with them and
/// without [`wgpu::ExperimentalFeatures::enabled`]. Whoever has that token, and wants the kernel family `matrix`, adds
/// [`wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX`].
pub fn required_features(adapter: wgpu::Features) -> wgpu::Features {
    let kernels = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::SHADER_INT64;
    adapter & (wgpu::Features::TIMESTAMP_QUERY | kernels)
}

/// Limits worth requesting: WebGPU's defaults, with the adapter's own sizes of buffers, bindings and workgroups.
///
/// The least that the kernels of a family run with, beside buffers as large as the tensors are. With more they have
/// larger tiles; plans choose among what runs.
///
/// | family | storage buffers | threads | bytes of workgroup memory |
/// | --- | --- | --- | --- |
/// | [`Family::Portable`] | 4; 5 with a residual, but for shared | 64 | 14,336 if shared or fused |
/// | the one for software adapters | as many | 64 | 0 |
/// | [`Family::Tiled`] | as many | 64 | 4,096; 14,336 if fused |
/// | [`Family::Matrix`] | as many | 64; 128 with subgroups of 64 | 13,824 |
pub fn required_limits(adapter: &wgpu::Limits) -> wgpu::Limits {
    let wanted = wgpu::Limits {
        max_buffer_size: adapter.max_buffer_size,
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size,
        max_compute_workgroup_storage_size: adapter.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: adapter.max_compute_invocations_per_workgroup,
        ..wgpu::Limits::default()
    };
    wanted.or_worse_values_from(adapter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::algorithm::Algorithm;
    use crate::method::storage::Storage;
    use crate::plan::{Family, Plan, PlanOptions};
    use crate::{Conv2d, Placement, Problem};

    /// The table of [`required_limits`].
    #[test]
    fn families_need_no_more_than_is_said() {
        let target = |software, size| Target {
            features: wgpu::Features::all(),
            software,
            subgroup_min_size: size,
            subgroup_max_size: size,
            matrix_16x16x16: true,
            ..Target::portable()
        };
        let targets = [target(true, 8), target(false, 32)];
        for &family in Family::ALL {
            let (threads, memory) = match family {
                Family::Portable => (64, 14_336),
                Family::Tiled => (64, 4_096),
                Family::Matrix => (64, 13_824),
                Family::Software => (64, 0),
            };
            for (&algorithm, residual) in
                Algorithm::ALL.iter().flat_map(|algorithm| [(algorithm, false), (algorithm, true)])
            {
                let buffers = if residual && algorithm != Algorithm::Shared { 5 } else { 4 };
                let limits = wgpu::Limits {
                    max_storage_buffers_per_shader_stage: buffers,
                    max_compute_invocations_per_workgroup: threads,
                    max_compute_workgroup_storage_size: memory,
                    ..wgpu::Limits::default()
                };
                let least = targets.clone().map(|target| Target { limits: limits.clone(), ..target });
                let least = least.iter().find(|target| family.runs_on(target)).unwrap();
                // Its least is the portable family's.
                if algorithm == Algorithm::Fused && family != Family::Portable {
                    continue;
                }
                for (channels, size) in [(16, 8), (64, 14), (256, 14), (512, 28)] {
                    let placement = Placement::tap_major(channels, channels, 3, 3, channels).unwrap();
                    let problem = Problem::new(&placement, Conv2d::padded(1), [4, size, size]).unwrap();
                    let problem = if residual { problem.with_residual() } else { problem };
                    let storage = if family.computes(Storage::F32) { Storage::F32 } else { Storage::F16 };
                    let options = PlanOptions::new().with_family(family).with_algorithm(algorithm);
                    Plan::new(&problem, least, options.with_storage(storage)).unwrap();
                }
            }
        }
    }

    /// Devices may bind more than kernels count with 32 bits.
    #[test]
    fn indices_beyond_32_bits_are_refused() {
        let mut target = Target::portable();
        (target.limits.max_storage_buffer_binding_size, target.limits.max_buffer_size) = (1 << 40, 1 << 40);
        // 2^32 dense weights of a summary of 131,071.
        let placement = Placement::tap_major(1 << 16, 1 << 16, 1, 1, 1).unwrap();
        let problem = Problem::new(&placement, Conv2d::default(), [1, 1, 2]).unwrap();
        let error = Plan::new(&problem, &target, PlanOptions::new().with_algorithm(Algorithm::Dense)).unwrap_err();
        assert!(error.to_string().contains("indices of Summary exceed 32 bits"), "{error}");
        // 72 bases by 2^26 pixels: too many in one image, and taken image by image where there are four.
        let placement = Placement::tap_major(64, 1, 3, 3, 1).unwrap();
        let strided = Conv2d { stride: [4, 4], ..Conv2d::padded(1) };
        let options = PlanOptions::new().with_algorithm(Algorithm::Shared).with_family(Family::Tiled);
        let options = options.with_workspace_limit(u64::MAX);
        let plan = |size| Plan::new(&Problem::new(&placement, strided, size).unwrap(), &target, options);
        let error = plan([1, 8192, 8192]).unwrap_err();
        assert!(error.to_string().contains("exceed 32 bits"), "{error}");
        assert!(plan([4, 4096, 4096]).unwrap().workspace_size() / 4 <= u64::from(u32::MAX));
    }

    /// A residual costs gather its fifth buffer; shared products need none.
    #[test]
    fn on_four_storage_buffers_the_choice_is_what_runs() {
        let mut target = Target::portable();
        target.limits.max_storage_buffers_per_shader_stage = 4;
        // Products of every pixel, of which an output needs one in nine: gather would be chosen.
        let placement = Placement::tap_major(16, 16, 3, 3, 16).unwrap();
        let strided = Conv2d { stride: [3, 3], ..Conv2d::padded(1) };
        let problem = Problem::new(&placement, strided, [1, 15, 15]).unwrap().with_residual();
        let chosen = |target: &Target| Plan::new(&problem, target, PlanOptions::new()).map(|plan| plan.algorithm());
        assert_ne!(chosen(&Target::portable()), Ok(Algorithm::Shared));
        assert_eq!(chosen(&target), Ok(Algorithm::Shared));
    }

    #[test]
    fn experimental_features_are_never_required() {
        let requested = required_features(wgpu::Features::all());
        assert!(requested.contains(wgpu::Features::SUBGROUP));
        assert!(!requested.intersects(wgpu::Features::all_experimental_mask()), "{requested:?}");
    }
}
