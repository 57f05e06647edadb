//! What must happen before a signal ends the program: half-written files are removed.

/// Makes SIGINT and SIGTERM remove half-written files before they end the program, and a limit on the size of files an
/// error of the write that meets it. A signal that cannot be watched does what it always does.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use filter_summary::tensor_file::remove_unfinished;
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};

    // With any handler the write fails instead; nobody needs to look at the flag.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let handler = || {
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
        for signal in signals.forever() {
            remove_unfinished();
            // As if nobody had watched: a shell's loop over files ends with Ctrl-C only when it sees the signal.
            let _ = low_level::emulate_default_handler(signal);
        }
    };
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(handler);
}

/// The system ends the program.
#[cfg(not(unix))]
pub(crate) fn watch() {}
