//! What must happen before a signal ends the program: half-written files are removed.

/// Makes SIGINT, SIGTERM, SIGHUP and SIGQUIT remove half-written files before they end the program, and a limit on the
/// size of files an error of the write that meets it. A signal that is ignored, as SIGHUP under nohup, stays ignored;
/// one that cannot be watched does what it always does.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use filter_summary::tensor_file::remove_unfinished;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};

    // With any handler the write fails instead; nobody needs to look at the flag.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let ignored = ignored();
    let is_ignored = |signal: i32| match ignored {
        Some(mask) => mask >> (signal - 1) & 1 == 1,
        // Where nobody says, what nohup ignores is left as it is.
        None => signal == SIGHUP,
    };
    let watched: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|&signal| !is_ignored(signal)).collect();
    let handler = move || {
        let Ok(mut signals) = Signals::new(watched) else { return };
        for signal in signals.forever() {
            remove_unfinished();
            // As if nobody had watched: a shell's loop over files ends with Ctrl-C only when it sees the signal.
            let _ = low_level::emulate_default_handler(signal);
        }
    };
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(handler);
}

/// The signals that whoever started the program made it ignore, one bit each from signal 1; Linux alone says so.
#[cfg(unix)]
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// The system ends the program.
#[cfg(not(unix))]
pub(crate) fn watch() {}
