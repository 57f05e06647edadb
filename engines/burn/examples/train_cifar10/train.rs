//! A training from options to the count of right answers.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn::train::{ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining};
use filter_summary::network::Network;
use filter_summary_burn::FsNetwork;
use serde::{Deserialize, Serialize};

use crate::data::Images;
use crate::export;
use crate::fault::{Fault, Result};
use crate::loader::{CifarBatch, Epochs, Order, count_right};
use crate::model::Net;
use crate::options::{Kind, Options};
use crate::progress::{Console, Curve};

const MOMENTUM: f64 = 0.9;
/// What part of all steps the learning rate rises over, and where it begins, as a part of the highest.
const RISE: f64 = 0.2;
const FIRST: f64 = 0.1;
/// Test images at a time.
const TEST_BATCH: usize = 500;

/// What another program needs to train alike; written by `--json`, read by pytorch.py.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) device: String,
    pub(crate) devices: usize,
    pub(crate) seed: u64,
    pub(crate) batch: usize,
    pub(crate) epochs: usize,
    /// Of an epoch.
    pub(crate) steps: usize,
    pub(crate) lr: f64,
    pub(crate) momentum: f64,
    pub(crate) weight_decay: f32,
    pub(crate) parameters: usize,
    pub(crate) is_shuffled: bool,
    pub(crate) is_augmented: bool,
}

/// What `--json` writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) settings: Settings,
    #[serde(flatten)]
    pub(crate) curve: Curve,
    /// Test images, and how many the network and its file classify right.
    pub(crate) test_images: usize,
    pub(crate) right: usize,
    pub(crate) right_of_file: usize,
}

/// A training and what it left.
pub(crate) struct Trained {
    pub(crate) report: Report,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests read it"))]
    pub(crate) net: Net,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests read it"))]
    pub(crate) network: Network,
}

pub(crate) fn train(options: &Options, is_quiet: bool) -> Result<Trained> {
    options.check()?;
    let images = Arc::new(Images::training(&options.data)?);
    let test = Arc::new(Images::test(&options.data)?);
    let devices = devices(options)?;
    let device = &devices[0];
    if let Some(path) = &options.json {
        // Hours of training should not end in a path that nothing can be written to.
        std::fs::write(path, "").map_err(|error| Fault::file(path, error))?;
    }

    let step_images = options.batch.saturating_mul(devices.len());
    let whole = images.len() / step_images;
    if whole == 0 {
        let rule = format!("{} training images are no step of {} batches", images.len(), devices.len());
        return Err(Fault::option("--batch", options.batch, rule));
    }
    let steps = options.steps.map_or(whole, |steps| steps.min(whole));
    let order = Order { seed: options.seed, is_shuffled: !options.no_shuffle, is_augmented: !options.no_augment };
    let finished = options.resume.unwrap_or(0);
    let training = Epochs::new(&images, order, [options.batch, steps * step_images, finished], device);
    let testing = Epochs::new(&test, Order::PLAIN, [TEST_BATCH, test.len(), 0], device);

    // Made on the CPU, so that they are the same on every device.
    let cpu = Device::flex();
    cpu.seed(options.seed);
    let net = Net::new(&cpu.autodiff());
    if let Some(path) = &options.save_initial {
        export::save_initial(&net, path)?;
    }
    let settings = Settings {
        device: format!("{:?}", options.device).to_lowercase(),
        devices: devices.len(),
        seed: options.seed,
        batch: options.batch,
        epochs: options.epochs,
        steps,
        lr: options.lr,
        momentum: MOMENTUM,
        weight_decay: options.weight_decay,
        parameters: net.parameters(),
        is_shuffled: order.is_shuffled,
        is_augmented: order.is_augmented,
    };
    let learner = Learner::new(
        net.fork(&device.clone().autodiff()),
        optimizer(options.weight_decay),
        schedule(options.lr, options.epochs * steps)?,
    );

    let curve = Arc::new(Mutex::new(Curve::default()));
    std::fs::create_dir_all(&options.out).map_err(|error| Fault::file(&options.out, error))?;
    let strategy = ExecutionStrategy::multi(devices.clone(), MultiDeviceOptim::OptimMainDevice);
    let supervised = SupervisedTraining::new(&options.out, Arc::new(training), Arc::new(testing))
        .metrics((LossMetric::new(), AccuracyMetric::new()))
        .metric_train_numeric(LearningRateMetric::new())
        .with_default_checkpointers()
        .with_training_strategy(strategy.into())
        .renderer(Box::new(Console::new(&curve, is_quiet)))
        .num_epochs(options.epochs);
    let supervised = match options.resume {
        Some(epoch) => supervised.checkpoint(epoch),
        None => supervised,
    };
    let result = supervised.launch(learner);
    if let Some(error) = result.error {
        return Err(Fault::Training(error.to_string()));
    }

    let net = result.model;
    let Settings { epochs, batch, lr, weight_decay, .. } = settings;
    let how = format!("burn, SGD: {epochs} epochs of {steps} steps of {batch}, lr {lr}, weight decay {weight_decay}");
    let network = export::to_network(&net, &how)?;
    let path = options.out.join("network.safetensors");
    network.save(&path)?;
    let file = FsNetwork::load(&path, device)?;
    let right = right(&test, device, |batch| Ok(net.forward(batch.images)))?;
    let right_of_file = self::right(&test, device, |batch| Ok(file.forward(batch.images)?))?;
    let curve = curve.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let report = Report { settings, curve, test_images: test.len(), right, right_of_file };
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| Fault::file(path, error))?;
        std::fs::write(path, text + "\n").map_err(|error| Fault::file(path, error))?;
    }
    Ok(Trained { report, net, network })
}

