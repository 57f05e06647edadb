//! What plans predict of their dispatches, beside what is predicted from the machine code of the same dispatches
//! (`benches/results/isa-*/table.json`).

use std::path::Path;

use serde_json::Value;

use super::by_gpu::{KINDS, each, name, problem};
use super::gpu;
use crate::method::algorithm::Algorithm;
use crate::plan::{Plan, PlanOptions};

/// The newest table.
fn table() -> Value {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    let folders = std::fs::read_dir(results).expect("the results").map(|entry| entry.expect("an entry").path());
    let tables = folders.map(|folder| folder.join("table.json")).filter(|path| path.exists());
    let text = std::fs::read_to_string(tables.max().expect("a table of machine code")).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

/// Seconds by the plan and by the machine code, of every dispatch that the table has with the same kernel.
fn pairs() -> Vec<(String, [f64; 2])> {
    let table = table();
    let rows = table["steps"].as_array().expect("a list");
    let mut found = Vec::new();
    for (gpu, layer, batch) in each() {
        for (family, storage) in KINDS {
            for algorithm in Algorithm::ALL {
                let options = PlanOptions::new().with_family(family).with_storage(storage).with_algorithm(*algorithm);
                let Ok(plan) = Plan::new(&problem(layer, batch), &gpu.target, options) else { continue };
                for (number, (step, planned)) in plan.steps().iter().zip(plan.predictions()).enumerate() {
                    let key = [&gpu.name, &name(layer), family.name(), algorithm.name()];
                    let label = step.description.label();
                    let is_it = |row: &&Value| {
                        key == ["gpu", "layer", "family", "algorithm"].map(|name| row[name].as_str().expect("a name"))
                            && [row["batch"].as_u64(), row["step"].as_u64()] == [batch, number].map(|n| Some(n as u64))
                            && row["label"].as_str() == Some(&label)
                            && row["workgroups"].as_u64() == Some(step.workgroups())
                    };
                    let counted = rows.iter().find(is_it).and_then(|row| row["prediction"]["time"].as_f64());
                    let name = format!("{} {} x{batch} {} {label}", gpu.name, self::name(layer), algorithm.name());
                    found.extend(counted.map(|counted| (name, [planned.seconds(), counted])));
                }
            }
        }
    }
    found
}

/// Plans know no machine code: they are near it, which is what ranks tiles and algorithms as it would.
#[test]
fn plans_predict_what_machine_code_does() {
    let pairs = pairs();
    assert!(pairs.len() > 100, "{} dispatches of the table are those of plans", pairs.len());
    let ratio = |[planned, counted]: [f64; 2]| planned / counted;
    let off: Vec<_> = pairs.iter().filter(|(_, pair)| !(0.6..1.6).contains(&ratio(*pair))).collect();
    assert!(off.len() * 50 <= pairs.len(), "more than one in fifty is far off: {off:#?}");
    for gpu in gpu::all() {
        let of_gpu: Vec<f64> =
            pairs.iter().filter(|(name, _)| name.starts_with(&gpu.name)).map(|(_, pair)| ratio(*pair).ln()).collect();
        let mean = (of_gpu.iter().sum::<f64>() / of_gpu.len().max(1) as f64).exp();
        assert!((0.85..1.18).contains(&mean), "{}: {mean} of what machine code is expected to take", gpu.name);
    }
}
