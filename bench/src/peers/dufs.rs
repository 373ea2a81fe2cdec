//! dufs, a file server in Rust, taking uploads by PUT.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::running::free_port;
use super::{Launch, Peer, Upload, first_line, put};
use crate::wire::Answer;

pub(super) struct Dufs {
    binary: PathBuf,
}

impl Dufs {
    pub(super) fn new(installed: &Path) -> Dufs {
        Dufs {
            binary: installed.join("bin/dufs"),
        }
    }
}

impl Peer for Dufs {
    fn name(&self) -> &'static str {
        "dufs"
    }

    fn version(&self) -> Result<String, String> {
        first_line(Command::new(&self.binary).arg("--version"))
            .ok_or_else(|| "not installed: make peers".to_owned())
    }

    fn launch(&self, dir: &Path) -> io::Result<Launch> {
        let port = free_port()?;
        let mut command = Command::new(&self.binary);
        command.args(["--bind", "127.0.0.1", "--allow-all", "--log-format", ""]);
        command.args(["--port", &port.to_string()]).arg(dir);
        Ok(Launch::Port(command, port))
    }

    fn head(&self, upload: Upload) -> String {
        put(upload)
    }

    fn lands(&self, dir: &Path, upload: Upload, _: &Answer) -> PathBuf {
        dir.join(upload.name())
    }
}