/// The devices, the first of which moves the weights.
fn devices(options: &Options) -> Result<Vec<Device>> {
    match options.device {
        // burn knows one: its workers share it.
        Kind::Flex => Ok(vec![Device::flex(); options.devices]),
        #[cfg(feature = "wgpu")]
        Kind::Wgpu => {
            use burn::tensor::DeviceKind;
            let kinds = match options.devices {
                1 => vec![DeviceKind::DefaultDevice],
                count => (0..count).map(DeviceKind::DiscreteGpu).collect(),
            };
            let open = |kind| filter_summary_burn::init(Device::wgpu_options().device_kind(kind));
            Ok(kinds.into_iter().map(open).collect::<std::result::Result<_, _>>()?)
        }
        #[cfg(not(feature = "wgpu"))]
        Kind::Wgpu => Err(Fault::option("--device", "wgpu", "this was built without the feature wgpu")),
    }
}

/// Weight decay is for filters, summaries and the linear layer's weights: norms, gains and biases have none.
fn optimizer(weight_decay: f32) -> ModuleOptimizer {
    // Without its default dampening of 0.1, which PyTorch does not have.
    let momentum = MomentumConfig { momentum: MOMENTUM, dampening: 0.0, nesterov: false };
    let sgd = SgdConfig::new().with_momentum(Some(momentum));
    let decayed = sgd.clone().with_weight_decay(Some(WeightDecayConfig::new(weight_decay)));
    let group = ParamGroup::from_any_predicates(vec!["summary", "head.weight"]);
    sgd.init().with_group(group, decayed.build(), None)
}

/// From a tenth of `lr` up to `lr`, and down to 0 where the step after the last would be.
fn schedule(lr: f64, steps: usize) -> Result<ModuleLrScheduler> {
    let rise = ((steps as f64 * RISE) as usize).max(1);
    let linear = |from, to, steps| LrSchedulerConfig::Linear(LinearLrSchedulerConfig::new(from, to, steps));
    let made = match steps.saturating_sub(rise) {
        0 => LinearLrSchedulerConfig::new(FIRST * lr, lr, rise).init(),
        fall => {
            let parts = vec![linear(FIRST * lr, lr, rise), linear(lr, 0.0, fall)];
            SequentialLrSchedulerConfig::new(parts, vec![rise]).init()
        }
    };
    made.map_err(Fault::Training)
}

/// How many test images `logits` classifies right.
fn right(
    test: &Arc<Images>,
    device: &Device,
    logits: impl Fn(CifarBatch) -> Result<burn::tensor::Tensor<2>>,
) -> Result<usize> {
    use burn::data::dataloader::DataLoader;
    let (mut right, mut done) = (0, 0);
    for batch in Epochs::new(test, Order::PLAIN, [TEST_BATCH, test.len(), 0], device).iter() {
        let batch = batch.map_err(|error| Fault::Training(error.to_string()))?;
        let next = done + batch.labels.dims()[0];
        right += count_right(&export::values(logits(batch)?)?, (done..next).map(|index| test.label(index)));
        done = next;
    }
    Ok(right)
}
