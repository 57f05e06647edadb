use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{allocate, checked, is_lost, upload};
use crate::device::wait::wait;
use crate::kernels::Variant;
use crate::{
    Algorithm, BufferRange, ChannelParams, Conv2d, ConvBuffers, Error, FilterSummary, FsConv2d, Pipelines, Placement,
    Plan, PlanOptions, Problem, Result, ShaderChecks, Target,
};

/// A future that is not ready at first, as those of browsers are. In the unit tests of this crate every answer of a
/// scope is one.
pub(super) struct Late<F> {
    future: Pin<Box<F>>,
    /// Polls that it is not ready at.
    pending: usize,
}

impl<F: Future> Late<F> {
    pub(super) fn new(future: F) -> Self {
        // The first poll of `wait` has a waker that wakes nobody.
        Self { future: Box::pin(future), pending: 2 }
    }
}

impl<F: Future> Future for Late<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.pending == 0 {
            return self.future.as_mut().poll(context);
        }
        self.pending -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The value of a future, which must have been pending.
fn later<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending(), "nothing was waited for");
    wait(future)
}

/// Two devices of one instance.
fn devices() -> [wgpu::Device; 2] {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop = wgpu::NoopBackendOptions { enable: true, ..Default::default() };
    let adapters = wait(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::NOOP));
    let required_features = wgpu::Features::PIPELINE_CACHE;
    let descriptor = wgpu::DeviceDescriptor { required_features, ..Default::default() };
    [(); 2].map(|()| wait(adapters[0].request_device(&descriptor)).unwrap().0)
}

fn pipelines(device: &wgpu::Device) -> Arc<Pipelines> {
    Arc::new(Pipelines::new(device, ShaderChecks::Trusted))
}

/// Pipelines that refuse every kernel: their driver's cache is another device's.
fn refusing() -> Arc<Pipelines> {
    let [device, other] = devices();
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data: None, fallback: true };
    #[allow(unsafe_code, reason = "wgpu offers pipeline caches only through an unsafe function")]
    // SAFETY: there is no data that could be wrong.
    let cache = unsafe { other.create_pipeline_cache(&descriptor) };
    Arc::new(Pipelines::new(&device, ShaderChecks::Trusted).with_cache(cache))
}

fn layer() -> (Plan, FilterSummary) {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
    let plan = Plan::new(&problem, &Target::portable(), PlanOptions::default()).unwrap();
    (plan, FilterSummary::new(vec![1.0; placement.length()], placement).unwrap())
}

async fn create(pipelines: &Arc<Pipelines>) -> Result<FsConv2d> {
    let (plan, summary) = layer();
    FsConv2d::new_async(pipelines, plan, &summary, ChannelParams::default()).await
}

fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Validation { reason, .. } if reason.contains("PipelineCache"))
}

#[test]
fn what_a_scope_reports_later_is_an_error() {
    let [device, _] = devices();
    let descriptor = wgpu::BufferDescriptor {
        label: Some("wrong"),
        size: 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    };
    let error = later(checked(&device, "wrong", || device.create_buffer(&descriptor))).unwrap_err();
    assert!(matches!(&error, Error::Validation { reason, .. } if reason.contains("wrong")), "{error}");
    let error = later(allocate(&device, "wrong", 16, descriptor.usage)).unwrap_err();
    assert!(matches!(&error, Error::Validation { .. }), "{error}");
    let error = later(upload(&device, "wrong", &[1; 16], wgpu::BufferUsages::empty())).unwrap_err();
    assert!(matches!(&error, Error::Validation { .. }), "{error}");
    later(allocate(&device, "right", 16, wgpu::BufferUsages::STORAGE)).unwrap();
}

#[test]
fn a_kernel_that_is_refused_later_is_an_error_of_the_layer() {
    let pipelines = refusing();
    let error = later(create(&pipelines)).unwrap_err();
    assert!(is_refusal(&error), "{error}");
    // Not cached: who asks next is told, too.
    let error = later(pipelines.warm_up_async([&layer().0])).unwrap_err();
    assert!(is_refusal(&error), "{error}");
    assert!(pipelines.is_empty());
}

#[test]
fn what_is_bound_and_refused_later_is_an_error() {
    let [device, _] = devices();
    let conv = later(create(&pipelines(&device))).unwrap();
    let usage = wgpu::BufferUsages::STORAGE;
    let descriptor = wgpu::BufferDescriptor { label: None, size: 1 << 14, usage, mapped_at_creation: false };
    let [input, output, workspace] = [(); 3].map(|()| device.create_buffer(&descriptor));
    let buffers = ConvBuffers {
        input: BufferRange::whole(&input),
        output: BufferRange::whole(&output),
        residual: None,
        workspace: Some(BufferRange::whole(&workspace)),
        weights: None,
    };
    output.destroy();
    let error = later(conv.bind_async(&buffers)).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Validation { reason, .. } if reason.contains("destroyed")), "{error}");
    let other = device.create_buffer(&descriptor);
    let buffers = ConvBuffers { output: BufferRange::whole(&other), ..buffers };
    later(conv.bind_async(&buffers)).unwrap();
    // Remembered: nothing is made, and nothing waited for.
    let bound = conv.bind_async(&buffers);
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(bound).poll(&mut context).is_ready());
}

