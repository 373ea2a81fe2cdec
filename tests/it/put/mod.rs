//! `resumed put`, as a shell runs it, against the real server.

mod answers;
mod cuts;
mod pipe;
mod proof;
mod proxies;
mod refusals;
mod whole;

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::support::Site;
use crate::support::line::Line;
use crate::support::local::{Disk, Local};
use crate::support::running::{Running, Said, run, wait_for_part};

/// The maximum bytes of a request head and a question together.
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

/// Kills `put` after the first part of a file, and returns when the server has that part.
fn killed_in_mid_upload(length: u64, part: u64) -> (Disk, Local, Site) {
    let disk = Disk::new();
    let file = disk.file("a.bin", length);
    let site = Site::new();
    let line = Line::of(site.addr(), part);
    let killed = Running::start(&mut put_file(&file, &line.url()));
    wait_for_part(site.dir(), part - HEADS);
    drop(killed);
    drop(line);
    site.wait_until_nobody_sends();
    (disk, file, site)
}

fn put_file(file: &Local, url: &str) -> Command {
    put([file.path().as_os_str(), url.as_ref()])
}
