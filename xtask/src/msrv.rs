//! Checks the declared minimum supported Rust version, as well as that can be done offline.

use std::process::Command;

use crate::shell;

/// A package of `cargo metadata`, as far as this chore cares.
struct Package {
    name: String,
    version: String,
    rust_version: Option<String>,
}

/// Compares every dependency's `rust-version` with ours, and compiles with that toolchain when rustup has it.
pub(crate) fn check() -> Result<(), String> {
    let mut command = shell::cargo();
    let metadata = shell::output(command.args(["metadata", "--format-version", "1", "--all-features", "--locked"]))?;
    let packages = packages(&metadata);
    let own = packages.iter().find(|package| package.name == "filter-summary");
    let ours = own.and_then(|package| package.rust_version.clone()).ok_or("filter-summary declares no rust-version")?;
    let newer: Vec<String> = packages
        .iter()
        .filter_map(|package| package.rust_version.as_ref().map(|needed| (package, needed)))
        .filter(|(_, needed)| number(needed) > number(&ours))
        .map(|(package, needed)| format!("{} {} needs Rust {needed}", package.name, package.version))
        .collect();
    if !newer.is_empty() {
        return Err(format!("the workspace declares Rust {ours}, but {}", newer.join(", ")));
    }
    let declared = packages.iter().filter(|package| package.rust_version.is_some()).count();
    println!("xtask: {} packages, {declared} declare a Rust version, none newer than ours, {ours}", packages.len());
    let toolchain = format!("+{ours}");
    if shell::succeeds("cargo", &[&toolchain, "--version"]) {
        // RUSTUP_TOOLCHAIN, which rustup sets for chores, would override the choice.
        let mut command = Command::new("cargo");
        command.env_remove("RUSTUP_TOOLCHAIN").current_dir(shell::ROOT);
        shell::run(command.args([&toolchain, "check", "--workspace", "--locked"]))
    } else {
        println!(
            "xtask: Rust {ours} is not installed (rustup toolchain install {ours}): the code was not compiled with it"
        );
        Ok(())
    }
}

/// Scans the metadata's text: a package begins `{"name":"N","version":"V","id":`,
/// and every one has a `"rust_version":`.
fn packages(metadata: &str) -> Vec<Package> {
    let mut packages = Vec::new();
    for object in metadata.split("{\"name\":\"").skip(1) {
        // Dependencies and features are objects with a name too, but what follows it is another key.
        let Some((name, rest)) = object.split_once('"') else { continue };
        let Some(version) = rest.strip_prefix(",\"version\":\"").and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        packages.push(Package { name: name.to_owned(), version: version.to_owned(), rust_version: None });
    }
    // In the same order: the key closes each package's object, after its dependencies.
    let versions = metadata.split("\"rust_version\":").skip(1);
    for (package, rest) in packages.iter_mut().zip(versions) {
        package.rust_version = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned);
    }
    packages
}

/// `1.88` and `1.88.0` compare equal.
fn number(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_packages_from_metadata() {
        let metadata = concat!(
            r#"{"packages":[{"name":"a","version":"1.0.0","id":"x","dependencies":[{"name":"b","source":null}],"#,
            r#""rust_version":"1.70"},{"name":"b","version":"2.1.0","id":"y","rust_version":null}]}"#
        );
        let packages = packages(metadata);
        assert_eq!(packages.len(), 2);
        assert_eq!((packages[0].name.as_str(), packages[0].rust_version.as_deref()), ("a", Some("1.70")));
        assert_eq!((packages[1].version.as_str(), packages[1].rust_version.as_deref()), ("2.1.0", None));
    }

    #[test]
    fn orders_versions_by_number() {
        assert!(number("1.100") > number("1.88"));
        assert_eq!(number("1.88"), number("1.88.0"));
    }
}
