//! The kernels on burn's wgpu device.

use burn::tensor::{Device, Tensor, TensorData};
use filter_summary::{Conv2d, GradientPlan, Lent, Placement, Plan, PlanOptions, Target, Wanted};
use filter_summary_burn::{FsGeometry, FsWeights, fs_conv2d};

use crate::common::cases::{Case, cases};
use crate::device::{Place, own, wgpu};
use crate::layer::{Layer, plain};

/// All cases where everything is to be run (`cargo xtask engines --all`): every kernel variant takes up to a second to
/// be compiled for software adapters.
#[test]
fn they_are_the_reference() {
    let device = wgpu();
    let every = if std::env::var_os("FS_TEST_ALL").is_some() { 1 } else { 8 };
    for (seed, case) in cases().iter().enumerate().step_by(every) {
        let layer = Layer::integers(case, seed as u64);
        assert_eq!(layer.ours(&device).difference(&layer), None, "{}", case.name);
    }
}

/// There are kernels for every case, forward and backward: what tests compare is not burn's operations with themselves.
#[test]
fn there_are_kernels_for_every_case() {
    let (_, setup) = own();
    let (target, options) = (Target::of(&setup.device), PlanOptions::new().with_bind_read_write(true));
    for (seed, case) in cases().iter().enumerate() {
        let problem = Layer::integers(case, seed as u64).problem();
        let lent = Lent::new().with_gains(case.placement.has_gains()).with_bias(true);
        Plan::new(&problem, &target, options.with_lent(lent)).expect(case.name);
        GradientPlan::new(&problem, Wanted::all(&problem), &target, options).expect(case.name);
    }
}

/// Cases of every kind, few enough for one kernel after another to be compiled.
fn some() -> Vec<Case> {
    let names = [
        "step_half_c",
        "step_2c",
        "dense",
        "published_r7_stride_2",
        "one_base_groups_3",
        "one_base_strides",
        "gains_zero",
        "gains_volume",
        "gains_learned_width_9",
        "gains_learned_zero",
        "gains_learned_wrap",
        "tap_order_dilated",
    ];
    let cases = cases();
    names.iter().map(|name| cases.iter().find(|case| case.name == *name).expect(name).clone()).collect()
}

#[test]
fn random_numbers_are_within_bounds() {
    let device = wgpu();
    for (seed, case) in some().iter().enumerate() {
        let layer = Layer::floats(case, seed as u64);
        let (error, what) = layer.ours(&device).error(&layer);
        assert!(error <= 1.0, "{}: {what} is off by {error} of what is allowed", case.name);
    }
}

/// Filters of more weights than software Vulkan lets one invocation go through.
#[test]
fn layers_may_be_large() {
    let (unknown, _) = own();
    let placement = Placement::tap_major(256, 64, 3, 3, 64).unwrap();
    let layer = Layer::integers(&plain("large", placement.with_gains(), [1, 8, 8]), 3);
    for device in [wgpu(), unknown] {
        assert_eq!(layer.ours(&device).difference(&layer), None);
    }
}

/// A device that burn has and this crate does not know runs the default body.
#[test]
fn without_registration_burns_operations_run() {
    let (device, _) = own();
    for (seed, case) in some().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        assert_eq!(layer.ours(&device).difference(&layer), None, "{}", case.name);
    }
}

#[test]
fn a_device_of_ones_own_is_registered() {
    let (device, setup) = own();
    filter_summary_burn::register(&device, &setup).unwrap();
    filter_summary_burn::register(&device.clone().autodiff(), &setup).unwrap();
    let case = &some()[0];
    let layer = Layer::integers(case, 1);
    assert_eq!(layer.ours(&device).difference(&layer), None);
    let error = filter_summary_burn::register(&Device::flex(), &setup).unwrap_err();
    assert_eq!(error.field(), Some("device"));
}

/// Views are copied before kernels read them, operations of burn's that wait are run.
#[test]
fn inputs_may_be_views_of_what_burn_has_not_computed_yet() {
    let device = wgpu();
    for (seed, case) in some().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        let got = layer.run(&device, |x, weights| {
            let [batch, channels, height, width] = x.dims();
            // [W, C, N, H] in memory, and computed just now.
            let view = (x * 2.0).permute([3, 1, 0, 2]).reshape([width, channels, batch * height]) * 0.5;
            let view = view.reshape([width, channels, batch, height]).permute([2, 1, 3, 0]);
            assert_eq!(view.dims(), [batch, channels, height, width]);
            let weights =
                FsWeights { gains: weights.gains.map(|gains| gains.transpose().transpose() * 1.0), ..weights };
            fs_conv2d(view, weights, &layer.geometry).unwrap() * 1.0
        });
        assert_eq!(got.difference(&layer), None, "{}", case.name);
    }
}

#[test]
fn threads_share_a_layer() {
    let device = wgpu();
    let layers: Vec<Layer> = some().iter().enumerate().map(|(seed, case)| Layer::integers(case, seed as u64)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (layers, device) = (&layers, &device);
            scope.spawn(move || {
                for step in 0..layers.len() {
                    let layer = &layers[(step + thread) % layers.len()];
                    assert_eq!(layer.ours(device).difference(layer), None, "{:?}", layer.geometry);
                }
            });
        }
    });
}

