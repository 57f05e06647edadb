//! Writes the results: each file beside its place, then renamed, so that no half of one is ever seen.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::model::Comparison;
use crate::{charts, markdown};

/// `bench.json`, `bench.md`, `ratios.svg` and, where the peaks are known, `roofline.svg`.
pub(crate) fn write(comparison: &Comparison, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    file(&directory.join("bench.json"), &(serde_json::to_string_pretty(comparison)? + "\n"))?;
    file(&directory.join("ratios.svg"), &charts::ratios(comparison)?)?;
    let roofline = charts::roofline(comparison)?;
    if let Some(roofline) = &roofline {
        file(&directory.join("roofline.svg"), roofline)?;
    }
    file(&directory.join("bench.md"), &markdown::page(comparison, roofline.is_some()))
}

/// Writes one of them.
pub(crate) fn file(path: &Path, text: &str) -> Result<()> {
    let name = || path.display().to_string();
    let directory = path.parent().with_context(name)?;
    let mut file = tempfile::Builder::new().prefix(".bench").tempfile_in(directory).with_context(name)?;
    file.write_all(text.as_bytes()).with_context(name)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).with_context(name)?;
    }
    file.persist(path).with_context(name)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::comparison;

    #[test]
    fn results_are_four_files_and_can_be_rendered_again() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("adapter");
        write(&comparison(), &out).unwrap();
        let names = || {
            let mut names: Vec<String> = std::fs::read_dir(&out)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["bench.json", "bench.md", "ratios.svg", "roofline.svg"]);
        let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        let (json, page) = (read("bench.json"), read("bench.md"));
        let again: Comparison = serde_json::from_str(&json).unwrap();
        write(&again, &out).unwrap();
        assert_eq!((read("bench.json"), read("bench.md")), (json, page));
        assert_eq!(names().len(), 4);
    }
}
