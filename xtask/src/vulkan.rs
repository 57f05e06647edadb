//! Makes sure that there is something for wgpu to run on.

use std::env;
use std::path::{Path, PathBuf};

use crate::apt;

const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

const ADVICE: &str = "\
no Vulkan adapter found, and the tests run their kernels on a real one. Install Mesa's software Vulkan:
  Debian, Ubuntu   sudo apt-get install mesa-vulkan-drivers libvulkan1
  Fedora           sudo dnf install mesa-vulkan-drivers vulkan-loader
  Arch             sudo pacman -S vulkan-swrast vulkan-icd-loader
  Alpine           sudo apk add mesa-vulkan-swrast vulkan-loader
or set VK_DRIVER_FILES to the JSON file of a Vulkan driver";

/// Installs Mesa's software Vulkan on Debian and Ubuntu when no adapter is to be expected;
/// elsewhere says what to install.
pub(crate) fn ensure_adapter() -> Result<(), String> {
    // macOS and Windows bring their own Metal and Direct3D.
    if !cfg!(target_os = "linux") || adapter_expected() {
        return Ok(());
    }
    if env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some() {
        println!("xtask: no Vulkan adapter found, and FILTER_SUMMARY_SKIP_GPU_TESTS says to go on without");
        return Ok(());
    }
    println!("xtask: no Vulkan adapter found, installing {}", PACKAGES.join(" and "));
    apt::install(&PACKAGES, ADVICE)?;
    if adapter_expected() { Ok(()) } else { Err(ADVICE.to_owned()) }
}

fn adapter_expected() -> bool {
    if ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
    {
        return true;
    }
    let drivers: Vec<String> = driver_directories().iter().flat_map(|directory| names(directory)).collect();
    let software = drivers.iter().any(|name| name.starts_with("lvp_") || name.contains("swiftshader"));
    // A hardware driver's file may lie there without the hardware (Debian's Mesa package brings several).
    let hardware = !drivers.is_empty()
        && (names(Path::new("/dev/dri")).iter().any(|name| name.starts_with("renderD"))
            || ["/dev/nvidia0", "/dev/dxg"].iter().any(|path| Path::new(path).exists()));
    (software || hardware) && loader_installed()
}

/// Where the Vulkan loader looks for drivers.
fn driver_directories() -> Vec<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let lists = [("XDG_CONFIG_DIRS", "/etc/xdg"), ("XDG_DATA_DIRS", "/usr/local/share:/usr/share")];
    let mut bases = vec![PathBuf::from("/etc"), home.join(".config"), home.join(".local/share")];
    for (name, default) in lists {
        let list = env::var(name).ok().filter(|list| !list.is_empty()).unwrap_or_else(|| default.to_owned());
        bases.extend(list.split(':').map(PathBuf::from));
    }
    bases.iter().map(|base| base.join("vulkan/icd.d")).collect()
}

fn loader_installed() -> bool {
    let library = |directory: &Path| names(directory).iter().any(|name| name.starts_with("libvulkan.so.1"));
    let mut directories: Vec<PathBuf> =
        ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from).into();
    // Debian keeps libraries in a directory of the architecture's name.
    directories.extend(names(Path::new("/usr/lib")).iter().map(|name| Path::new("/usr/lib").join(name)));
    let listed = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    directories.extend(env::split_paths(&listed));
    directories.iter().any(|directory| library(directory))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
