//! Tests in browsers: Chromium and Firefox, driven from Node.

use std::path::Path;
use std::process::Command;

use crate::serve::Server;
use crate::web::{Site, copy, copy_all};
use crate::{apt, dawn, shell};

/// The least version that what the tests use asks for: major and minor.
const NODE: [u32; 2] = [20, 19];

/// A file of tests that takes longer hangs: milliseconds.
const TIMEOUT: &str = "--test-timeout=600000";

const ADVICE: &str = "the tests in browsers need Node 20.19 or newer with npm, Chromium and Firefox: on Debian \
    apt-get install chromium firefox-esr, and nodejs from nodejs.org";

/// Programs, Debian's packages of them, and the oldest versions that tests have passed with: Firefox 140 has no WebGPU.
const PROGRAMS: [(&str, &str, u32); 2] = [("chromium", "chromium", 148), ("firefox-esr", "firefox-esr", 153)];

/// Serves the site, and runs `web/tests` on it.
pub(crate) fn test(site: &Site) -> Result<(), String> {
    check_node()?;
    let missing = PROGRAMS.iter().filter(|(program, _, least)| version(program).is_none_or(|version| version < *least));
    let missing: Vec<&str> = missing.map(|&(_, package, _)| package).collect();
    if !missing.is_empty() {
        println!("xtask: installing {}", missing.join(" and "));
        apt::install_newest(&missing, ADVICE)?;
    }
    let root = Path::new(shell::ROOT);
    let tests = root.join("web/tests");
    // What pages of the tests fetch.
    let fetched = site.pages().join("tests");
    copy_all(&tests.join("pages"), &fetched)?;
    copy_all(&root.join("tests/data"), &fetched)?;
    copy(&root.join("cli/tests/data/progressive.jpg"), &fetched.join("progressive.jpg"))?;
    shell::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&tests))?;
    let mut prettier = shell::program(tests.join("node_modules/.bin/prettier"));
    prettier.args(["--check", "--log-level=warn", "--ignore-path=../.prettierignore", ".."]).current_dir(&tests);
    shell::run(&mut prettier)?;
    let dawn = dawn::prepare(&site.dawn())?;
    let (server, pages) = (Server::new(0)?, site.pages());
    let address = server.address();
    std::thread::spawn(move || server.run(&pages));
    let mut command = shell::program("node");
    // Two files at a time: browsers wait much, and Dawn has one thread.
    command.args(["--test", "--test-concurrency=2", "--test-reporter=spec", TIMEOUT]).current_dir(&tests);
    command.env("FS_SITE", address).env("FS_PACKAGE", site.package()).envs(dawn);
    shell::run(&mut command)
}

/// The major version that a browser says it has: the first number of `Mozilla Firefox 153.8.0esr`.
fn version(program: &str) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

fn check_node() -> Result<(), String> {
    let version = Command::new("node").arg("--version").output().map_err(|_| ADVICE.to_owned())?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let numbers = version.trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    if numbers.take(2).ge(NODE) { Ok(()) } else { Err(format!("node is {version}: {ADVICE}")) }
}
