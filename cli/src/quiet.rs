//! Drivers that talk.

/// Keeps Mesa's device-select layer from complaining on stderr that there is no desktop (`error: XDG_RUNTIME_DIR is
/// invalid or not set in the environment.`, a line for each look at the adapters): we choose adapters ourselves. Only
/// the environment turns the layer off, and it has to be set before the process begins, so the program replaces
/// itself, once, by itself with that set. Where that fails nothing is lost but quiet.
#[cfg(target_os = "linux")]
pub(crate) fn drivers() {
    use std::os::unix::process::CommandExt;

    const LAYER_OFF: &str = "NODEVICE_SELECT";
    let is_set = |name: &str| std::env::var_os(name).is_some();
    if is_set(LAYER_OFF) || is_set("XDG_RUNTIME_DIR") {
        return;
    }
    let mut arguments = std::env::args_os();
    if let (Ok(program), Some(name)) = (std::env::current_exe(), arguments.next()) {
        let _ = std::process::Command::new(program).arg0(name).args(arguments).env(LAYER_OFF, "1").exec();
    }
}

/// Only Linux has such.
#[cfg(not(target_os = "linux"))]
pub(crate) fn drivers() {}
