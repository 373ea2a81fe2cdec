//! wrk, a client that others wrote (<https://github.com/wg/wrk>). Its figures are the judged ones.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::peers::{Peer, Upload};

/// The number in the head that the script replaces by a counter.
const PLACEHOLDER: u64 = 777_777_777_777;

/// The byte of which all files consist.
const CONTENT: u8 = b'x';

/// The contents of one file in so many are compared.
const COMPARED_EVERY: u64 = 1000;

/// The files that were sent and answered.
pub(crate) struct Sent {
    pub(crate) per_sec: f64,
    answered: u64,
    bytes: u64,
}

/// Sends files of `bytes` on so many connections for `secs`.
///
/// # Errors
///
/// When an answer is not a success, or a connection fails.
pub(crate) fn send(
    peer: &dyn Peer,
    addr: SocketAddr,
    connections: usize,
    bytes: u64,
    secs: u64,
) -> io::Result<Sent> {
    let mut script = tempfile::NamedTempFile::new()?;
    script.write_all(lua(peer, bytes).as_bytes())?;
    let scheme = if peer.is_secure() { "https" } else { "http" };
    let mut wrk = Command::new("wrk");
    wrk.args(["-t", "1", "-c", &connections.to_string()])
        .args(["-d", &format!("{secs}s"), "-s"])
        .arg(script.path())
        .arg(format!("{scheme}://{addr}"));
    let missing =
        |error| io::Error::other(format!("cannot run wrk: {error}; see bench/peers/install"));
    let output = wrk.output().map_err(missing)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = (figure(&text, "Requests/sec:"), figure(&text, "requests in"));
    let has_failed = text.contains("Non-2xx") || text.contains("Socket errors");
    match figures {
        (Some(per_sec), Some(answered)) if output.status.success() && !has_failed => Ok(Sent {
            per_sec,
            answered: answered as u64,
            bytes,
        }),
        _ => Err(io::Error::other(format!("wrk: {text}"))),
    }
}

/// Returns the number on the line with `label`, on either side of it.
fn figure(text: &str, label: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains(label))?;
    let (before, after) = line.split_once(label)?;
    let number = if before.trim().is_empty() {
        after
    } else {
        before
    };
    number.trim().parse().ok()
}

impl Sent {
    /// Checks that `dir` has a whole file for each answer. Compares the contents of some.
    pub(crate) fn check(&self, dir: &Path) -> io::Result<()> {
        let (mut whole, mut folders) = (0, vec![dir.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else if metadata.len() == self.bytes {
                    whole += 1;
                    if whole % COMPARED_EVERY == 1 {
                        compare(&entry.path())?;
                    }
                }
            }
        }
        match whole >= self.answered {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{} answers, but {whole} whole files",
                self.answered
            ))),
        }
    }
}

fn compare(path: &Path) -> io::Result<()> {
    let is_same = fs::read(path)?.iter().all(|byte| *byte == CONTENT);
    is_same
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("{}: other bytes", path.display())))
}

/// Returns a script that sends the head and the body of `peer`, each time with another name.
fn lua(peer: &dyn Peer, bytes: u64) -> String {
    let head = peer.head(Upload {
        number: PLACEHOLDER,
        bytes,
    });
    let pattern = PLACEHOLDER.to_string();
    let parts: Vec<_> = head
        .split(&pattern)
        .map(|part| format!("{part:?}"))
        .collect();
    format!(
        "local body = string.rep('{}', {bytes})\nlocal counter = 0\nfunction request()\n  counter = counter + 1\n  \
         return table.concat({{ {} }}, tostring(counter)) .. body\nend\n",
        char::from(CONTENT),
        parts.join(", ")
    )
}
