//! Programs that are ended when their time is up.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a program is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// How a program ended.
#[derive(Debug)]
pub(crate) enum End {
    Status(ExitStatus),
    /// Its time was up.
    Stopped,
}

impl End {
    /// Of two programs, one after another, the end that tells more: the first that is no success, or else the last.
    pub(crate) fn worse(first: Option<Self>, second: Self) -> Self {
        match first {
            None => second,
            Some(Self::Status(status)) if status.success() => second,
            Some(first) => first,
        }
    }
}

/// Runs a program for `limit` at most. What it says goes to files, which never fill up as pipes do.
pub(crate) fn run(command: &mut Command, stdout: File, stderr: File, limit: Duration) -> Result<End> {
    let name = command.get_program().to_string_lossy().into_owned();
    // As cargo does for those that it starts here: Mesa's layers complain without the one, and sort adapters without
    // the other.
    for (variable, value) in [("XDG_RUNTIME_DIR", std::env::temp_dir()), ("NODEVICE_SELECT", "1".into())] {
        if std::env::var_os(variable).is_none() {
            command.env(variable, value);
        }
    }
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().context(name.clone())?;
    loop {
        if let Some(status) = child.try_wait().context(name.clone())? {
            return Ok(End::Status(status));
        }
        if start.elapsed() >= limit {
            // It may have ended just now.
            let _ = child.kill();
            child.wait().context(name)?;
            return Ok(End::Stopped);
        }
        sleep(PAUSE);
    }
}

/// What a program prints; its last complaint is the error where it fails.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let [mut stdout, mut stderr] = [tempfile::tempfile()?, tempfile::tempfile()?];
    let end = run(command, stdout.try_clone()?, stderr.try_clone()?, limit)?;
    match end {
        End::Status(status) if status.success() => text(&mut stdout),
        End::Status(status) => {
            let said = text(&mut stderr)?;
            let line = said.lines().rfind(|line| !line.trim().is_empty());
            bail!("{}", line.map_or_else(|| format!("it ended, {status}"), |line| line.trim().to_owned()))
        }
        End::Stopped => bail!("it was stopped after {:.0} s", limit.as_secs_f64()),
    }
}

fn text(file: &mut File) -> Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: f64) -> Result<String> {
        output(Command::new("sh").args(["-c", script]), Duration::from_secs_f64(limit))
    }

    #[test]
    fn programs_end_with_what_they_said_or_why_not() {
        assert_eq!(shell("echo yes; echo no >&2", 10.0).unwrap(), "yes\n");
        assert_eq!(shell("echo first >&2; echo last >&2; echo; exit 3", 10.0).unwrap_err().to_string(), "last");
        assert!(shell("exit 3", 10.0).unwrap_err().to_string().contains("exit status: 3"));
        let missing = output(&mut Command::new("/no/such/program"), PAUSE).unwrap_err();
        assert!(format!("{missing:#}").starts_with("/no/such/program: "), "{missing:#}");
    }

    #[test]
    fn more_than_a_pipe_holds_is_no_trouble() {
        assert_eq!(shell("head -c 300000 /dev/zero | tr '\\0' x", 10.0).unwrap().len(), 300_000);
    }

    #[test]
    fn a_program_is_stopped_when_its_time_is_up() {
        let start = Instant::now();
        assert_eq!(shell("exec sleep 30", 0.2).unwrap_err().to_string(), "it was stopped after 0 s");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