/// burn's tensors lie in one buffer, and a forward pass takes no memory but that of its output.
#[test]
fn nothing_is_copied() {
    // A device that nobody else allocates on.
    let (device, setup) = own();
    filter_summary_burn::register(&device, &setup).unwrap();
    let geometry = FsGeometry::new(Placement::tap_major(32, 32, 3, 3, 32).unwrap(), Conv2d::padded(1)).unwrap();
    let x = Tensor::<4>::ones([1, 32, 64, 64], &device);
    let summary = Tensor::<1>::ones([geometry.padded_length()], &device);
    let run = || {
        let y = fs_conv2d(x.clone(), FsWeights::new(summary.clone()), &geometry).unwrap();
        device.sync().unwrap();
        (Place::of(&y), y)
    };
    let (place, first) = run();
    assert_eq!(Place::of(&x).buffer, place.buffer, "cubecl has both in one page");
    let before = device.memory_pool_usage().unwrap();
    let (_, second) = run();
    let after = device.memory_pool_usage().unwrap();
    assert_eq!(after.number_allocs - before.number_allocs, 1);
    assert_eq!(after.bytes_in_use - before.bytes_in_use, 4 * 32 * 64 * 64);
    first.into_data().assert_eq(&second.into_data(), true);
}

/// Nor is an input copied for a moment: a large one, of which little comes out, would need a page of its own.
#[test]
fn an_input_is_not_copied_for_a_moment() {
    let (device, setup) = own();
    filter_summary_burn::register(&device, &setup).unwrap();
    let conv = Conv2d { stride: [32, 32], ..Conv2d::padded(1) };
    let geometry = FsGeometry::new(Placement::tap_major(8, 16, 3, 3, 16).unwrap(), conv).unwrap();
    let x = Tensor::<4>::ones([1, 16, 1024, 1024], &device);
    let summary = Tensor::<1>::ones([geometry.padded_length()], &device);
    device.sync().unwrap();
    let places = [Place::of(&x).size, Place::of(&summary).size];
    let reserved = |device: &Device| device.memory_pool_usage().unwrap().bytes_reserved;
    let before = reserved(&device);
    let y = fs_conv2d(x.clone(), FsWeights::new(summary), &geometry).unwrap();
    device.sync().unwrap();
    let _ = Place::of(&y);
    assert!(reserved(&device) - before < places[0] / 2, "{} bytes more", reserved(&device) - before);
    assert_eq!(y.dims(), [1, 8, 32, 32]);
}

#[test]
fn a_layer_has_inputs_of_several_shapes() {
    let device = wgpu();
    let placement = Placement::tap_major(12, 8, 3, 3, 8).unwrap().with_gains();
    let first = Layer::integers(&plain("shapes", placement.clone(), [1, 6, 6]), 1);
    for (seed, size) in [[2, 7, 9], [1, 6, 6], [3, 7, 9], [2, 9, 7], [2, 7, 9]].into_iter().enumerate() {
        let other = Layer::integers(&plain("shapes", placement.clone(), size), seed as u64);
        let layer = Layer { geometry: first.geometry.clone(), ..other };
        assert_eq!(layer.ours(&device).difference(&layer), None, "{size:?}");
        // Without a bias, and by autodiff's rules without gradients.
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), &device);
        let gains = tensor(layer.gains.as_ref().unwrap()).reshape([12, 9]);
        let weights = FsWeights::new(tensor(&layer.summary)).with_gains(gains);
        let x = tensor(&layer.x).reshape(layer.input_shape());
        let plain = fs_conv2d(x.clone(), weights.clone(), &layer.geometry).unwrap();
        let biased = fs_conv2d(x, weights.with_bias(tensor(&layer.bias)), &layer.geometry).unwrap();
        let want = plain + tensor(&layer.bias).reshape([1, 12, 1, 1]);
        biased.into_data().assert_eq(&want.into_data(), true);
    }
}

/// What a device that is lost is asked for is an error, as of burn's own operations, and nobody waits for ever.
#[test]
fn a_lost_device_is_an_error() {
    let (device, setup) = own();
    filter_summary_burn::register(&device, &setup).unwrap();
    let geometry = FsGeometry::new(Placement::tap_major(8, 8, 3, 3, 8).unwrap(), Conv2d::padded(1)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let x = Tensor::<4>::ones([1, 8, 8, 8], &device);
        let summary = Tensor::<1>::ones([geometry.padded_length()], &device);
        let forward = || fs_conv2d(x.clone(), FsWeights::new(summary.clone()), &geometry).unwrap();
        let run = || {
            // burn tells where data is looked at.
            let data = forward().try_into_data().map_err(|error| error.to_string())?;
            data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
        };
        run().unwrap();
        setup.device.destroy();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        sender.send(match result {
            Ok(Ok(_)) => Err("there is a result".to_owned()),
            Ok(Err(error)) => Ok(error),
            Err(panic) => Ok(panic.downcast_ref::<String>().cloned().unwrap_or("a panic".to_owned())),
        })
    });
    let told = receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("an answer within a minute").unwrap();
    assert!(!told.is_empty());
}