#[test]
fn whatever_is_made_on_a_lost_device_says_so() {
    let [device, _] = devices();
    let pipelines = pipelines(&device);
    assert!(!later(is_lost(&device)));
    device.destroy();
    assert!(later(is_lost(&device)));
    let said = |error: Error| assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    said(later(create(&pipelines)).map(|_| ()).unwrap_err());
    said(later(pipelines.warm_up_async([&layer().0])).unwrap_err());
    said(later(allocate(&device, "buffer", 16, wgpu::BufferUsages::STORAGE)).unwrap_err());
}

/// Of one input, which is flattened and multiplied.
#[cfg(feature = "network")]
fn network() -> crate::network::Network {
    use std::collections::BTreeMap;

    use crate::files::tensor_file::{NewTensor, Values, encode};

    let graph = r#"{"input": {"channels": 3, "height": 4, "width": 4},
        "nodes": [{"name": "pool", "op": "global_avg_pool2d", "input": "input"},
                  {"name": "linear", "op": "linear", "input": "pool"}], "output": "linear"}"#;
    let pairs = [("format", "filter-summary"), ("format_version", "1"), ("graph", graph)];
    let metadata: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let weight = NewTensor { name: "linear.weight".to_owned(), shape: vec![2, 3], values: Values::F32(&[1.0; 6]) };
    crate::network::Network::from_bytes(&encode(&[weight], &metadata).unwrap()).unwrap()
}

#[cfg(feature = "network")]
#[test]
fn a_network_is_told_later_too() {
    use crate::network::GpuNetwork;

    let (network, target) = (network(), Target::portable());
    let create = async |pipelines: &Arc<Pipelines>| {
        GpuNetwork::new_async(pipelines, &target, &network, 1, PlanOptions::default()).await
    };
    let error = later(create(&refusing())).map(|_| ()).unwrap_err();
    assert!(is_refusal(&error), "{error}");
    let [device, _] = devices();
    let pipelines = pipelines(&device);
    assert_eq!(later(create(&pipelines)).unwrap().batch(), 1);
    device.destroy();
    let error = later(create(&pipelines)).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
}

#[test]
fn tasks_of_one_thread_compile_each_kernel_once() {
    let asked: Vec<_> =
        [Algorithm::Gather, Algorithm::Shared].iter().flat_map(|&algorithm| variants(algorithm)).collect();
    // One at a time as in browsers, and all at once.
    for batch in [1, usize::MAX] {
        let [device, _] = devices();
        let pipelines = pipelines(&device);
        let forward = || Box::pin(pipelines.compile_in_batches(asked.clone(), batch));
        let backward = Box::pin(pipelines.compile_in_batches(asked.iter().rev().copied().collect::<Vec<_>>(), batch));
        let mut tasks = [Some(forward()), Some(backward), Some(forward())];
        let (mut compiled, mut polls) = (0, 0);
        wait(poll_fn(|context| {
            polls += 1;
            assert!(polls < 1000, "each waits for the other");
            for task in &mut tasks {
                if let Some(Poll::Ready(made)) = task.as_mut().map(|task| task.as_mut().poll(context)) {
                    compiled += made.unwrap();
                    *task = None;
                }
            }
            if tasks.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert_eq!((compiled, pipelines.len()), (asked.len(), asked.len()));
    }
}

fn variants(algorithm: Algorithm) -> Vec<Variant> {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
    let options = PlanOptions { algorithm: Some(algorithm), ..PlanOptions::default() };
    let plan = Plan::new(&problem, &Target::portable(), options).unwrap();
    plan.steps().iter().map(|step| step.variant).collect()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_that_is_given_up_leaves_its_kernels_to_others() {
    let [device, _] = devices();
    let (pipelines, plan) = (pipelines(&device), layer().0);
    let mut given_up = Box::pin(pipelines.warm_up_async([&plan]));
    assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut waiting = Box::pin(pipelines.warm_up_async([&plan]));
    let woken = Arc::new(Woken::default());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken)))).is_pending());
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    drop(given_up);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let compiled = wait(waiting).unwrap();
    assert!(compiled > 0);
    assert_eq!(compiled, pipelines.len());
}
