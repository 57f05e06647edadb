//! What a device must grant for a plan to run: checked before anything is dispatched.

use super::{Operand, Plan};
use crate::error::{Error, Result};
use crate::method::problem::Problem;
use crate::method::reduction::MOST_TURNS;

impl Plan {
    /// Checks every dispatch against a device's limits and features, and against what one invocation may loop.
    pub(crate) fn check(&self, limits: &wgpu::Limits, features: wgpu::Features) -> Result<()> {
        self.check_steps(limits, features).map_err(|error| of_layer(&self.problem, error))
    }

    fn check_steps(&self, limits: &wgpu::Limits, features: wgpu::Features) -> Result<()> {
        let at_most = |field: &str, value: u64, limit_name: &'static str, limit: u64| {
            if value <= limit {
                Ok(())
            } else {
                Err(Error::Limit { field: field.to_owned(), value, limit_name, limit })
            }
        };
        for step in &self.steps {
            let (label, description) = (step.description.label(), &step.description);
            let missing = description.needs().difference(features);
            if !missing.is_empty() {
                let reason = format!("the device was opened without {missing:?}");
                return Err(Error::Unsupported { kernel: description.kernel(), reason });
            }
            let turns = step.turns;
            if turns > MOST_TURNS {
                let reason = format!("its loops would turn {turns} times an invocation, and may {MOST_TURNS} times");
                return Err(Error::Unsupported { kernel: description.kernel(), reason });
            }
            let roles = description.roles();
            for &role in roles {
                let bytes = match step.operand(role) {
                    Operand::Tensor(_) | Operand::Summary => self.size_of(role),
                    Operand::Table(bytes) | Operand::Workspace(bytes) => bytes.end - bytes.start,
                };
                let field = format!("bytes of {role:?} of {label}");
                let binding = limits.max_storage_buffer_binding_size;
                at_most(&field, bytes, "max_storage_buffer_binding_size", binding)?;
                at_most(&field, bytes, "max_buffer_size", limits.max_buffer_size)?;
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
        }
        // Several parts' tables, and sums beside products, are ranges of one buffer.
        at_most("bytes of tables", self.table_bytes(), "max_buffer_size", limits.max_buffer_size)?;
        at_most("bytes of workspace", self.workspace, "max_buffer_size", limits.max_buffer_size)
    }
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
                let plan = Plan::new(&problem, &target, options).unwrap();
                assert!(plan.steps().iter().all(|step| step.turns > 0), "{:?}", plan.kernels());
                for index in 0..plan.steps().len() {
                    let mut longer = plan.clone();
                    longer.steps[index].turns = MOST_TURNS + 1;
                    let error = longer.check(&target.limits, target.features).unwrap_err().to_string();
                    assert!(error.contains("its loops would turn"), "{error}");
                }
            }
        }
    }
}
