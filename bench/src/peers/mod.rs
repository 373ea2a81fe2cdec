//! The servers that are measured: how each is started, asked, and where its bytes land.

mod article;
mod bare;
mod dufs;
mod nginx;
pub(crate) mod ours;
mod running;
mod tus;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::content::Content;
use crate::wire::{Answer, Line};

pub(crate) use self::bare::{floor, own};
pub(crate) use self::ours::Ours;
pub(crate) use self::running::{Running, free_port};

pub(crate) trait Peer: Sync {
    /// Returns the name of the column.
    fn name(&self) -> &'static str;

    /// Returns the version, for the description of the machine. `Err` has the reason if it cannot run here.
    fn version(&self) -> Result<String, String>;

    /// Returns the command that takes uploads into the empty directory `dir`.
    fn launch(&self, dir: &Path) -> io::Result<Launch>;

    /// The head of the one request that brings `upload` whole.
    fn head(&self, upload: Upload) -> String;

    /// Returns the path of the bytes after the answer.
    fn lands(&self, dir: &Path, upload: Upload, answer: &Answer) -> PathBuf;

    /// Returns whether it speaks TLS.
    fn is_secure(&self) -> bool {
        false
    }

    /// Connects a client to it.
    fn connect(&self, addr: SocketAddr) -> io::Result<Line> {
        match self.is_secure() {
            true => Line::connect_secure(addr),
            false => Line::connect(addr),
        }
    }

    /// Starts it over a new directory in `place`.
    fn start(&self, place: &Path) -> io::Result<Running> {
        Running::start(place, |dir| self.launch(dir))
    }

    /// Returns whether a whole upload arrived. Other uploads do not count.
    fn check(&self, running: &Running, upload: Upload, answer: &Answer) -> io::Result<()> {
        let file = self.lands(running.dir(), upload, answer);
        upload.content().check(&file, 0, upload.bytes)
    }
}

/// A command, and how to know that it listens.
pub(crate) enum Launch {
    /// It prints a line that ends with its address.
    Says(Command),
    /// It was told this port, and accepts there.
    Port(Command, u16),
}

/// One file to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

impl Upload {
    /// One that nobody has sent before.
    pub(crate) fn new(bytes: u64) -> Upload {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        Upload { number, bytes }
    }

    pub(crate) fn name(self) -> String {
        format!("upload-{}.bin", self.number)
    }

    pub(crate) fn content(self) -> Content {
        Content::of(self.number)
    }
}

/// These run in every round; the others, which are only to be compared with, in every third.
pub(crate) const ALWAYS: [&str; 3] = [OURS, FLOOR, NGINX];
pub(crate) const OURS: &str = "resumed";
pub(crate) const FLOOR: &str = "bare loop";
pub(crate) const NGINX: &str = "nginx";

/// Every peer, whether it is here or not.
pub(crate) fn all(server: &Path, installed: &Path) -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Ours::fast(server)),
        Box::new(bare::FLOOR),
        Box::new(nginx::AS_IT_COMES),
        Box::new(nginx::WITH_OUR_BUFFER),
        Box::new(bare::TINY_HTTP),
        Box::new(dufs::Dufs::new(installed)),
        Box::new(tus::rustus(installed)),
        Box::new(tus::tusd()),
        Box::new(tus::node(installed)),
        Box::new(article::Article),
    ]
}

/// The peers with TLS.
pub(crate) fn secure(server: &Path) -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Ours::secure(server)),
        Box::new(nginx::AS_IT_COMES.secure()),
        Box::new(nginx::WITH_OUR_BUFFER.secure()),
    ]
}

/// The first line that `command` prints, wherever it prints it.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(str::to_owned)
}

/// `PUT /name`, as nginx, dufs and the bare ones take it.
fn put(upload: Upload) -> String {
    let (name, bytes) = (upload.name(), upload.bytes);
    format!("PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {bytes}\r\n\r\n")
}
