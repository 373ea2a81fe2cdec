//! Commands of clients: run to their end, or met in their middle.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::files::partials;
use crate::support::TIMEOUT;
use crate::support::limit::{LIMIT, Lines, RunInTime, ended, fail, output_within};

/// Runs it to its end, without input.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Said {
    Said::from(command.output_in_time().expect("it runs"))
}

/// The output and the exit status of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said {
            status: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Said {
    #[track_caller]
    pub(crate) fn expect(self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        for words in words {
            assert!(self.err.contains(words), "{words:?} is not in {self:?}");
        }
    }
}

/// Starts a server, and ends it when it listens. An error is its output.
pub(crate) fn listens(command: &mut Command) -> Result<(), String> {
    let mut running = Running::start(command);
    let stdout = running.child().stdout.take().expect("piped");
    let line = Lines::of("the first line of a server", stdout).next();
    if line.is_some_and(|line| line.starts_with("listening on ")) {
        return Ok(());
    }
    let said = running.end();
    assert_eq!(said.status, Some(1), "{said:?}");
    Err(said.err)
}

/// A run in the background. Killed if it is dropped before its end.
pub(crate) struct Running {
    child: Option<Child>,
    command: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running {
            child: Some(child.expect("it runs")),
            command: format!("{command:?}"),
        }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("not ended")
    }

    #[track_caller]
    pub(crate) fn end(self) -> Said {
        self.end_within(LIMIT)
    }

    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> Said {
        let child = self.child.take().expect("not ended");
        let output = output_within(limit, &self.command, child);
        Said::from(ended(output))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            match output_within(LIMIT, &self.command, child) {
                Ok(output) if thread::panicking() => eprintln!("{:?}", Said::from(output)),
                Ok(_) => {}
                Err(message) => fail(&message),
            }
        }
    }
}

/// Waits until so many bytes of uploads that are under way are on the server's disk, and says how many.
#[track_caller]
pub(crate) fn wait_for_part(dir: &Path, least: u64) -> u64 {
    let since = Instant::now();
    loop {
        let held = under_way(dir);
        if held >= least {
            return held;
        }
        assert!(since.elapsed() < TIMEOUT, "{held} bytes in {TIMEOUT:?}");
        thread::yield_now();
    }
}

/// Returns the number of bytes in the partial uploads. One that was listed may be published since.
fn under_way(dir: &Path) -> u64 {
    let files = partials(dir);
    let lengths = files.iter().filter_map(|path| fs::metadata(path).ok());
    lengths.map(|metadata| metadata.len()).sum()
}
