//! What a device must grant for a plan to run: checked before anything is dispatched.

use super::{Operand, Plan, Step, Target};
use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::method::problem::Problem;

/// What kernels need whose lanes work together.
const OF_SUBGROUPS: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);

impl Plan {
    /// Checks every dispatch against a device's limits, features and subgroups, and against what one invocation may
    /// loop.
    pub(crate) fn check(&self, device: &Target) -> Result<()> {
        self.check_steps(device).map_err(|error| of_layer(&self.problem, error))
    }

    fn check_steps(&self, device: &Target) -> Result<()> {
        let bound = |step: &Step, role: Role| {
            let bytes = match step.operand(role) {
                Operand::Tensor(_) | Operand::Summary => self.size_of(role),
                Operand::Table(bytes) | Operand::Workspace(bytes) => bytes.end - bytes.start,
            };
            (bytes, if role == Role::Summary { self.storage.weights().bytes() } else { 4 })
        };
        self.steps.iter().try_for_each(|step| check_step(step, &self.target, device, |role| bound(step, role)))?;
        let limits = &device.limits;
        // Several parts' tables, and sums beside products, are ranges of one buffer.
        at_most("bytes of tables", self.table_bytes(), "max_buffer_size", limits.max_buffer_size)?;
        at_most("bytes of workspace", self.workspace, "max_buffer_size", limits.max_buffer_size)
    }
}

/// Checks a dispatch that was planned for one device against another; `bound` says how many bytes are bound for a role,
/// and of how many bytes a value is.
pub(super) fn check_step(
    step: &Step,
    planned: &Target,
    device: &Target,
    bound: impl Fn(Role) -> (u64, u64),
) -> Result<()> {
    let limits = &device.limits;
    let (label, description) = (step.description.label(), &step.description);
    let unsupported = |reason| Err(Error::Unsupported { kernel: description.kernel(), reason });
    let missing = description.needs().difference(device.features);
    if !missing.is_empty() {
        return unsupported(format!("the device was opened without {missing:?}"));
    }
    // Such kernels are made for subgroups of one size; in others they would compute something else.
    let (own_sizes, sizes) = (planned.subgroup_sizes(), device.subgroup_sizes());
    if description.needs().intersects(OF_SUBGROUPS) && sizes != own_sizes {
        let [own_sizes, sizes] = [own_sizes, sizes].map(|[least, most]| format!("{least} to {most}"));
        return unsupported(format!("it was planned for subgroups of {own_sizes} lanes, the device has {sizes}"));
    }
    if !step.ends_on(device) {
        let (turns, most) = (step.turns, device.most_turns(step.unrolled));
        let loops = format!("its loops would turn {turns} times an invocation, and may {most} times");
        let unlike = device.checked && !planned.checked;
        let hint = " with shader checks: plan for `Target::with_checked_shaders(true)`";
        return unsupported(loops + if unlike { hint } else { "" });
    }
    let roles = description.roles();
    for &role in roles {
        let (bytes, size) = bound(role);
        let field = format!("bytes of {role:?} of {label}");
        let binding = limits.max_storage_buffer_binding_size;
        at_most(&field, bytes, "max_storage_buffer_binding_size", binding)?;
        at_most(&field, bytes, "max_buffer_size", limits.max_buffer_size)?;
        // Devices may bind more than that: WebGPU's limits are of 64 bits.
        if bytes / size > u64::from(u32::MAX) {
            return unsupported(format!("indices of {role:?} exceed 32 bits"));
        }
    }
    let buffers = format!("storage buffers of {label}");
    let most = u64::from(limits.max_storage_buffers_per_shader_stage);
    at_most(&buffers, roles.len() as u64, "max_storage_buffers_per_shader_stage", most)?;
    let threads = u64::from(description.threads());
    let most = u64::from(limits.max_compute_invocations_per_workgroup);
    at_most(&format!("threads of {label}"), threads, "max_compute_invocations_per_workgroup", most)?;
    let most = u64::from(limits.max_compute_workgroup_storage_size);
    let bytes = description.memory();
    at_most(&format!("workgroup memory of {label}"), bytes, "max_compute_workgroup_storage_size", most)?;
    for size in step.grid {
        let most = u64::from(limits.max_compute_workgroups_per_dimension);
        let field = format!("workgroups of {label}");
        at_most(&field, u64::from(size), "max_compute_workgroups_per_dimension", most)?;
    }
    Ok(())
}

