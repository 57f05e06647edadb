//! The example on images made here: an epoch more after a checkpoint, files, devices, and what is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use clap::Parser;
use filter_summary::network::{CpuNetwork, Network};

use crate::data::{CLASSES, Images, PIXELS, PLANE, SIDE};
use crate::export;
use crate::loader::{Epochs, Order, count_right};
use crate::options::Options;
use crate::train::{Trained, train};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("train-cifar10-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Images whose classes are told by which of their planes are bright, and in which half.
    fn with_images(name: &str, training: usize, test: usize) -> Self {
        let folder = Self::new(name);
        std::fs::write(folder.0.join("data_batch_1.bin"), records(training, 1)).unwrap();
        std::fs::write(folder.0.join("test_batch.bin"), records(test, 2)).unwrap();
        folder
    }

    fn options(&self, more: &str) -> Options {
        let [data, out] = [self.0.clone(), self.0.join("out")].map(|path| path.display().to_string());
        let fixed = ["train_cifar10", &data, "--out", &out];
        Options::try_parse_from(fixed.into_iter().chain(more.split_whitespace())).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in a folder for such.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn records(count: usize, seed: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for index in 0..count {
        let label = (index * 7 + seed) % CLASSES.len();
        records.push(label as u8);
        let noise = |at: usize| ((at * 2_654_435_761 + index * 40_503 + seed * 97) >> 7) % 64;
        let bright = |at: usize| {
            let (plane, upper) = (at / PLANE, at % PLANE / SIDE < SIDE / 2);
            (label >> plane) & 1 == 1 || (label >= 8 && upper)
        };
        records.extend((0..PIXELS).map(|at| (noise(at) + if bright(at) { 128 } else { 32 }) as u8));
    }
    records
}

fn losses(trained: &Trained) -> Vec<f64> {
    trained.report.curve.steps.iter().map(|step| step.loss).collect()
}

fn network_file(options: &Options) -> Network {
    Network::load(&options.out.join("network.safetensors")).unwrap()
}

/// Two epochs in one run; the second alone after the first one's checkpoint; and the file that they leave.
#[test]
fn a_resumed_run_is_the_same_run_and_its_file_the_same_network() {
    let folder = Folder::with_images("resume", 20, 6);
    let options = folder.options("--epochs 2 --batch 4 --steps 3 --seed 5 --lr 0.05");
    let whole = train(&options, true).unwrap();
    assert_eq!(losses(&whole).len(), 6);
    assert!(losses(&whole).iter().all(|loss| loss.is_finite()));
    let rates: Vec<f64> = whole.report.curve.steps.iter().map(|step| step.lr / 0.05).collect();
    for (got, want) in rates.iter().zip([0.1, 1.0, 0.8, 0.6, 0.4, 0.2]) {
        assert!((got - want).abs() < 1e-9, "{rates:?}");
    }
    let file = network_file(&options);
    // A file's metadata has its version as well.
    let same = |network: &Network| assert_eq!((network.nodes(), network.output()), (file.nodes(), file.output()));
    same(&whole.network);

    std::fs::remove_file(options.out.join("network.safetensors")).unwrap();
    let resumed = train(&Options { resume: Some(1), ..options.clone() }, true).unwrap();
    assert_eq!(losses(&resumed), losses(&whole)[3..]);
    same(&network_file(&options));
    assert!(options.out.join("train/epoch-2/Loss.log").is_file(), "metrics go to files");

    // burn's modules and the library's executor, on images that are in no training.
    let test = Arc::new(Images::test(&folder.0).unwrap());
    let loader = Epochs::new(&test, Order::PLAIN, [test.len(), test.len(), 0], &Device::flex());
    let batch = loader.iter().next().unwrap().unwrap();
    let images = export::values(batch.images.clone()).unwrap();
    let want = export::values(whole.net.forward(batch.images)).unwrap();
    let got = CpuNetwork::new(&file, test.len(), None).unwrap().run(&images).unwrap();
    let largest = want.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (got, want) in got.iter().zip(&want) {
        assert!((got - want).abs() <= 1e-5 * largest, "{got}, not {want}");
    }
    let right = count_right(&got, (0..test.len()).map(|index| test.label(index)));
    assert_eq!([whole.report.right, whole.report.right_of_file], [right; 2]);
}

/// Two workers on batches of their own compute the gradient of a step on both, norms aside, which see half of it.
#[test]
fn two_devices_train_one_network() {
    let folder = Folder::with_images("devices", 16, 5);
    let trained = train(&folder.options("--epochs 1 --batch 4 --devices 2 --lr 0.02"), true).unwrap();
    assert_eq!((trained.report.settings.steps, losses(&trained).len()), (2, 4));
    assert!(losses(&trained).iter().all(|loss| loss.is_finite()));
    assert_eq!(trained.report.right, trained.report.right_of_file);
}

#[test]
fn epochs_differ_and_repeat() {
    let folder = Folder::with_images("epochs", 12, 1);
    let images = Arc::new(Images::training(&folder.0).unwrap());
    let order = Order { seed: 3, is_shuffled: true, is_augmented: true };
    let loader = |order, epoch| Epochs::new(&images, order, [4, 10, epoch], &Device::flex());
    let all = |loader: &Epochs| -> Vec<(Vec<f32>, Vec<i32>)> {
        let batches = loader.iter().map(|batch| batch.unwrap());
        let host = |labels: burn::tensor::Tensor<1, burn::tensor::Int>| labels.into_data().iter::<i32>().collect();
        batches.map(|batch| (export::values(batch.images).unwrap(), host(batch.labels))).collect()
    };
    let twice = loader(order, 0);
    let [first, second] = [all(&twice), all(&twice)];
    assert_eq!(first.iter().map(|(_, labels)| labels.len()).collect::<Vec<_>>(), [4, 4, 2]);
    assert_ne!(first, second);
    assert_eq!(second, all(&loader(order, 1)));
    // Devices divide an epoch between them.
    let whole = loader(order, 0);
    let halves = [whole.slice(0, 4), whole.slice(4, 10)].map(|half| half.num_items());
    assert_eq!(halves, [4, 6]);
    let second_half = whole.slice(4, 10);
    let labels = second_half.iter().next().unwrap().unwrap().labels.into_data();
    assert_eq!(labels.iter::<i32>().collect::<Vec<_>>(), first[1].1);

    let plain = all(&loader(Order::PLAIN, 7));
    let value = |pixel: u8| (f32::from(pixel) * (1.0 / 255.0) - 0.485) / 0.229;
    assert_eq!(plain[0].0[..PLANE], images.pixels(0)[..PLANE].iter().map(|&pixel| value(pixel)).collect::<Vec<_>>());
    assert_eq!(plain[2].1, [images.label(8) as i32, images.label(9) as i32]);
}

#[test]
fn mistakes_are_one_line_with_exit_code_2() {
    let folder = Folder::with_images("mistakes", 4, 2);
    let refused = |options: &Options| {
        let fault = train(options, true).err().unwrap();
        assert_eq!(fault.exit_code(), 2, "{fault}");
        fault.to_string()
    };
    let at = |file: &str| folder.0.join(file).display().to_string();
    let options = folder.options("--batch 4");
    let few = "--batch is 8: 4 training images are no step of 1 batches";
    assert_eq!(refused(&folder.options("--batch 8")), few);
    assert_eq!(refused(&folder.options("--lr 0")), "--lr is 0: it must be above 0 and at most 1");
    let resumed = refused(&folder.options("--resume 1 --batch 4"));
    assert_eq!(resumed, format!("{}: there is no checkpoint of epoch 1", at("out/checkpoint/model-1.bpk")));
    let nothing_left = "--resume is 4: --epochs is 4, so that nothing is left to train";
    assert_eq!(refused(&folder.options("--resume 4")), nothing_left);

    let write = |file: &str, bytes: &[u8]| std::fs::write(folder.0.join(file), bytes).unwrap();
    let remove = |file: &str| std::fs::remove_file(folder.0.join(file)).unwrap();
    write("data_batch_3.bin", &records(1, 1));
    let gap = format!("{}: neither this file nor data_batch_2.bin.xz is there", at("data_batch_2.bin"));
    assert_eq!(refused(&options), gap);
    write("data_batch_2.bin", &records(3, 1)[..5000]);
    let short = "5000 bytes: a batch of CIFAR-10 is records of 3073 bytes; it may be cut short";
    assert_eq!(refused(&options), format!("{}: {short}", at("data_batch_2.bin")));
    remove("data_batch_2.bin");
    write("data_batch_2.bin.xz", b"no xz data");
    assert!(refused(&options).starts_with(&at("data_batch_2.bin.xz")));
    remove("data_batch_2.bin.xz");
    remove("data_batch_3.bin");
    let mut labels = records(2, 1);
    labels[3073] = 10;
    write("test_batch.bin", &labels);
    let label = format!("{}: record 1 has label 10: labels are below 10", at("test_batch.bin"));
    assert_eq!(refused(&options), label);
    assert!(!Path::new(&options.out).join("network.safetensors").exists());
}
