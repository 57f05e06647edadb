//! Mesa of a newer Debian, unpacked beside the system's: its Vulkan drivers, their null devices and their libc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell;

const PACKAGES: [&str; 3] = ["mesa-vulkan-drivers", "mesa-drm-shim", "libvulkan1"];

/// The release that has a Mesa with all the null devices, and where.
const RELEASES: [&str; 2] = ["trixie", "trixie-backports"];

/// Where the machine names no mirror of its own.
const MIRROR: &str = "http://deb.debian.org/debian/";

const LIBRARIES: &str = "root/usr/lib/x86_64-linux-gnu";

/// Drivers that are there.
pub(crate) struct Drivers {
    folder: PathBuf,
    /// Mesa's, without Debian's revision.
    pub(crate) version: String,
}

/// The drivers in `folder`, fetched when they are missing; else why there are none.
pub(crate) fn ensure(folder: &Path) -> Result<Drivers, String> {
    let found = |folder: &Path| {
        let version = fs::read_to_string(folder.join("version")).ok()?;
        Some(Drivers { folder: folder.canonicalize().ok()?, version: version.trim().to_owned() })
    };
    if let Some(drivers) = found(folder) {
        return Ok(drivers);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("Mesa's null devices are fetched for Linux on x86-64 only".to_owned());
    }
    if !["apt-get", "dpkg"].iter().all(|program| shell::succeeds(program, &["--version"])) {
        return Err("no apt-get and dpkg to fetch Mesa with".to_owned());
    }
    println!("xtask: fetching {} of {} into {}", PACKAGES.join(", "), RELEASES[1], folder.display());
    fetch(folder).map_err(|error| format!("Mesa cannot be fetched: {}", error.replace('\n', " ")))?;
    found(folder).ok_or_else(|| "the packages have no version".to_owned())
}

/// As root or not: nothing of the system is touched.
fn fetch(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for part in ["lists/partial", "cache/archives/partial", "root"] {
        fs::create_dir_all(folder.join(part)).map_err(failed)?;
    }
    let folder = &folder.canonicalize().map_err(failed)?;
    let mirror = mirror();
    let sources: String = RELEASES.iter().map(|release| format!("deb {mirror} {release} main\n")).collect();
    let own = folder.display();
    let options = format!(
        "APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\nAPT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\nAPT::Default-Release \"{}\";\nAcquire::Retries \"1\";\n\
         Dir::Etc::sourcelist \"{own}/sources.list\";\nDir::Etc::sourceparts \"-\";\nDir::State \"{own}\";\n\
         Dir::State::Lists \"{own}/lists\";\nDir::State::status \"{own}/status\";\nDir::Cache \"{own}/cache\";\n",
        RELEASES[1]
    );
    for (name, text) in [("sources.list", sources.as_str()), ("apt.conf", &options), ("status", "")] {
        fs::write(folder.join(name), text).map_err(failed)?;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        quietly(command.env("APT_CONFIG", folder.join("apt.conf")).arg("-qq").args(arguments))
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--download-only"][..], &PACKAGES].concat())?;
    let mut version = None;
    for entry in fs::read_dir(folder.join("cache/archives")).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            quietly(Command::new("dpkg").arg("-x").arg(&path).arg(folder.join("root")))?;
            version = version.or_else(|| version_of(&path.file_name()?.to_string_lossy()));
        }
    }
    // Last: with it the rest is there.
    fs::write(folder.join("version"), version.ok_or("no mesa-vulkan-drivers among the packages")?).map_err(failed)
}

/// `26.1.6` of `mesa-vulkan-drivers_26.1.6-1~bpo13+1_amd64.deb`.
fn version_of(file: &str) -> Option<String> {
    let version = file.strip_prefix("mesa-vulkan-drivers_")?.split('_').next()?;
    Some(version.split('-').next().unwrap_or(version).to_owned())
}

/// The Debian mirror that the machine uses.
fn mirror() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).stderr(Stdio::null());
    let listed = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let is_debian = |line: &&str| line.trim_end_matches('/').ends_with("/debian");
    listed.ok().and_then(|lines| lines.lines().find(is_debian).map(str::to_owned)).unwrap_or(MIRROR.to_owned())
}

fn quietly(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", told.lines().last().unwrap_or("it says nothing")))
}

impl Drivers {
    /// The library that makes a null device; `None` where no package has it and nobody built it into `target/isa`.
    pub(crate) fn shim(&self, name: &str) -> Option<PathBuf> {
        let file = format!("lib{name}_noop_drm_shim.so");
        let places = [self.folder.join(LIBRARIES), self.folder.clone()];
        places.into_iter().map(|place| place.join(&file)).find(|path| path.is_file())
    }

    /// A program under a driver of these, by their own loader, since their libc is newer than the system's may be.
    pub(crate) fn program(&self, driver: &str, shim: &Path, program: &Path) -> Result<Command, String> {
        let libraries = self.folder.join(LIBRARIES);
        let library = libraries.join(format!("libvulkan_{driver}.so"));
        let icd = self.folder.join(format!("{driver}.json"));
        let text = format!(
            "{{\"file_format_version\": \"1.0.1\", \"ICD\": {{\"library_path\": \"{}\", \"api_version\": \"1.4.300\"}}}}",
            library.display()
        );
        // Where it is there, somebody may be reading it.
        if fs::read_to_string(&icd).ok().is_none_or(|there| there != text) {
            fs::write(&icd, text).map_err(|error| format!("{}: {error}", icd.display()))?;
        }
        let mut command = shell::program(libraries.join("ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(&libraries).arg("--preload").arg(shim).arg(program);
        command.env("VK_DRIVER_FILES", &icd).env("VK_ICD_FILENAMES", &icd);
        // No layer that chooses a device, and nothing from an earlier run.
        command.env("NODEVICE_SELECT", "1").env("MESA_SHADER_CACHE_DISABLE", "1");
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn versions_are_mesas() {
        let version = |file| version_of(file);
        assert_eq!(version("mesa-vulkan-drivers_26.1.6-1~bpo13+1_amd64.deb").as_deref(), Some("26.1.6"));
        assert_eq!(version("mesa-drm-shim_26.1.6-1~bpo13+1_amd64.deb"), None);
    }
}