fn at_most(field: &str, value: u64, limit_name: &'static str, limit: u64) -> Result<()> {
    if value <= limit {
        return Ok(());
    }
    Err(Error::Limit { field: field.to_owned(), value, limit_name, limit })
}

/// Says of which layer a limit is: `bytes of Output of fs_dense-..., 64x3x3 on [1, 32, 28, 28]`.
pub(super) fn of_layer(problem: &Problem, error: Error) -> Error {
    let Error::Limit { field, value, limit_name, limit } = error else { return error };
    let (filters, window) = (problem.out_channels(), problem.placement().window());
    let layer = format!("{filters}x{}x{} on {:?}", window.height(), window.width(), problem.input_shape());
    Error::Limit { field: format!("{field}, {layer}"), value, limit_name, limit }
}

#[cfg(test)]
mod tests {
    use crate::method::algorithm::Algorithm;
    use crate::method::reduction::MOST_TURNS;
    use crate::plan::{Family, Plan, PlanOptions, Target};
    use crate::{Conv2d, Placement, Problem};

    /// Lanes of other subgroups would exchange other values, without an index out of bounds.
    #[test]
    #[cfg(feature = "software")]
    fn other_subgroups_are_refused() {
        let placement = Placement::tap_major(8, 4, 3, 3, 4).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        let target = |size| {
            let target = Target::portable().with_software(true).with_features(wgpu::Features::SUBGROUP);
            target.with_subgroup_sizes(size, size)
        };
        let plan = Plan::new(&problem, &target(8), PlanOptions::new().with_family(Family::Software)).unwrap();
        assert_eq!(plan.check(&target(8)), Ok(()));
        let error = plan.check(&target(4)).unwrap_err().to_string();
        assert!(error.contains("it was planned for subgroups of 8 to 8 lanes, the device has 4 to 4"), "{error}");
        // Others do not care.
        let plan = Plan::new(&problem, &target(8), PlanOptions::new().with_family(Family::Portable)).unwrap();
        assert_eq!(plan.check(&target(4)), Ok(()));
    }

    /// A number of turns past the bound is refused, not dispatched. That kernels count theirs, `kernels::tests` checks.
    #[test]
    fn loops_past_the_bound_are_refused() {
        let placement = Placement::tap_major(8, 4, 3, 3, 4).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        let features = wgpu::Features::SUBGROUP;
        let lanes = Target { features, subgroup_min_size: 8, subgroup_max_size: 8, ..Target::portable() };
        let target = Target { software: true, ..lanes };
        for family in [Family::Portable, Family::Software, Family::Tiled] {
            for &algorithm in Algorithm::ALL {
                let options =
                    PlanOptions { algorithm: Some(algorithm), family: Some(family), ..PlanOptions::default() };
                if (family, algorithm) == (Family::Software, Algorithm::Fused) {
                    continue;
                }
                let plan = Plan::new(&problem, &target, options).unwrap();
                assert!(plan.steps().iter().all(|step| step.turns > 0), "{:?}", plan.kernels());
                for index in 0..plan.steps().len() {
                    let mut longer = plan.clone();
                    longer.steps[index].turns = MOST_TURNS + 1;
                    let error = longer.check(&target).unwrap_err().to_string();
                    assert!(error.contains("its loops would turn"), "{error}");
                }
            }
        }
    }
}
