//! `resumed put`, as a shell runs it, against the real server.

mod cuts;
mod line;
mod pipe;
mod proxies;
mod refusals;
mod whole;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::local::Local;
use crate::proxy::partial;

/// What a request says before its body, and a question, are not longer together.
const HEADS: u64 = 4_000;

/// The command, with nothing in its environment that would change what it does. It would try for ever; a test has to
/// end.
fn put<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command
        .args(["put", "--give-up-after=30s"])
        .args(args)
        .stdin(Stdio::null());
    for name in [
        "RESUMED_USER",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

fn put_file(file: &Local, url: &str) -> Command {
    put([file.path().as_os_str(), url.as_ref()])
}

/// Runs it to its end.
fn run(command: &mut Command) -> Said {
    Said::from(command.output().expect("it runs"))
}

/// What a run said, and how it ended.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
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
    fn expect(self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        for words in words {
            assert!(self.err.contains(words), "{words:?} is not in {self:?}");
        }
    }
}

/// A run in the background. Killed if it is dropped before its end.
struct Running(Option<Child>);

impl Running {
    fn start(command: &mut Command) -> Running {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running(Some(child.expect("it runs")))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("not ended")
    }

    fn end(mut self) -> Said {
        let child = self.0.take().expect("not ended");
        Said::from(child.wait_with_output().expect("its end"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().expect("killed");
            child.wait().expect("its end");
        }
    }
}

/// Waits until so many bytes of the only upload are on the server's disk, and says how many.
fn wait_for_part(dir: &Path, least: u64) -> u64 {
    loop {
        let is_begun = fs::read_dir(dir.join(".resumed")).expect("listed").count() > 1;
        let length = if is_begun {
            fs::metadata(partial(dir)).expect("on the disk").len()
        } else {
            0
        };
        if length >= least {
            return length;
        }
    }
}
