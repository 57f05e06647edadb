//! Plans of gradients: how many images are computed at a time.
#![cfg(feature = "gradients")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use filter_summary::{Conv2d, GradientPlan, Placement, PlanOptions, Problem, Target, Wanted, wgpu};

fn planned(problem: &Problem, wanted: Wanted, target: &Target) -> GradientPlan {
    GradientPlan::new(problem, wanted, target, PlanOptions::new()).expect("a plan")
}

/// The stem of a network, of which images are no multiple of what bindings are aligned to.
fn stem(batch: usize, side: usize) -> Problem {
    let placement = Placement::tap_major(64, 3, 7, 7, 3).unwrap();
    Problem::new(&placement, Conv2d { stride: [2, 2], ..Conv2d::padded(3) }, [batch, side, side]).unwrap()
}

fn layer(batch: usize) -> Problem {
    let placement = Placement::tap_major(256, 256, 3, 3, 256).unwrap();
    Problem::new(&placement, Conv2d::padded(1), [batch, 14, 14]).unwrap()
}

/// Of a summary alone nothing is bound from within a tensor of the caller's.
#[test]
fn chunks_of_a_summarys_gradient_may_begin_anywhere() {
    let wanted = Wanted::new().with_summary(true);
    let one = planned(&stem(1, 299), wanted, &Target::portable());
    for batch in [4, 16] {
        let plan = planned(&stem(batch, 299), wanted, &Target::portable());
        assert!(plan.dispatches() > one.dispatches(), "{batch}");
        assert!(plan.workspace_size() <= 1 << 28, "{batch}: {}", plan.workspace_size());
    }
}

/// The whole workspace must fit a buffer, not the products alone.
#[test]
fn the_workspace_fits_one_buffer() {
    let target = Target::portable();
    let binding = target.limits.max_storage_buffer_binding_size;
    let limits = wgpu::Limits { max_buffer_size: binding, ..target.limits.clone() };
    let target = target.with_limits(limits);
    let image = 4 * 264 * 14 * 14;
    for batch in [binding as usize / image, binding as usize / image + 1] {
        let problem = layer(batch);
        let plan = planned(&problem, Wanted::all(&problem), &target);
        assert!(plan.workspace_size() <= binding, "{batch}: {}", plan.workspace_size());
    }
}

#[test]
fn the_callers_limit_is_kept_where_it_can_be() {
    let problem = layer(64);
    let sizes = [None, Some(8 << 20), Some(4 << 20), Some(0)].map(|limit| {
        let options = PlanOptions::new().with_workspace_limit(limit);
        GradientPlan::new(&problem, Wanted::all(&problem), &Target::portable(), options).unwrap().workspace_size()
    });
    assert!(sizes[1] <= 8 << 20 && sizes[2] <= 4 << 20, "{sizes:?}");
    assert!(sizes.is_sorted_by(|more, less| more > less), "{sizes:?}");
}

/// Limits of what is computed within are no errors about fields that nobody gave.
#[test]
fn large_batches_are_cut_or_refused_by_their_own_names() {
    let placement = Placement::tap_major(8, 8, 1, 1, 8).unwrap();
    let problem = Problem::new(&placement, Conv2d::default(), [70_000, 1, 1]).unwrap();
    let wanted = Wanted::new().with_summary(true);
    planned(&problem, wanted, &Target::portable().with_software(true));
    planned(&problem, wanted, &Target::portable());

    let target = Target::portable();
    let large = 1 << 36;
    let limits =
        wgpu::Limits { max_buffer_size: large, max_storage_buffer_binding_size: large, ..target.limits.clone() };
    let placement = Placement::tap_major(256, 64, 3, 3, 64).unwrap();
    let conv = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
    let problem = Problem::new(&placement, conv, [3000, 56, 56]).unwrap();
    planned(&problem, Wanted::all(&problem), &target.clone().with_limits(limits));

    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..target.limits.clone() };
    let error = GradientPlan::new(&layer(1), wanted, &target.with_limits(limits), PlanOptions::new());
    let error = error.expect_err("too little").to_string();
    assert!(error.contains("max_storage_buffer_binding_size is 65536"), "{error}");
}
