//! The system calls of a running server, as `strace` tells of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::support::limit::{RunInTime, joined};
use crate::support::program::Process;

/// The calls that move bytes or names, or make them durable.
pub(crate) const MOVES: &str = "trace=openat,open,creat,mkdir,mkdirat,recvfrom,read,readv,\
    write,writev,pwrite64,pwritev,sendto,sendmsg,ftruncate,fsync,fdatasync,fsetxattr,\
    rename,renameat,renameat2,link,linkat,unlink,unlinkat";

/// One system call that ended well.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) thread: String,
    pub(crate) name: String,
    /// As `strace` prints them, with the path of each descriptor.
    pub(crate) args: String,
    pub(crate) result: u64,
    /// When it began and when it ended, in lines of the trace.
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// A server whose calls are written down.
pub(crate) struct Traced {
    pub(crate) process: Process,
    trace: JoinHandle<String>,
}

impl Traced {
    /// Starts a server under `strace`. The flags select the calls.
    pub(crate) fn start(dir: &Path, flags: &[&str], options: &[&str]) -> Traced {
        let mut strace = Command::new("strace");
        // -D: the server is our child, and strace is somebody else's. Without a file, strace writes where the server
        // writes its log, which is silent.
        strace
            .args(["-D", "-f", "-y", "-qq", "-s", "512"])
            .args(options);
        strace.arg(env!("CARGO_BIN_EXE_resumed"));
        // Read from the beginning: strace waits while the pipe is full, and the server with it.
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let mut reader = File::from(reader);
        strace.env("RUST_LOG", "off").stderr(writer);
        let trace = thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).expect("it can be read");
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let process = Process::of(strace, dir, "127.0.0.1:0", flags);
        Traced { process, trace }
    }

    /// Kills the server and returns its calls.
    pub(crate) fn calls(self) -> Vec<Call> {
        drop(self.process);
        calls(&joined("the end of strace", self.trace))
    }
}

/// Returns the obstacle to a trace.
pub(crate) fn strace_obstacle() -> Option<String> {
    let tried = Command::new("strace")
        .arg("-qq")
        .arg("true")
        .output_in_time();
    let works = tried.is_ok_and(|output| output.status.success());
    (!works).then(|| "strace cannot be used".into())
}

/// The calls in a trace, in the order in which they ended.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let (thread, said) = match line.strip_prefix("[pid") {
            Some(rest) => rest.split_once(']').expect("a thread"),
            None => ("", line),
        };
        let said = said.trim_start();
        if let Some(first) = said.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (at, first.to_owned()));
        } else if let Some(resumed) = said.strip_prefix("<... ") {
            let (_, rest) = resumed.split_once(" resumed>").expect("a call resumed");
            // A call that began while there was one thread has no number of a thread at its beginning.
            if let Some((begin, first)) = begun.remove(thread).or_else(|| begun.remove("")) {
                calls.extend(call(thread, &(first + rest), begin, at));
            }
        } else {
            calls.extend(call(thread, said, at, at));
        }
    }
    calls
}

fn call(thread: &str, said: &str, begin: usize, end: usize) -> Option<Call> {
    // By `strace` itself.
    let said = said.strip_suffix(" (DELAYED)").unwrap_or(said);
    // Not the end of a path that is "(deleted)".
    let is_end = |at: &usize| said[at + 1..].trim_start().starts_with('=');
    let close = said.rmatch_indices(')').map(|(at, _)| at).find(is_end)?;
    let (called, result) = (&said[..close], &said[close + 1..]);
    let (name, args) = called.split_once('(')?;
    Some(Call {
        thread: thread.to_owned(),
        name: name.to_owned(),
        args: args.to_owned(),
        result: number(result.trim_start_matches([' ', '=']))?,
        begin,
        end,
    })
}

/// Returns the first number. Raw numbers are hexadecimal.
fn number(said: &str) -> Option<u64> {
    let (digits, radix) = match said.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (said, 10),
    };
    let digits = digits.split(|c: char| !c.is_digit(radix)).next()?;
    u64::from_str_radix(digits, radix).ok()
}

impl Call {
    /// The path, or the socket, of the descriptor that stands first.
    pub(crate) fn of(&self) -> &str {
        bracketed(&self.args).unwrap_or_default()
    }

    /// A field of the request or the answer that it moves, as it is printed.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self
            .texts()
            .next()?
            .split_once(&format!("\\r\\n{name}: "))?;
        rest.split_once("\\r\\n").map(|(value, _)| value)
    }

    /// Its last argument.
    pub(crate) fn last_number(&self) -> u64 {
        let (_, number) = self.args.rsplit_once(", ").expect("several arguments");
        number.parse().expect("an offset")
    }

    /// Returns the arguments as numbers, if `strace` printed them raw.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.args.split(", ").filter_map(number).collect()
    }

    /// The texts in quotes, as they are printed.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.args.as_str();
        std::iter::from_fn(move || {
            let (_, begun) = rest.split_once('"')?;
            let is_end =
                |at: &usize| !begun[..*at].ends_with('\\') || begun[..*at].ends_with("\\\\");
            let end = begun.match_indices('"').map(|(at, _)| at).find(is_end)?;
            rest = &begun[end + 1..];
            Some(&begun[..end])
        })
    }

    /// The paths that it names, each with the directory it is in.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut rest = self.args.as_str();
        let mut paths = Vec::new();
        for name in self.texts() {
            let (before, after) = rest
                .split_once(&format!("\"{name}\""))
                .expect("it is there");
            let path = match bracketed(before) {
                Some(dir) if !name.starts_with('/') => format!("{dir}/{name}"),
                _ => name.to_owned(),
            };
            paths.push(path);
            rest = after;
        }
        paths
    }
}

fn bracketed(text: &str) -> Option<&str> {
    text.split_once('<')?
        .1
        .split_once('>')
        .map(|(inside, _)| inside)
}
