//! Reads what drivers told of all variants, counts, predicts, writes the table, and compares it with the recorded one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fault::{Result, at};
use crate::gpus::{self, Gpu};
use crate::plans::{self, Step};
use crate::predict::predict;
use crate::record::{Fault, Record, Row, fallen, faults, replaced, unknown};
use crate::table;
use crate::told::Told;
use crate::variant::Variant;

/// `plans.jsonl` and `CODE/GPU/LABEL.json` to `RESULTS/table.json` and `.md`, which are written with `write`, and else
/// compared.
/// What was found now lies beside the code in any case.
pub(crate) fn run(plans: &Path, code: &Path, results: &Path, write: bool) -> Result<()> {
    let Found { mut record, steps, mut errors } = count(plans, code)?;
    let recorded_at = results.join("table.json");
    let recorded = Record::read(&recorded_at)?.unwrap_or_default();
    let found = faults(&record.variants, &steps);
    let fell = fallen(&record.variants, &recorded.variants);
    let new = [unknown(found.clone(), &recorded.known), fell].concat();
    record.known = found;
    replaced(&record, &recorded).iter().for_each(|line| println!("isa: {line}"));
    if write {
        record.keep(recorded);
    }
    let gpus: Vec<Gpu> = gpus::all()?.into_iter().filter(|gpu| record.has(&gpu.name)).collect();
    let page = table::page(&gpus, &record, &steps);
    let to = if write { results } else { code };
    fs::create_dir_all(to).map_err(at(to))?;
    record.write(&to.join("table.json"))?;
    fs::write(to.join("table.md"), page).map_err(at(to))?;
    println!(
        "isa: {} variants of {} GPUs: {}",
        record.variants.len(),
        record.drivers.len(),
        to.join("table.md").display()
    );
    if errors.is_empty() && (write || new.is_empty()) {
        let known = record.known.len();
        println!("isa: {known} faults are known: spills, or more registers than plans assume");
        return Ok(());
    }
    errors.extend(new.iter().filter(|_| !write).map(Fault::line));
    errors.iter().for_each(|error| eprintln!("isa: {error}"));
    Err(format!("{} faults that {} does not list", errors.len(), recorded_at.display()))
}

/// What was counted of texts.
pub(crate) struct Found {
    pub(crate) record: Record,
    steps: Vec<Step>,
    /// Texts that are not compiled, or code that is not understood.
    pub(crate) errors: Vec<String>,
}

/// Counts and predicts all of `plans.jsonl` and `CODE/GPU/LABEL.json`.
pub(crate) fn count(plans: &Path, code: &Path) -> Result<Found> {
    let steps = plans::read(plans)?;
    let (mut record, mut errors) = (Record::default(), Vec::new());
    for gpu in gpus::all()?.iter().filter(|gpu| code.join(&gpu.name).is_dir()) {
        let folder = code.join(&gpu.name);
        let (driver, differences) = driver(gpu, &folder)?;
        record.drivers.push([gpu.name.clone(), driver]);
        errors.extend(differences);
        let of_gpu: Vec<&Step> = steps.iter().filter(|step| step.dispatch.gpu == gpu.name).collect();
        let labels: BTreeSet<&str> = of_gpu.iter().map(|step| step.dispatch.label.as_str()).collect();
        for label in labels {
            let told = Told::read(&folder, label)?;
            let program = told.program(gpu.compiler);
            errors.extend(told.error.iter().map(|error| format!("{} {label}: {error}", gpu.name)));
            if told.error.is_some() {
                continue;
            }
            // Nothing of what was there to be read is known.
            if program.as_ref().is_none_or(|program| program.operations.is_empty()) {
                errors.push(format!("{} {label}: the driver's machine code is not understood", gpu.name));
            }
            // Steps with the same label are of one kernel, most of them of layers with the same window.
            let taps =
                of_gpu.iter().filter(|step| step.dispatch.label == label).map(|step| step.taps).max().unwrap_or(0);
            let variant = Variant::new(gpu, label, &told, program.as_ref(), taps);
            for step in of_gpu.iter().filter(|step| step.dispatch.label == label) {
                let prediction = program.as_ref().and_then(|program| predict(gpu, step, &variant, program));
                record.steps.push(Row { dispatch: step.dispatch.clone(), prediction });
            }
            record.variants.push(variant);
        }
    }
    if record.variants.is_empty() {
        return Err(format!("{}: no GPU's statistics", code.display()));
    }
    let order = |row: &Row| steps.iter().position(|step| step.dispatch.is(&row.dispatch));
    record.steps.sort_by_cached_key(order);
    Ok(Found { record, steps, errors })
}

/// What the driver calls itself, and where its limits are not those that plans were told.
fn driver(gpu: &Gpu, folder: &Path) -> Result<(String, Vec<String>)> {
    let path = folder.join("device.json");
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let told: Value = serde_json::from_str(&text).map_err(at(&path))?;
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let pairs = [
        ("workgroup memory", number(&told["workgroup_memory"]), gpu.workgroup_memory),
        ("threads", number(&told["threads"]), gpu.threads),
        ("fewest lanes", number(&told["subgroups"][0]), gpu.subgroups[0]),
        ("most lanes", number(&told["subgroups"][1]), gpu.subgroups[1]),
    ];
    let differences = pairs.into_iter().filter(|(_, told, planned)| told != planned);
    let line = |(what, told, planned)| format!("{}: {what}: the driver has {told}, and plans {planned}", gpu.name);
    let name = |key: &str| told[key].as_str().unwrap_or_default().trim().to_owned();
    Ok((format!("{}, {}", name("device"), name("driver")), differences.map(line).collect()))
}
