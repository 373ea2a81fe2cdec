//! `resumed put`, as a shell runs it, against the real server.

mod answers;
mod cuts;
mod jobs;
mod pipe;
mod proof;
mod proxies;
mod refusals;
mod tls;
mod whole;

use std::ffi::OsStr;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::Site;
use crate::support::line::Line;
use crate::support::local::{Disk, Local};
use crate::support::running::{Running, Said, run, wait_for_part};

/// The maximum length of the head of a request and a status request together.
const HEADS: u64 = 4_000;

/// Returns the command without the environment of the tests. It gives up after 30 s: a test has to end.
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

/// Runs the command with flags to its end.
fn send(flags: &[&str], files: &[&Local], url: &str) -> Said {
    let flags = flags.iter().map(OsStr::new);
    let files = files.iter().map(|file| file.path().as_os_str());
    run(&mut put(flags.chain(files).chain([url.as_ref()])))
}

/// Starts the command with these bytes as standard input, and closes that.
fn put_bytes(bytes: &[u8], url: &str) -> Running {
    let mut running = Running::start(put(["-", url]).stdin(Stdio::piped()));
    let mut input = running.child().stdin.take().expect("piped");
    input.write_all(bytes).expect("taken");
    running
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

/// Starts an upload over a line that stops after `part` bytes, and returns when the server has them.
fn put_part(file: &Local, addr: SocketAddr, dir: &Path, part: u64) -> (Line, Running) {
    let line = Line::of(addr, part);
    let running = Running::start(&mut put_file(file, &line.url()));
    wait_for_part(dir, part - HEADS);
    (line, running)
}

/// Kills `put` after the first part of a file, and returns when the server has that part.
fn killed_in_mid_upload(length: u64, part: u64) -> (Disk, Local, Site) {
    let disk = Disk::new();
    let file = disk.file("a.bin", length);
    let site = Site::new();
    let (line, killed) = put_part(&file, site.addr(), site.dir(), part);
    drop(killed);
    drop(line);
    site.wait_until_nobody_sends();
    (disk, file, site)
}

/// Asserts that clients sent each byte of `length` once over this line.
#[track_caller]
fn expect_sent_once(line: &Line, length: u64) {
    assert!(line.taken() < length + 4 * HEADS, "{}", line.taken());
}
