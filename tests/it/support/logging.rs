//! The command with its log in a file.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::program::Process;

/// A server whose log goes to a file.
pub(crate) struct Logging {
    // Killed before its directory is removed.
    pub(crate) server: Process,
    home: TempDir,
}

impl Logging {
    /// Starts the command with this `RUST_LOG`.
    pub(crate) fn start(filter: Option<&str>, flags: &[&str]) -> Logging {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
        let log = File::create(home.path().join("log")).expect("created");
        command.stderr(Stdio::from(log)).env_remove("RUST_LOG");
        command.envs(filter.map(|filter| ("RUST_LOG", filter)));
        let server = Process::of(command, &home.path().join("uploads"), "127.0.0.1:0", flags);
        Logging { server, home }
    }

    /// Ends the server, and returns its log.
    pub(crate) fn end(self) -> String {
        drop(self.server);
        fs::read_to_string(self.home.path().join("log")).expect("there")
    }
}

/// Returns the lines of the access log, without the time that each request took.
pub(crate) fn access_lines(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.split_once(" access] "));
    let without_time = |line: &str| {
        let words = line.split(' ').filter(|word| !word.ends_with("ms"));
        words.collect::<Vec<_>>().join(" ")
    };
    lines.map(|(_, line)| without_time(line)).collect()
}
