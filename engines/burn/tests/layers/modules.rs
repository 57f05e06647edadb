//! The layer as a module: its configuration, training, records, and the main crate's files.

use burn::module::Module;
use burn::nn::{BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use filter_summary::layer_file::LayerFile;
use filter_summary::network::{ConvOp, CpuNetwork, Network, Op};
use filter_summary::{Activation, Conv2d, Placement, Starts};
use filter_summary_burn::{FsConv2d, FsConv2dConfig, FsGeometry, FsNetwork, FsPlacement, FsWeights, fs_conv2d};

use crate::common::cases::cases;
use crate::device::wgpu;
use crate::layer::Layer;

fn configurations() -> Vec<FsConv2dConfig> {
    let config = |placement| FsConv2dConfig::new([5, 9], [3, 3], placement).with_padding(PaddingConfig2d::Same);
    vec![
        config(FsPlacement::TapMajor { step: 5 }),
        config(FsPlacement::TapMajor { step: 7 }).with_gains(true).with_learned_positions(true),
        config(FsPlacement::OneBase { step: 3 })
            .with_padding(PaddingConfig2d::Explicit(1, 0, 2, 1))
            .with_stride([2, 1]),
        config(FsPlacement::OneBase { step: 4 }).with_learned_positions(true).with_bias(false),
        config(FsPlacement::Ratio { ratio: 4.0 }).with_dilation([2, 1]),
        config(FsPlacement::Published { ratio: 4.0 }),
        config(FsPlacement::Dense).with_groups(1),
        FsConv2dConfig::new([6, 9], [2, 2], FsPlacement::TapMajor { step: 2 }).with_groups(3),
    ]
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

fn assert_near(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let bound = 1e-5 * largest(want);
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= bound, "{what}: {got}, not {want}");
    }
}

#[test]
fn parameters_are_padded_and_learn() {
    for config in configurations() {
        for device in [wgpu().autodiff(), Device::flex().autodiff()] {
            let layer = config.init(&device);
            let length = layer.geometry().placement().length();
            assert_eq!(layer.summary.dims(), [length.next_multiple_of(4)]);
            let x = Tensor::<4>::random([2, config.channels[0], 9, 8], Distribution::Default, &device);
            let y = layer.forward(x);
            let gradients = (y.clone() * y).sum().backward();
            let summary = values(layer.summary.grad(&gradients).expect("a gradient"));
            assert!(largest(&summary[..length]) > 0.0 && summary[length..].iter().all(|&value| value == 0.0));
            assert!(values(layer.summary.val())[length..].iter().all(|&value| value == 0.0));
            assert_eq!(layer.locations.is_some(), config.learned_positions);
            for moved in layer.locations.iter() {
                assert!(largest(&values(moved.grad(&gradients).expect("a gradient"))) > 0.0);
            }
            for gains in layer.gains.iter() {
                assert!(largest(&values(gains.grad(&gradients).expect("a gradient"))) > 0.0);
            }
        }
    }
}

#[test]
fn learned_positions_begin_where_the_placement_has_them() {
    let config = FsConv2dConfig::new([4, 6], [3, 3], FsPlacement::TapMajor { step: 8 }).with_learned_positions(true);
    let layer = config.init(&Device::flex());
    let got = values(layer.positions().unwrap());
    for (i, got) in got.iter().enumerate() {
        let want = (2.0 * i as f32).clamp(0.01, 9.99);
        assert!((got - want).abs() < 1e-4, "filter {i} at {got}, not {want}");
    }
    let x = Tensor::<4>::random([1, 4, 6, 6], Distribution::Default, &Device::flex());
    let want = values(layer.forward(x.clone()));
    let fixed = layer.with_fixed_positions().unwrap();
    assert!(fixed.positions().is_none());
    assert_eq!(values(fixed.forward(x)), want);
}

#[test]
fn records_hold_all_parameters() {
    let config = &configurations()[1];
    let (one, other) = (config.init(&Device::flex()), config.init(&Device::flex()));
    let x = Tensor::<4>::random([1, 5, 6, 6], Distribution::Default, &Device::flex());
    let want = values(one.forward(x.clone()));
    assert_ne!(values(other.forward(x.clone())), want);
    let loaded = other.load_record(one.into_record());
    assert_eq!(values(loaded.forward(x)), want);
}

#[test]
fn mistakes_are_errors() {
    let config = FsConv2dConfig::new([4, 6], [3, 3], FsPlacement::TapMajor { step: 4 });
    let fields = |config: FsConv2dConfig| config.geometry().unwrap_err().field().map(str::to_owned);
    assert_eq!(fields(config.clone().with_groups(3)).as_deref(), Some("groups"));
    assert_eq!(fields(config.clone().with_stride([2, 0])).as_deref(), Some("stride[1]"));
    let same = config.clone().with_stride([2, 2]).with_padding(PaddingConfig2d::Same);
    assert_eq!(fields(same).as_deref(), Some("padding"));
    let published = FsConv2dConfig::new([4, 6], [3, 3], FsPlacement::Published { ratio: 4.0 });
    assert_eq!(fields(published.with_learned_positions(true)).as_deref(), Some("learned_positions"));
    let layer = config.init(&Device::flex());
    let error = layer.try_forward(Tensor::zeros([1, 5, 6, 6], &Device::flex())).unwrap_err();
    assert_eq!(error.to_string(), "input channels is 5: the layer has 4");
    let error = layer.try_forward(Tensor::zeros([1, 4, 2, 6], &Device::flex())).unwrap_err();
    assert_eq!(error.field(), Some("dilated kernel height"));
}

