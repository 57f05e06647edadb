//! What takes long says that it goes on.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Something that may take long has begun; what says so goes away when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Closed by dropping it.
    done: Option<Sender<()>>,
    shown: Option<JoinHandle<()>>,
}

/// How long something may take before anything is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says on stderr that something goes on once it has taken a second, and how long; nothing where that is no terminal.
pub(crate) fn waiting(what: &'static str) -> Waiting {
    if std::io::stderr().is_terminal() {
        Waiting::new(what, PATIENCE, ProgressDrawTarget::stderr)
    } else {
        Waiting::none()
    }
}

impl Waiting {
    fn none() -> Self {
        Self { done: None, shown: None }
    }

    fn new(
        what: &'static str,
        patience: Duration,
        target: impl FnOnce() -> ProgressDrawTarget + Send + 'static,
    ) -> Self {
        let (done, is_done) = channel();
        let template = "{spinner} {msg} ... {elapsed}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        // Time counts from here on.
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style);
        spinner.set_message(what);
        let show = move || {
            if is_done.recv_timeout(patience) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            spinner.set_draw_target(target());
            spinner.enable_steady_tick(Duration::from_millis(200));
            // Nothing is ever sent: the sender goes away.
            let _ = is_done.recv();
            spinner.finish_and_clear();
        };
        // Without a thread nothing is shown, and all else works.
        let shown = std::thread::Builder::new().spawn(show).ok();
        Self { done: Some(done), shown }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.done.take();
        // What it showed is off the screen before anything else is printed.
        self.shown.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that keeps what is written.
    #[derive(Debug, Clone, Default)]
    struct Screen(std::sync::Arc<std::sync::Mutex<String>>);

    impl Screen {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            self.write_str("<cleared>")
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_what_takes_long_is_shown_and_then_cleared() {
        let start = |patience: Duration| {
            let screen = Screen::default();
            let terminal = screen.clone();
            let waiting =
                Waiting::new("compiling kernels", patience, || ProgressDrawTarget::term_like(Box::new(terminal)));
            (screen, waiting)
        };
        let (quick, waiting) = start(Duration::from_secs(60));
        drop(waiting);
        assert_eq!(quick.text(), "");
        let (slow, waiting) = start(Duration::ZERO);
        let begin = std::time::Instant::now();
        while !slow.text().contains("compiling kernels") {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing is shown");
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(waiting);
        assert!(slow.text().ends_with("<cleared>"), "{}", slow.text());
    }
}
