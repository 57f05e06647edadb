//! What a GPU can do, and from it how long a dispatch takes there. Predicted: peaks are manufacturers', and what the
//! kernels' instructions take is counted (`benches/results/isa-*`); nothing of it was measured.

mod boards;

use super::vendor::Vendor;
use crate::kernels::Work;
use boards::{BOARDS, Board};

/// What a GPU can do at its peak.
///
/// ```
/// use filter_summary::{Hardware, Target};
///
/// let mut hardware = Hardware::named("NVIDIA GeForce RTX 3090").ok_or("not listed")?;
/// assert_eq!(hardware.processors, 82);
/// // A laptop's.
/// hardware.processors = 48;
/// let target = Target::portable().with_hardware(hardware);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Hardware {
    /// Multiprocessors, compute units, cores: what runs workgroups.
    pub processors: u32,
    /// Multiply-adds of f32 that a processor does in a clock.
    pub lanes: u32,
    /// Clocks a second.
    pub clock: f64,
    /// Bytes a second of memory.
    pub memory: f64,
    /// Bytes of workgroup memory that a processor loads in a clock; 0 where nobody has said.
    pub workgroup_bytes: u32,
    /// Multiply-adds of matrices of f16 into f32 that a processor does in a clock; 0 without matrices, or where nobody
    /// has said.
    pub matrices: u32,
}

/// Seconds from one dispatch to the next that waits for it. Of the order that drivers for large GPUs are known for.
const LAUNCH: f64 = 2e-6;

/// Threads of a processor that hide its latencies: two warps for each of four schedulers.
const BUSY_THREADS: f64 = 256.0;

/// Registers of a processor that its threads share: NVIDIA's and AMD's, but for RDNA 3, which has half as many again;
/// of others not published.
const REGISTERS: u32 = 65_536;

/// What of a device a dispatch waits for most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// Instructions.
    Arithmetic,
    /// Loads and stores of workgroup memory.
    WorkgroupMemory,
    /// Loads and stores of memory.
    Memory,
    /// The dispatch before it.
    Launch,
}

impl Bound {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arithmetic => "arithmetic",
            Self::WorkgroupMemory => "workgroup memory",
            Self::Memory => "memory",
            Self::Launch => "launch",
        }
    }
}

/// How long a dispatch is expected to take: the longest of its parts, after its launch. In seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// Instructions, on the processors that have some.
    pub arithmetic: f64,
    /// Loads and stores of workgroup memory, on those.
    pub workgroup_memory: f64,
    /// Everything that is bound, once through memory.
    pub memory: f64,
    /// From the dispatch before.
    pub launch: f64,
    /// Part of all processors' time that workgroups and threads fill, 0 to 1.
    pub fill: f64,
}

impl Prediction {
    /// All of it.
    pub fn seconds(&self) -> f64 {
        self.busy() + self.launch
    }

    /// What takes longest.
    pub fn bound(&self) -> Bound {
        match self.busy() {
            busy if busy < self.launch => Bound::Launch,
            busy if busy == self.arithmetic => Bound::Arithmetic,
            busy if busy == self.memory => Bound::Memory,
            _ => Bound::WorkgroupMemory,
        }
    }

    fn busy(&self) -> f64 {
        self.arithmetic.max(self.workgroup_memory).max(self.memory)
    }
}

/// Words that make another board of one whose name stands before them.
const OTHERS: [&str; 10] = ["ti", "super", "xt", "xtx", "gre", "d", "pro", "max", "ultra", "2048sp"];

impl Hardware {
    /// That of a board with this name, as adapters have it ([`wgpu::AdapterInfo::name`]); `None` of those that are not
    /// listed, laptops' and slices of boards (MIG) among them, whose clocks and processors differ under one name.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        if ["laptop", "max-q", "mobile", " mig "].iter().any(|word| name.contains(word)) {
            return None;
        }
        let words: Vec<&str> =
            name.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        // The longest name that stands there in whole words: an RTX 3090 Ti is no RTX 3090.
        let stands = |board: &&Board| {
            let wanted: Vec<&str> = board.name.split(' ').collect();
            words.windows(wanted.len()).enumerate().any(|(at, window)| {
                let next = words.get(at + wanted.len());
                window == wanted && !next.is_some_and(|next| OTHERS.contains(next))
            })
        };
        BOARDS.iter().filter(stands).max_by_key(|board| board.name.len()).map(Self::of)
    }

    fn of(board: &Board) -> Self {
        Self {
            processors: board.processors,
            lanes: board.architecture.lanes,
            clock: f64::from(board.megahertz) * 1e6,
            memory: board.gigabytes * 1e9,
            workgroup_bytes: board.architecture.workgroup_bytes,
            matrices: board.architecture.matrices,
        }
    }

    /// A guess where nothing but the kind of device is known: too many processors cost small layers efficiency, too few
    /// leave processors idle.
    pub fn guess(kind: wgpu::DeviceType) -> Self {
        let (processors, lanes, memory) = match kind {
            // From 24 (entry level) to 132 (H100, H200) and more.
            wgpu::DeviceType::DiscreteGpu => (96, 128, 500e9),
            wgpu::DeviceType::VirtualGpu => (64, 128, 500e9),
            wgpu::DeviceType::IntegratedGpu => (16, 64, 70e9),
            wgpu::DeviceType::Other => (32, 128, 250e9),
            wgpu::DeviceType::Cpu => (4, 16, 30e9),
        };
        Self { processors, lanes, clock: 1.6e9, memory, workgroup_bytes: 128, matrices: 4 * lanes }
    }

    /// The prediction where so many bytes go through memory.
    pub(super) fn moving(&self, prediction: Prediction, bytes: u64) -> Prediction {
        Prediction { memory: bytes as f64 / self.memory, ..prediction }
    }

    /// How long `workgroups` of so many `threads` take that do `work` each, and move `bytes` through memory.
    pub(super) fn predict(&self, vendor: Vendor, work: &Work, threads: u32, workgroups: u64, bytes: f64) -> Prediction {
        let fill = self.fill(work, threads, workgroups);
        // Without workgroups nothing takes time; without processors no device has any.
        let rate = f64::from(self.processors.max(1)) * self.clock * fill;
        let all = workgroups as f64 * f64::from(threads);
        let slots = vendor.slots(work);
        // Where nobody has said how fast matrices are, as fast as all else.
        let matrices = if self.matrices == 0 { self.lanes.max(1) } else { self.matrices };
        let busy = work.matrices * f64::from(self.lanes) / f64::from(matrices);
        let slots = if vendor.has_matrices_beside() { slots.max(busy) } else { slots + busy };
        let workgroup_memory = match self.workgroup_bytes {
            0 => 0.0,
            bytes => all * work.workgroup_bytes / (f64::from(bytes) * rate),
        };
        Prediction {
            arithmetic: all * slots / (f64::from(self.lanes.max(1)) * rate),
            workgroup_memory,
            memory: bytes / self.memory,
            launch: LAUNCH,
            fill,
        }
    }

    /// The processor with most workgroups decides, and whether it has threads enough.
    fn fill(&self, work: &Work, threads: u32, workgroups: u64) -> f64 {
        let processors = u64::from(self.processors.max(1));
        let most = workgroups.div_ceil(processors).max(1);
        let even = workgroups.max(1) as f64 / (most * processors) as f64;
        let resident = u64::from(REGISTERS.checked_div(threads * work.registers).unwrap_or(u32::MAX).max(1));
        let busy = most.min(resident) as f64 * f64::from(threads) / BUSY_THREADS;
        even * busy.min(1.0)
    }
}

#[cfg(test)]
mod tests;
