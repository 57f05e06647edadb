//! Checks that the library compiles without warnings with each of its features alone.

use std::fs;
use std::path::Path;

use crate::shell;

pub(crate) fn check() -> Result<(), String> {
    let manifest = Path::new(shell::ROOT).join("Cargo.toml");
    let manifest = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let features = own(&manifest);
    if features.is_empty() {
        return Err("Cargo.toml: no features found".to_owned());
    }
    for feature in std::iter::once("").chain(features) {
        // The package is named: with it come the command line's features.
        let mut command = shell::cargo();
        command.args(["clippy", "--package", "filter-summary", "--lib", "--locked", "--no-default-features"]);
        command.args(["--features", feature, "--", "-D", "warnings"]);
        shell::run(&mut command)?;
    }
    Ok(())
}

/// The features that a manifest declares, but the default and those that only forward another crate's: with them the
/// library's own code is the same.
fn own(manifest: &str) -> Vec<&str> {
    let table = manifest.split_once("\n[features]\n").map_or("", |(_, rest)| rest);
    let table = table.split_once("\n[").map_or(table, |(table, _)| table);
    let features = table.lines().filter_map(|line| line.split_once(" = "));
    let is_own = |(name, value): &(&str, &str)| *name != "default" && !value.contains("wgpu/");
    features.filter(is_own).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn features_are_read_from_the_manifest() {
        let manifest = "[package]\n\n[features]\ndefault = [\"a\"]\n## What a is.\na = []\nb = [\"a\", \"dep:c\"]\n\
            vulkan = [\"wgpu/vulkan\"]\n\n[dependencies]\nd = \"1\"\n";
        assert_eq!(super::own(manifest), ["a", "b"]);
        assert_eq!(super::own("[package]\n"), [""; 0]);
    }
}
