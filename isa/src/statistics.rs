//! Compiles texts with the driver that the loader finds, and writes what it says of each.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::driver::{Driver, Executable};
use crate::fault::{Result, at};
use crate::translate::translate;

/// Files of WGSL, or folders of such, to `OUT/LABEL.json`, with the machine code, and `OUT/device.json`.
pub(crate) fn run(texts: &[PathBuf], out: &Path) -> Result<()> {
    fs::create_dir_all(out).map_err(at(out))?;
    let driver = Driver::open()?;
    let about = &driver.about;
    let device = json!({
        "device": about.device, "driver": about.driver, "workgroup_memory": about.workgroup_memory,
        "threads": about.threads, "subgroups": about.subgroups, "matrices": about.has_matrices,
        "f16": about.has_halves,
    });
    write(&out.join("device.json"), &device)?;
    for path in files(texts)? {
        let shader = translate(&path, about.spirv())?;
        let lacks = shader.has_matrices && !about.has_matrices || shader.has_halves && !about.has_halves;
        let lacks = lacks.then(|| "the device has not the matrices, or not the f16".to_owned());
        // Drivers without matrices crash on them.
        let compiled = lacks.map_or_else(|| driver.compile(&shader), Err);
        let mut result = match compiled.map(|executables| executables.into_iter().next()) {
            Ok(Some(executable)) => told(executable),
            Ok(None) => json!({"error": "the driver tells nothing"}),
            Err(error) => json!({ "error": error }),
        };
        result["label"] = json!(shader.label);
        result["threads"] = json!(shader.threads);
        result["workgroup_bytes"] = json!(shader.workgroup_bytes);
        write(&out.join(format!("{}.json", shader.label)), &result)?;
    }
    Ok(())
}

fn told(executable: Executable) -> Value {
    let Executable { name, subgroup, statistics, texts } = executable;
    let texts: Map<String, Value> = texts.into_iter().map(|(name, text)| (name, json!(text))).collect();
    json!({"executable": name, "subgroup": subgroup, "statistics": statistics, "texts": texts})
}

/// The files themselves, and those in the folders, by name.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in given {
        if path.is_file() {
            all.push(path.clone());
            continue;
        }
        for entry in fs::read_dir(path).map_err(at(path))? {
            all.push(entry.map_err(at(path))?.path());
        }
    }
    all.retain(|path| path.extension().is_some_and(|extension| extension == "wgsl"));
    all.sort();
    Ok(all)
}

fn write(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, value.to_string()).map_err(at(path))
}
