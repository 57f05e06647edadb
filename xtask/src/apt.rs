//! Installing packages of Debian's and Ubuntu's.

use std::process::Command;

use crate::shell;

/// Installs packages as root or with sudo; `advice` says what to do where that cannot be.
pub(crate) fn install(packages: &[&str], advice: &str) -> Result<(), String> {
    install_from(packages, advice, false)
}

/// The same in their newest versions: package lists of weeks ago have older ones.
pub(crate) fn install_newest(packages: &[&str], advice: &str) -> Result<(), String> {
    install_from(packages, advice, true)
}

fn install_from(packages: &[&str], advice: &str, newest: bool) -> Result<(), String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !shell::succeeds("apt-get", &["--version"]) || !(root || shell::succeeds("sudo", &["-n", "true"])) {
        return Err(advice.to_owned());
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root { Command::new("env") } else { Command::new("sudo") };
        if !root {
            command.args(["-n", "env"]);
        }
        shell::run(command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]).args(arguments))
    };
    // Nothing that is there is removed: what conflicts with it is not installed.
    let install = [&["install", "--yes", "--no-remove", "--no-install-recommends"][..], packages].concat();
    if newest && let Err(error) = apt(&["update"]) {
        println!("xtask: package lists stay as they are: {error}");
    }
    // A bare machine has no package lists yet, a stale one has old ones.
    apt(&install)
        .or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
        .map_err(|error| format!("{error}\n{advice}"))
}
