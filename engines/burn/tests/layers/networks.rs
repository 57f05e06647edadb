//! Networks of files as one operation.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use filter_summary::network::{CpuNetwork, Network};
use filter_summary_burn::FsNetwork;

use crate::device::wgpu;
use crate::layer::Random;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn images(network: &Network, batch: usize) -> Vec<f32> {
    let mut random = Random(7);
    (0..batch * network.input().shape.iter().product::<usize>()).map(|_| random.float()).collect()
}

fn run(network: &FsNetwork, batch: usize, device: &Device) -> Vec<f32> {
    let [channels, height, width] = network.network().input().shape;
    let data = TensorData::new(images(network.network(), batch), [batch, channels, height, width]);
    let logits = network.forward(Tensor::from_data(data, device)).unwrap();
    logits.into_data().try_into_vec::<f32>().unwrap()
}

fn check(name: &str, device: &Device) {
    let network = FsNetwork::load(&file(name), device).unwrap();
    for batch in [2, 1, 3, 2] {
        let want = CpuNetwork::new(network.network(), batch, None).unwrap();
        let want = want.run(&images(network.network(), batch)).unwrap();
        let largest = want.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let got = run(&network, batch, device);
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() <= 1e-4 * largest, "{name}, batch {batch}: {got}, not {want}");
        }
    }
}

#[test]
fn they_run_on_burns_tensors() {
    for name in ["models/resnet20-s2c.safetensors", "models/air-base-half-c-8bit.safetensors"] {
        check(name, &wgpu());
        check(name, &wgpu().autodiff());
    }
}

#[test]
#[cfg(feature = "cpu")]
fn elsewhere_the_executor_for_cpus_runs_them() {
    check("models/resnet20-s2c.safetensors", &Device::flex());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let network = FsNetwork::load(&file("models/resnet20-s2c.safetensors"), &wgpu()).unwrap();
    let error = network.forward(Tensor::zeros([1, 3, 32, 31], &wgpu())).unwrap_err();
    assert_eq!(error.to_string(), "input is [3, 32, 31]: the network's is [3, 32, 32]");
    assert!(FsNetwork::load(&file("models/no-such-file"), &wgpu()).is_err());
}
