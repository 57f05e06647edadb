//! A device for tests, and one convolution run on it with poisoned buffers and guard words.

use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use filter_summary::reference::{Operands, Reference, conv2d};
use filter_summary::standalone::{Gpu, adapters};
use filter_summary::{BufferRange, ConvBuffers, FsConv2d, Lent, Pipelines, Plan, ShaderChecks, WeightBuffers};
use half::f16;

use super::operands::Data;

/// Devices of a process, at most: a software adapter compiles for seconds, one kernel a device at a time.
const DEVICES: usize = 4;

/// How many of the tests that run use each device.
static USERS: Mutex<[usize; DEVICES]> = Mutex::new([0; DEVICES]);

/// One of the devices, for as long as its test's thread lives.
struct Taken(usize);

impl Taken {
    /// That with the fewest users; one a processor is as many as there are.
    fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        let fewest = (0..processors.min(DEVICES)).min_by_key(|&index| users[index]).unwrap_or_default();
        users[fewest] += 1;
        Self(fewest)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        USERS.lock().unwrap_or_else(PoisonError::into_inner)[self.0] -= 1;
    }
}

/// The device of a test: tests that run at once have one each while there are processors, so that they compile at once,
/// and those that run later find what was compiled. Tests that need one fail without an adapter,
/// unless the environment variable `FILTER_SUMMARY_SKIP_GPU_TESTS` is set: then they say loudly that they did not run.
pub fn device() -> Option<&'static Device> {
    static OPENED: [OnceLock<Device>; DEVICES] = [const { OnceLock::new() }; DEVICES];
    thread_local!(static OWN: Taken = Taken::new());
    if std::env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some() {
        eprintln!("SKIPPED: FILTER_SUMMARY_SKIP_GPU_TESTS is set, no kernel was run");
        return None;
    }
    let device = OPENED[OWN.with(|own| own.0)].get_or_init(|| {
        let gpu = open().expect("GPU tests need an adapter; `cargo xtask test` installs a software one");
        eprintln!("kernels run on {}", gpu.describe());
        let pipelines = |checks| Arc::new(Pipelines::new(&gpu.device, checks));
        let (trusted, checked) = (pipelines(ShaderChecks::Trusted), pipelines(ShaderChecks::Checked));
        Device { gpu, trusted, checked }
    });
    Some(device)
}

/// The best adapter, or that with the index in the environment variable `FILTER_SUMMARY_ADAPTER`, as `fsnet devices`
/// lists them.
pub fn open() -> filter_summary::Result<Gpu> {
    let Some(index) = std::env::var_os("FILTER_SUMMARY_ADAPTER") else { return Gpu::open_best() };
    let adapters = adapters()?;
    let adapter = index.to_str().and_then(|index| adapters.get(index.parse::<usize>().ok()?));
    Gpu::open(adapter.unwrap_or_else(|| panic!("FILTER_SUMMARY_ADAPTER is {index:?}, of {} adapters", adapters.len())))
}

pub struct Device {
    pub gpu: Gpu,
    pub trusted: Arc<Pipelines>,
    pub checked: Arc<Pipelines>,
}

/// Words before and after every tensor, and the pattern in them: kernels must leave it alone. What lies behind a tensor
/// is bound along with it, or the device's own bounds checks would hide a kernel that writes too far.
const GUARD: usize = 64;
const TAIL: usize = 4096;
const GUARD_VALUE: f32 = 12345.0;

