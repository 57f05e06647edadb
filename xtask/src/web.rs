//! The package for browsers: built, served, tested.

use std::fs;
use std::path::{Path, PathBuf};

use crate::serve::Server;
use crate::toolchain::{self, TARGET, Toolchain};
use crate::{browsers, shell};

const PORT: u16 = 8000;

/// A WebAssembly module.
pub(crate) struct Module {
    /// The crate it is.
    pub(crate) package: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// Of the crate, what it has.
    pub(crate) features: &'static str,
    /// Compiler flags: `-C target-feature=..`.
    pub(crate) flags: &'static str,
    /// What the profile `web` leaves to be said.
    pub(crate) optimise: &'static str,
}

const PACKAGE: &str = "filter-summary-web";

/// What runs on a GPU is downloaded first, and should be small; what computes should be fast.
const MODULES: [Module; 2] = [
    Module { package: PACKAGE, name: "gpu", features: "gpu", flags: "", optimise: "z" },
    Module { package: PACKAGE, name: "cpu", features: "cpu", flags: "-C target-feature=+simd128", optimise: "3" },
];

/// `build`, `serve [PORT]`, `test`, or nothing: build and test.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => build().and_then(|site| browsers::test(&site)),
        [what] if what == "build" => build().map(|_| ()),
        [what] if what == "test" => browsers::test(&Site::new()),
        [what, rest @ ..] if what == "serve" && rest.len() < 2 => {
            let port = rest.first().map_or(Ok(PORT), |port| port.parse());
            let server = Server::new(port.map_err(|_| format!("{} is no port", rest[0]))?)?;
            let site = build()?;
            println!("\nxtask: {} shows the demonstration; Ctrl-C ends it", server.address());
            server.run(&site.pages());
            Ok(())
        }
        _ => Err("web takes nothing, build, serve [PORT] or test".to_owned()),
    }
}

/// Where everything is built.
pub(crate) struct Site {
    folder: PathBuf,
}

impl Site {
    fn new() -> Self {
        Self { folder: shell::target().join("web") }
    }

    /// What `npm install` takes.
    pub(crate) fn package(&self) -> PathBuf {
        self.folder.join("package")
    }

    /// What tests on Dawn read.
    pub(crate) fn dawn(&self) -> PathBuf {
        self.folder.join("dawn")
    }

    /// The demonstration, to be served.
    pub(crate) fn pages(&self) -> PathBuf {
        self.folder.join("site")
    }
}

/// Builds package and pages.
fn build() -> Result<Site, String> {
    let (site, root, toolchain) = (Site::new(), Path::new(shell::ROOT), toolchain::find()?);
    let package = site.package();
    renew(&package)?;
    for module in &MODULES {
        compile(&toolchain, module, &package.join("wasm"))?;
    }
    copy_all(&root.join("web/package"), &package)?;
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&root.join(license), &package.join(license))?;
    }
    let pages = site.pages();
    renew(&pages)?;
    copy_all(&root.join("web/demo"), &pages)?;
    copy_all(&package, &pages.join("filter-summary"))?;
    copy_all(&root.join("models"), &pages.join("models"))?;
    fs::rename(pages.join("models/images"), pages.join("samples")).map_err(|error| format!("samples: {error}"))?;
    println!("xtask: the package is in {}, the demonstration in {}", package.display(), pages.display());
    Ok(site)
}

/// Compiles a crate for browsers, and makes what JavaScript imports.
pub(crate) fn compile(toolchain: &Toolchain, module: &Module, folder: &Path) -> Result<(), String> {
    let target = shell::target().join("wasm");
    let mut command = toolchain.linking()?;
    command.args(["build", "--package", module.package, "--lib", "--locked", "--profile", "web", "--target", TARGET]);
    command.args(["--no-default-features", "--features", module.features]).arg("--target-dir").arg(&target);
    command.env("RUSTFLAGS", module.flags).env("CARGO_PROFILE_WEB_OPT_LEVEL", module.optimise);
    shell::run(&mut command)?;
    let built = target.join(TARGET).join("web").join(format!("{}.wasm", module.package.replace('-', "_")));
    let mut command = shell::cargo();
    command.args(["run", "--quiet", "--package", "bindgen", "--locked", "--"]);
    shell::run(command.arg(built).arg(folder).arg(module.name))
}

/// An empty folder.
pub(crate) fn renew(folder: &Path) -> Result<(), String> {
    let shown = |error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(shown)?;
    }
    fs::create_dir_all(folder).map_err(shown)
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(|_| ()).map_err(|error| format!("{}: {error}", from.display()))
}

/// Copies what is in a folder, and in those in it.
pub(crate) fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let entries = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for entry in entries.flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy_all(&path, &to)? } else { copy(&path, &to)? }
    }
    Ok(())
}
