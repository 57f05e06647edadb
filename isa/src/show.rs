//! What was counted of texts that no plan asks for, a line each.

use std::fs;
use std::path::Path;

use crate::fault::{Result, at};
use crate::gpus;
use crate::told::Told;
use crate::variant::Variant;

/// All of `CODE/GPU/LABEL.json`.
pub(crate) fn run(code: &Path) -> Result<()> {
    println!("{:40} {:9} registers waves spills instructions share matrices B waited slots/output", "text", "GPU");
    for gpu in gpus::all()?.iter().filter(|gpu| code.join(&gpu.name).is_dir()) {
        let folder = code.join(&gpu.name);
        let mut labels = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let name = entry.map_err(at(&folder))?.file_name().to_string_lossy().into_owned();
            labels.extend(name.strip_suffix(".json").filter(|label| *label != "device").map(str::to_owned));
        }
        labels.sort();
        for label in labels {
            let told = Told::read(&folder, &label)?;
            if let Some(error) = &told.error {
                println!("{label:40} {:9} {error}", gpu.name);
                continue;
            }
            let program = told.program(gpu.compiler);
            // Of 3x3: what most layers have.
            let variant = Variant::new(gpu, &label, &told, program.as_ref(), 9);
            let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
            let decimal = |number: Option<f64>| number.map_or("-".to_owned(), |number| number.to_string());
            let waited = number(variant.main.map(|main| main.loads_waited_for));
            let [registers, waves, instructions] = [variant.registers, variant.waves, variant.instructions].map(number);
            let [share, matrices, bytes, slots] =
                [variant.share, variant.matrix_share, variant.bytes_a_multiply_add, variant.slots_an_output]
                    .map(decimal);
            let spills = variant.spills;
            print!("{label:40} {:9} {registers:>9} {waves:>5} {spills:>6} {instructions:>12} ", gpu.name);
            println!("{share:>5} {matrices:>8} {bytes:>4} {waited:>6} {slots:>6}");
        }
    }
    Ok(())
}