/// Runs a plan on poisoned buffers: output and workspace start as NaN, every tensor lies between guard words.
///
/// Returns the whole output tensor, `[N, channels_total, OH, OW]`.
pub fn run(device: &Device, pipelines: &Arc<Pipelines>, plan: &Plan, operands: &Operands<'_>) -> Vec<f32> {
    let gpu = &device.gpu;
    let problem = plan.problem().clone();
    let params = operands.params();
    let is_lent = plan.lent() != Lent::default();
    let conv = if is_lent {
        // What is lent is not the layer's.
        let mut own = params;
        own.scale = own.scale.filter(|_| !plan.lent().scale);
        own.bias = own.bias.filter(|_| !plan.lent().bias);
        own.lent_gains = operands.summary.gains().filter(|_| !plan.lent().gains);
        FsConv2d::without_weights(pipelines, plan.clone(), own)
    } else {
        FsConv2d::new(pipelines, plan.clone(), operands.summary, params)
    };
    let conv = conv.expect("the layer compiles");
    let guarded = |label: &str, values: &[f32]| {
        let mut words = vec![GUARD_VALUE; GUARD];
        words.extend_from_slice(values);
        words.extend([GUARD_VALUE; TAIL]);
        gpu.upload(label, &words).expect("upload")
    };
    let elements = problem.output_tensor_shape().iter().product::<usize>();
    // As the plan stores tensors: f32, or halves two a word.
    let words = |values: &[f32]| if plan.storage().has_f16_tensors() { halves(values) } else { values.to_vec() };
    let input = guarded("input", &words(operands.input));
    let poison = words(&vec![f32::NAN; elements]);
    let output = guarded("output", &poison);
    let residual = operands.residual.map(|values| guarded("residual", &words(values)));
    let workspace_words = (plan.workspace_size() / 4) as usize;
    let workspace = guarded("workspace", &vec![f32::NAN; workspace_words]);
    let range =
        |buffer, words: usize| BufferRange { buffer, offset: 4 * GUARD as u64, size: 4 * (words + TAIL) as u64 };

    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let buffers = ConvBuffers::new(range(&input, words(operands.input).len()), range(&output, poison.len()))
        .with_residual(
            operands.residual.zip(residual.as_ref()).map(|(values, buffer)| range(buffer, words(values).len())),
        )
        .with_workspace((workspace_words > 0).then(|| range(&workspace, workspace_words)));
    // What is lent, or would be without an absent scale or bias.
    let filters = problem.out_channels();
    let mut summary = operands.summary.values().into_owned();
    summary.resize((plan.summary_bytes() / 4) as usize, 0.0);
    let gains = operands.summary.gains().filter(|_| plan.lent().gains).map(<[f32]>::to_vec);
    let scale = plan.lent().scale.then(|| operands.scale.map_or(vec![1.0; filters], <[f32]>::to_vec));
    let bias = plan.lent().bias.then(|| operands.bias.map_or(vec![0.0; filters], <[f32]>::to_vec));
    let lent = [("summary", Some(summary)), ("gains", gains), ("scale", scale), ("bias", bias)];
    let lent = lent.map(|(label, values)| values.map(|values| (guarded(label, &values), values.len())));
    let ranges = lent.each_ref().map(|lent| lent.as_ref().map(|(buffer, words)| range(buffer, *words)));
    let weights = ranges[0]
        .map(|summary| WeightBuffers::new(summary).with_gains(ranges[1]).with_scale(ranges[2]).with_bias(ranges[3]));
    let buffers = buffers.with_weights(weights.filter(|_| is_lent));
    conv.record(&mut encoder, &buffers).expect("the convolution records");
    gpu.submit(encoder).expect("the device runs it");

    for buffer in [Some(&input), Some(&output), residual.as_ref(), Some(&workspace)].into_iter().flatten() {
        let words = gpu.download(buffer).expect("download");
        let (head, tail) = (&words[..GUARD], &words[words.len() - TAIL..]);
        assert!(head.iter().chain(tail).all(|&word| word == GUARD_VALUE), "a kernel wrote outside its buffers");
    }
    let words = gpu.download(&output).expect("download");
    let words = &words[GUARD..words.len() - TAIL];
    if plan.storage().has_f16_tensors() { from_halves(words, elements) } else { words.to_vec() }
}

/// Values in f16, two a word; the word is an f32 only by name.
fn halves(values: &[f32]) -> Vec<f32> {
    let bits = |value: &f32| u32::from(f16::from_f32(*value).to_bits());
    let word = |pair: &[f32]| f32::from_bits(bits(&pair[0]) | pair.get(1).map_or(0, bits) << 16);
    values.chunks(2).map(word).collect()
}

fn from_halves(words: &[f32], count: usize) -> Vec<f32> {
    let half = |bits: u32| f16::from_bits(bits as u16).to_f32();
    words.iter().flat_map(|word| [half(word.to_bits()), half(word.to_bits() >> 16)]).take(count).collect()
}

/// Checks outputs of small integers, whose sums f32 holds, against the reference bit for bit.
#[track_caller]
pub fn assert_exact(name: &str, plan: &Plan, got: &[f32], data: &Data) {
    assert_equal(name, plan, got, &conv2d(plan.problem(), &data.operands()).expect(name));
}

/// As [`assert_exact`], where the reference is known.
#[track_caller]
pub fn assert_equal(name: &str, plan: &Plan, got: &[f32], want: &Reference) {
    for (at, (&got, &want)) in got.iter().zip(&want.output).enumerate() {
        let shape = plan.problem().output_shape();
        assert!(f64::from(got) == want, "{name}: {:?} output {at} of {shape:?} is {got}, not {want}", plan.kernels());
    }
    assert_eq!(got.len(), want.output.len(), "{name}");
}