#[test]
fn weights_that_do_not_fit_are_errors() {
    let device = Device::flex();
    let vector = |count: usize| Tensor::<1>::zeros([count], &device);
    let geometry = |placement| FsGeometry::new(placement, Conv2d::padded(1)).unwrap();
    let bare = geometry(Placement::tap_major(3, 2, 1, 1, 1).unwrap());
    let gained = geometry(Placement::tap_major(3, 2, 1, 1, 1).unwrap().with_gains());
    let message = |weights: FsWeights, geometry: &FsGeometry| {
        fs_conv2d(Tensor::zeros([1, 2, 2, 2], &device), weights, geometry).unwrap_err().to_string()
    };
    let gains = |filters: usize| Tensor::<2>::ones([filters, 1], &device);
    assert_eq!(message(FsWeights::new(vector(5)), &bare), "summary length is 5: it must be 4");
    assert_eq!(message(FsWeights::new(vector(4)), &gained), "gains is absent: the placement has them");
    assert_eq!(
        message(FsWeights::new(vector(4)).with_gains(gains(3)), &bare),
        "gains is given: the placement has none"
    );
    assert_eq!(message(FsWeights::new(vector(4)).with_gains(gains(2)), &gained), "gains is [2, 1]: it must be [3, 1]");
    assert_eq!(message(FsWeights::new(vector(4)).with_bias(vector(2)), &bare), "bias is [2]: it must be [3]");
    assert_eq!(
        message(FsWeights::new(vector(4)).with_positions(vector(3)), &bare),
        "positions is given: the placement has fixed starts"
    );
}

/// Every kind of layer, in a file of its own and back.
#[test]
fn layers_go_through_files() {
    let device = wgpu();
    for (seed, case) in cases().iter().enumerate().step_by(3) {
        let layer = Layer::integers(case, seed as u64);
        let mut op = ConvOp::new(layer.filter_summary(), layer.geometry.conv());
        op.bias = Some(layer.bias.clone());
        let module = FsConv2d::from_op(&op, &device).unwrap();
        let input = Tensor::<1>::from_data(TensorData::new(layer.x.clone(), [layer.x.len()]), &device);
        let input = input.reshape(layer.input_shape());
        let output = module.forward(input.clone());
        let bytes = module.to_layer_file(&input, Some(&output)).unwrap();
        let file = LayerFile::from_bytes(&bytes).expect(case.name);
        assert!(file.unread.is_empty(), "{}: {:?}", case.name, file.unread);
        match file.summary.placement().starts() {
            // Their window is the tensor's.
            Starts::Volume { .. } => {
                assert_eq!(file.summary.expand(), layer.filter_summary().expand(), "{}", case.name)
            }
            _ => assert_eq!(file.summary, layer.filter_summary(), "{}", case.name),
        }
        assert_eq!(file.bias.as_ref(), Some(&layer.bias), "{}", case.name);
        assert_eq!(file.expected.as_deref(), Some(&*values(output.clone())), "{}", case.name);
        let back = FsConv2d::from_layer_file(&file, &device).unwrap();
        assert_eq!(values(back.forward(input)), values(output), "{}", case.name);
    }
}

/// A network of burn's becomes a file: batch norm folded, fixed starts as I64, and back.
#[test]
fn networks_become_files() {
    let device = wgpu();
    let first = configurations()[1].init(&device);
    let norm = BatchNormConfig::new(9).init(&device.clone().autodiff());
    let noise = Tensor::<4>::random([4, 9, 8, 8], Distribution::Normal(0.7, 2.0), &device.clone().autodiff());
    for _ in 0..3 {
        norm.forward(noise.clone());
    }
    let norm = norm.valid();
    let second = FsConv2dConfig::new([9, 7], [3, 3], FsPlacement::OneBase { step: 9 }).init(&device);
    let x = Tensor::<4>::random([2, 5, 10, 8], Distribution::Default, &device);
    let hidden = burn::tensor::activation::relu(norm.forward(first.forward(x.clone())));
    let want = values(second.forward(hidden).mean_dims(&[2, 3]));

    let mut net = Network::builder([5, 10, 8]).unwrap();
    let op = first.to_op_with_norm(&norm).unwrap().with_activation(Activation::Relu);
    let value = net.conv("first", net.input(), op).unwrap();
    let value = net.conv("second", value, second.to_op().unwrap()).unwrap();
    let value = net.global_avg_pool("mean", value).unwrap();
    let network = net.finish(value).unwrap();
    let read = Network::from_bytes(&network.to_bytes(&Default::default()).unwrap()).unwrap();
    assert_eq!(read, network);
    assert_near(&CpuNetwork::new(&read, 2, None).unwrap().run(&values(x.clone())).unwrap(), &want, "on the CPU");
    assert_near(
        &values(FsNetwork::new(read.clone(), &device).unwrap().forward(x.clone()).unwrap()),
        &want,
        "on the device",
    );

    let [Op::Conv(first), Op::Conv(second)] = [0, 1].map(|node: usize| read.nodes()[node].op.clone()) else {
        panic!("both are convolutions")
    };
    assert!(matches!(first.summary.placement().starts(), Starts::Learned { .. }));
    let [first, second] = [first, second].map(|op| FsConv2d::from_op(&op, &device).unwrap());
    let hidden = burn::tensor::activation::relu(first.forward(x));
    assert_near(&values(second.forward(hidden).mean_dims(&[2, 3])), &want, "as modules again");
}
