//! Commands of clients: run to their end, or met in their middle.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use super::files::partials;
use super::killed::Killed;
use crate::support::TIMEOUT;

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    Said::from(command.output().expect("it runs"))
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
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Killed(child.expect("it runs"));
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("text");
    if line.starts_with("listening on ") {
        return Ok(());
    }
    let mut error = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut error).expect("text");
    assert_eq!(child.wait().expect("its end").code(), Some(1), "{error}");
    Err(error)
}

/// A run in the background. Killed if it is dropped before its end.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running(Some(child.expect("it runs")))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("not ended")
    }

    pub(crate) fn end(mut self) -> Said {
        let child = self.0.take().expect("not ended");
        Said::from(child.wait_with_output().expect("its end"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().expect("killed");
            let output = child.wait_with_output().expect("its end");
            if thread::panicking() {
                eprintln!("{:?}", Said::from(output));
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
