//! `--kernel`, `--family` and `--f16-weights`.

use anyhow::{Result, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use filter_summary::{Algorithm, Family, PlanOptions, Storage};

/// Which kernels compute the convolutions.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct KernelArgs {
    /// Which kernels compute the convolutions
    #[arg(long, value_enum, default_value_t)]
    pub(crate) kernel: Kernel,

    #[command(flatten)]
    pub(crate) family: FamilyArgs,

    /// Keep weights in f16 on the GPU, in half the memory; they are rounded, the arithmetic stays f32
    #[arg(long)]
    f16_weights: bool,
}

impl KernelArgs {
    /// What the plans of a GPU are made with.
    pub(crate) fn options(self) -> PlanOptions {
        self.family.apply(PlanOptions::new().with_algorithm(self.kernel.algorithm()).with_storage(self.storage()))
    }

    /// How a GPU keeps what is f32 in the file.
    pub(crate) fn storage(self) -> Storage {
        if self.f16_weights { Storage::F16_WEIGHTS } else { Storage::F32 }
    }

    /// What was asked for that only adapters have.
    pub(crate) fn need_adapter(self) -> Option<&'static str> {
        let f16 = self.f16_weights.then_some("--f16-weights is for adapters");
        f16.or(self.kernel.algorithm().and_then(need_adapter)).or(self.family.need_adapter())
    }

    /// The CPU executor has neither families nor f16: a wish for one is an error there.
    pub(crate) fn refuse_on_cpu(self) -> Result<()> {
        if self.f16_weights {
            bail!("--f16-weights: the CPU executor keeps weights in f32");
        }
        self.family.refuse_on_cpu()
    }
}

/// Which family of kernels.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct FamilyArgs {
    /// Which family of GPU kernels: auto takes the best that the device has
    #[arg(long, value_name = "FAMILY", default_value = AUTO, value_parser = parser())]
    family: Choice,

    /// Levels of Hankel products at most: 1 saves a quarter of the arithmetic for steps of C/2, 2 nearly half
    /// for steps of C/4, 0 forbids them; by default where they are expected to be faster
    #[arg(long, value_name = "0|1|2", value_parser = clap::value_parser!(u32).range(..=2))]
    hankel: Option<u32>,
}

const AUTO: &str = "auto";

/// A name that is in the library's list, or auto.
#[derive(Debug, Clone, Copy)]
struct Choice(Option<Family>);

fn parser() -> impl TypedValueParser<Value = Choice> {
    let value = |family: &Family| match family {
        Family::Software => PossibleValue::new(family.name()).alias(OLD_NAME_OF_SOFTWARE),
        _ => PossibleValue::new(family.name()),
    };
    let values = std::iter::once(PossibleValue::new(AUTO)).chain(Family::ALL.iter().map(value));
    PossibleValuesParser::new(values).map(|typed| {
        let name = if typed == OLD_NAME_OF_SOFTWARE { Family::Software.name() } else { &typed };
        Choice(Family::ALL.iter().copied().find(|family| family.name() == name))
    })
}

/// What it was called at first.
const OLD_NAME_OF_SOFTWARE: &str = "subgroup";

impl FamilyArgs {
    /// The library's name for it; `None` lets the plan choose.
    pub(crate) fn family(self) -> Option<Family> {
        self.family.0
    }

    /// `options` with the family and the Hankel products asked for.
    pub(crate) fn apply(self, options: PlanOptions) -> PlanOptions {
        options.with_family(self.family()).with_hankel_levels(self.hankel)
    }

    /// What was asked for that only adapters have.
    pub(crate) fn need_adapter(self) -> Option<&'static str> {
        let family = self.family().map(|_| "--family is for adapters");
        family.or(self.hankel.filter(|&levels| levels > 0).map(|_| "--hankel is for adapters"))
    }

    /// The CPU executor has neither: a wish for one is an error there.
    pub(crate) fn refuse_on_cpu(self) -> Result<()> {
        if let Some(levels @ 1..) = self.hankel {
            bail!("--hankel {levels}: the CPU executor knows no Hankel products");
        }
        match self.family() {
            Some(family) => bail!("--family {}: only GPUs have kernel families", family.name()),
            None => Ok(()),
        }
    }
}

/// Why an algorithm needs an adapter, where the CPU executor does not have it.
pub(crate) fn need_adapter(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Gather => Some("--kernel gather is for adapters"),
        Algorithm::Fused => Some("--kernel fused is for adapters"),
        _ => None,
    }
}

/// Which kernels compute the convolutions.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kernel {
    /// The cheapest that the device has, layer by layer
    #[default]
    Auto,
    /// Implicit GEMM on dense weights (the baseline)
    Dense,
    /// Implicit GEMM on weights read from the summary
    Gather,
    /// Partial products once a base, then accumulation
    Shared,
    /// The same in one pass, where the device's kernels can
    Fused,
}

impl Kernel {
    /// The library's name for it; `None` lets the plan choose.
    pub(crate) fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Auto => None,
            Self::Dense => Some(Algorithm::Dense),
            Self::Gather => Some(Algorithm::Gather),
            Self::Shared => Some(Algorithm::Shared),
            Self::Fused => Some(Algorithm::Fused),
        }
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        self.algorithm().map_or("auto", Algorithm::name)
    }
}
