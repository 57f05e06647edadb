//! What the machine is, and how a directory is named after its adapter.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Adapter;

/// The CPU's name, where the system tells (Linux), and its numbers: virtual machines are called "Processor".
pub(crate) fn cpu() -> String {
    described(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

/// From the text of `/proc/cpuinfo`.
fn described(info: &str) -> String {
    let field = |name: &str| {
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(key, value)| (key.trim() == name).then(|| value.trim()))
    };
    let name = field("model name").unwrap_or(std::env::consts::ARCH);
    match (field("cpu family"), field("model"), field("stepping")) {
        (Some(family), Some(model), Some(stepping)) => {
            format!("{name} (family {family}, model {model}, stepping {stepping})")
        }
        _ => name.to_owned(),
    }
}

/// The widest vector instructions found at run time: what a software adapter may compile for.
pub(crate) fn vectors() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if std::is_x86_feature_detected!("avx512f") {
        return "AVX-512";
    } else if std::is_x86_feature_detected!("avx2") {
        return "AVX2";
    }
    "none known"
}

pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The operating system: Linux by the distribution's name and the kernel's release.
pub(crate) fn system() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/proc/sys/kernel/osrelease");
    let distribution = distribution(&read("/etc/os-release")).unwrap_or(std::env::consts::OS.to_owned());
    format!("{distribution} {} {}", std::env::consts::ARCH, release.trim()).trim_end().to_owned()
}

/// From the text of `/etc/os-release`.
fn distribution(text: &str) -> Option<String> {
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// Today, `2026-01-31`, by UTC.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date so many days after 1970-01-01 (Gregorian).
fn date(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// `llvmpipe-mesa-22.3.6`: name and driver without what they put in parentheses.
pub(crate) fn slug(adapter: &Adapter) -> String {
    let plain = |text: &str| text.split('(').next().unwrap_or_default().to_lowercase();
    let driver = if adapter.driver_info.is_empty() { &adapter.driver } else { &adapter.driver_info };
    let text = format!("{} {}", plain(&adapter.name), plain(driver));
    let kept: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { ' ' }).collect();
    kept.split_whitespace()
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_a_name_and_numbers() {
        let info = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\n\
                    model name\t: Intel(R) Xeon(R) Processor\nstepping\t: 2\n";
        assert_eq!(described(info), "Intel(R) Xeon(R) Processor (family 6, model 207, stepping 2)");
        assert_eq!(described("model name : x\n"), "x");
        assert_eq!(described(""), std::env::consts::ARCH);
    }

    #[test]
    fn a_distribution_has_a_name() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(distribution(text).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(distribution(""), None);
    }

    #[test]
    fn slugs_are_harmless_directory_names() {
        let adapter = |name: &str, driver: &str, driver_info: &str| Adapter {
            name: name.to_owned(),
            driver: driver.to_owned(),
            driver_info: driver_info.to_owned(),
            ..Adapter::default()
        };
        let lavapipe = adapter("llvmpipe (LLVM 15.0.6, 256 bits)", "llvmpipe", "Mesa 22.3.6 (LLVM 15.0.6)");
        assert_eq!(slug(&lavapipe), "llvmpipe-mesa-22.3.6");
        assert_eq!(slug(&adapter("NVIDIA H200", "NVIDIA", "570.12.3")), "nvidia-h200-570.12.3");
        assert_eq!(slug(&adapter("../../x", "d", "")), "x-d");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn vectors_are_those_that_the_system_names() {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
        let want = ["avx512f", "avx2"].map(has);
        assert_eq!([vectors() == "AVX-512", vectors() == "AVX2"], [want[0], want[1] && !want[0]], "{flags}");
    }

    #[test]
    fn dates() {
        for (days, want) in [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_454, "2026-01-01")] {
            assert_eq!(date(days), want);
        }
    }
}
