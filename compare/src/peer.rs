//! Talking with a peer: a program that says who it is, then answers a line of JSON with a line
//! of JSON (`peers/README.md`).

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::model::{Answer, Layer, Peer};

/// Opening a device and importing a library.
pub(crate) const HELLO: Duration = Duration::from_secs(120);

/// Beyond the time it was given to measure: compiling, tuning, checking.
pub(crate) const ANSWER: Duration = Duration::from_secs(240);

/// After so many failures in a row it is left alone.
const FAILURES: usize = 3;

/// A peer, started or to be started again.
pub(crate) struct Dialogue {
    pub(crate) peer: Peer,
    program: Vec<String>,
    log: PathBuf,
    /// How long it may take to say who it is.
    hello: Duration,
    running: Option<Running>,
    failures: usize,
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dialogue {
    /// Starts a program; one that does not say who it is becomes a missing peer.
    pub(crate) fn start(name: &str, program: Vec<String>, log: PathBuf, hello: Duration) -> Self {
        let mut dialogue = Self { peer: Peer::default(), program, log, hello, running: None, failures: 0 };
        match dialogue.launch() {
            Ok(peer) => dialogue.peer = Peer { name: name.to_owned(), ..peer },
            Err(error) => dialogue.peer = Peer::missing(name, &format!("{error:#}")),
        }
        dialogue
    }

    /// Asks for a layer, to be answered within `patience` beyond the seconds to measure; whatever goes wrong is the
    /// answer's error.
    pub(crate) fn ask(&mut self, layer: &Layer, runs: u32, seconds: f64, patience: Duration) -> Answer {
        if self.peer.missing.is_some() {
            return Answer { peer: self.peer.name.clone(), layer: layer.layer.clone(), ..failed("missing") };
        }
        let answer = if self.failures < FAILURES {
            self.try_ask(layer, runs, seconds, patience)
        } else {
            Err(anyhow!("given up after {FAILURES} failures in a row"))
        };
        let answer = match answer {
            Ok(answer) => {
                self.failures = 0;
                answer
            }
            Err(error) => {
                self.running = None;
                self.failures += 1;
                failed(&format!("{error:#}"))
            }
        };
        Answer { peer: self.peer.name.clone(), layer: layer.layer.clone(), ..answer }
    }

    fn try_ask(&mut self, layer: &Layer, runs: u32, seconds: f64, patience: Duration) -> Result<Answer> {
        if self.running.is_none() {
            self.launch()?;
        }
        let running = self.running.as_mut().context("not running")?;
        let mut request = serde_json::to_value(layer)?;
        request["runs"] = runs.into();
        request["seconds"] = seconds.into();
        let sent = writeln!(running.stdin, "{request}").and_then(|()| running.stdin.flush());
        let line =
            sent.map_err(anyhow::Error::from).and_then(|()| running.line(patience + Duration::from_secs_f64(seconds)));
        let line = line.map_err(|error| self.explain(error))?;
        let answer: Answer = serde_json::from_str(&line).with_context(|| format!("it answers {line}"))?;
        if answer.layer != layer.layer {
            bail!("it answers for layer {}", answer.layer);
        }
        Ok(answer)
    }

    fn launch(&mut self) -> Result<Peer> {
        let (program, arguments) = self.program.split_first().context("no program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&self.log).with_context(|| self.log.display().to_string())?)
            .spawn()
            .with_context(|| program.clone())?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (sender, lines) = channel();
        // Ends with the peer's stdout.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut running = Running { child, stdin, lines };
        let hello = running.line(self.hello).map_err(|error| self.explain(error))?;
        self.running = Some(running);
        serde_json::from_str(&hello).with_context(|| format!("it introduces itself as {hello}"))
    }

    /// An error with the last line of the peer's log.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        match log.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => anyhow!("{error:#}: {}", line.trim()),
            None => error,
        }
    }
}

impl Running {
    fn line(&mut self, patience: Duration) -> Result<String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => bail!("no answer in {} s", patience.as_secs()),
            Err(RecvTimeoutError::Disconnected) => match self.child.wait() {
                Ok(status) => bail!("it ended, {status}"),
                Err(error) => bail!("it ended: {error}"),
            },
        }
    }
}

fn failed(error: &str) -> Answer {
    Answer { error: Some(error.to_owned()), ..Answer::default() }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, directory: &std::path::Path) -> Dialogue {
        let program = ["sh", "-c", script].map(str::to_owned).to_vec();
        Dialogue::start("fake", program, directory.join("fake.log"), HELLO)
    }

    fn layer() -> Layer {
        Layer { layer: "8x8".to_owned(), ..Layer::default() }
    }

    #[test]
    fn a_peer_answers() {
        let directory = tempfile::tempdir().unwrap();
        let script = r#"
            echo '{"version": "fake 1", "device": "d", "kind": "gpu"}'
            read request
            case "$request" in *'"layer":"8x8"'*'"runs":3'*) ;; *) exit 9;; esac
            echo '{"layer": "8x8", "milliseconds": 2.5, "cpu_milliseconds": 5.0, "detail": "x"}'
            sleep 10"#;
        let mut dialogue = shell(script, directory.path());
        assert_eq!((dialogue.peer.version.as_str(), dialogue.peer.missing.as_deref()), ("fake 1", None));
        let answer = dialogue.ask(&layer(), 3, 0.1, ANSWER);
        assert_eq!((answer.error, answer.milliseconds, answer.peer.as_str()), (None, 2.5, "fake"));
        assert_eq!(answer.more["detail"], "x");
    }

    #[test]
    fn a_peer_that_cannot_start_is_missing_and_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let dialogue = shell("echo 'No module named x' >&2; exit 1", directory.path());
        assert!(dialogue.peer.missing.as_deref().unwrap().ends_with("No module named x"), "{:?}", dialogue.peer);
        let dialogue =
            Dialogue::start("none", vec!["/no/such/program".to_owned()], directory.path().join("log"), HELLO);
        assert!(dialogue.peer.missing.is_some());
    }

    #[test]
    fn a_crash_is_that_layers_error_and_the_peer_is_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let script =
            r#"echo '{"version": "fake 1", "device": "d", "kind": "cpu"}'; read request; echo boom >&2; exit 3"#;
        let mut dialogue = shell(script, directory.path());
        for _ in 0..FAILURES {
            let error = dialogue.ask(&layer(), 3, 0.1, ANSWER).error.unwrap();
            assert!(error.contains("exit status: 3") && error.ends_with("boom"), "{error}");
        }
        assert!(dialogue.ask(&layer(), 3, 0.1, ANSWER).error.unwrap().contains("given up"));
    }
}
