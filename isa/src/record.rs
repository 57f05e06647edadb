//! The record: what was counted with one version of Mesa, as `table.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::fault::{Result, at};
use crate::plans::{Dispatch, Step};
use crate::predict::Prediction;
use crate::variant::Variant;

/// Everything counted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// GPUs and what the drivers call themselves.
    pub(crate) drivers: Vec<[String; 2]>,
    /// Faults that are known.
    pub(crate) known: Vec<Fault>,
    pub(crate) variants: Vec<Variant>,
    pub(crate) steps: Vec<Row>,
}

/// What is predicted of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) dispatch: Dispatch,
    pub(crate) prediction: Option<Prediction>,
}

/// What a variant of a plan must not do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) gpu: String,
    pub(crate) label: String,
    pub(crate) what: What,
    /// Spills, registers, per cent.
    pub(crate) found: f64,
    /// Registers assumed, per cent recorded.
    pub(crate) expected: f64,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    Spills,
    Registers,
    Share,
    /// Of the peak of matrices.
    Matrices,
}

/// Per cent that a share may lose.
const TOLERANCE: f64 = 3.0;

impl Fault {
    /// In a line.
    pub(crate) fn line(&self) -> String {
        let Self { gpu, label, what, found, expected } = self;
        match what {
            What::Spills => format!("{gpu} {label}: {found} spills"),
            What::Registers => format!("{gpu} {label}: {found} registers, and plans assume {expected}"),
            What::Share => format!("{gpu} {label}: {found} % multiply-adds, and {expected} % are recorded"),
            What::Matrices => format!("{gpu} {label}: {found} % of matrices, and {expected} % are recorded"),
        }
    }

    /// No worse than one that is known.
    fn is_known(&self, known: &[Self]) -> bool {
        let same = |other: &&Self| (&other.gpu, &other.label, other.what) == (&self.gpu, &self.label, self.what);
        known.iter().any(|other| same(&other) && self.found <= other.found)
    }
}

impl Record {
    /// `None` where there is no file yet.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(path).map_err(at(path))?;
        serde_json::from_str(&text).map(Some).map_err(at(path))
    }

    /// An entry a line, for whoever compares two.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let parts = [
            ("drivers", lines(&self.drivers)),
            ("known", lines(&self.known)),
            ("variants", lines(&self.variants)),
            ("steps", lines(&self.steps)),
        ];
        let part = |(name, lines): (&str, serde_json::Result<String>)| Ok(format!("\"{name}\": [\n{}\n]", lines?));
        let parts = parts.into_iter().map(part).collect::<serde_json::Result<Vec<_>>>().map_err(at(path))?;
        fs::write(path, format!("{{\n{}\n}}\n", parts.join(",\n"))).map_err(at(path))
    }

    pub(crate) fn has(&self, gpu: &str) -> bool {
        self.drivers.iter().any(|[name, _]| name == gpu)
    }

    /// Takes over what another says of GPUs that this one has not.
    pub(crate) fn keep(&mut self, other: Self) {
        let missing: Vec<[String; 2]> = other.drivers.into_iter().filter(|[name, _]| !self.has(name)).collect();
        let is_missing = |gpu: &str| missing.iter().any(|[name, _]| name == gpu);
        self.known.extend(other.known.into_iter().filter(|fault| is_missing(&fault.gpu)));
        self.variants.extend(other.variants.into_iter().filter(|variant| is_missing(&variant.gpu)));
        self.steps.extend(other.steps.into_iter().filter(|row| is_missing(&row.dispatch.gpu)));
        self.drivers.extend(missing);
    }
}

fn lines<T: Serialize>(all: &[T]) -> serde_json::Result<String> {
    let lines = all.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
    Ok(lines.join(",\n"))
}

/// Spills, and registers beyond what plans assume.
pub(crate) fn faults(variants: &[Variant], steps: &[Step]) -> Vec<Fault> {
    let of_variant = |variant: &Variant| {
        let fault = |what, found: u32, expected: u32| Fault {
            gpu: variant.gpu.clone(),
            label: variant.label.clone(),
            what,
            found: found.into(),
            expected: expected.into(),
        };
        let assumed = steps.iter().find(|step| step.dispatch.label == variant.label).and_then(|step| step.registers);
        let spills = (variant.spills > 0).then(|| fault(What::Spills, variant.spills, 0));
        let registers = variant.registers.zip(assumed).filter(|(found, assumed)| found > assumed);
        let registers = registers.map(|(found, assumed)| fault(What::Registers, found, assumed));
        [spills, registers]
    };
    variants.iter().flat_map(of_variant).flatten().collect()
}

/// Shares that fell.
pub(crate) fn fallen(variants: &[Variant], recorded: &[Variant]) -> Vec<Fault> {
    let of_variant = |variant: &Variant| {
        let before = recorded.iter().find(|other| (&other.gpu, &other.label) == (&variant.gpu, &variant.label));
        let shares = |variant: &Variant| [(What::Share, variant.share), (What::Matrices, variant.matrix_share)];
        let pairs = before.map(|before| shares(variant).into_iter().zip(shares(before))).into_iter().flatten();
        let fell = pairs.filter_map(|((what, found), (_, expected))| {
            let (found, expected) = (found?, expected?);
            let fault = Fault { gpu: variant.gpu.clone(), label: variant.label.clone(), what, found, expected };
            (found <= expected - TOLERANCE).then_some(fault)
        });
        fell.collect::<Vec<_>>()
    };
    variants.iter().flat_map(of_variant).collect()
}

/// Where a plan has another variant now than in the record, both shares: no fault, as another tile may be right.
pub(crate) fn replaced(now: &Record, recorded: &Record) -> Vec<String> {
    let share = |record: &Record, gpu: &str, label: &str| {
        let variant = record.variants.iter().find(|variant| variant.gpu == gpu && variant.label == label)?;
        variant.matrix_share.or(variant.share)
    };
    let of_row = |Row { dispatch: row, .. }: &Row| {
        let before = recorded.steps.iter().map(|other| &other.dispatch).find(|other| other.is(row))?;
        let (found, expected) = (share(now, &row.gpu, &row.label)?, share(recorded, &row.gpu, &before.label)?);
        let line = format!("{}: {found} %, {}, for {expected} %, {}", row.gpu, row.label, before.label);
        (before.label != row.label).then_some(line)
    };
    let lines: BTreeSet<String> = now.steps.iter().filter_map(of_row).collect();
    lines.into_iter().collect()
}

/// Those that nobody knows of yet.
pub(crate) fn unknown(faults: Vec<Fault>, known: &[Fault]) -> Vec<Fault> {
    faults.into_iter().filter(|fault| !fault.is_known(known)).collect()
}

#[cfg(test)]
mod tests;
