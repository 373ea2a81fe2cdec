//! The server that all this is about, as it is released.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Launch, OURS, Peer, Upload, first_line};
use crate::secure;
use crate::wire::Answer;

#[derive(Clone)]
pub(crate) struct Ours {
    pub(crate) binary: PathBuf,
    sync: &'static str,
    is_secure: bool,
}

impl Ours {
    /// Without syncs, as the peers are.
    pub(crate) fn fast(binary: &Path) -> Ours {
        Ours {
            binary: binary.to_owned(),
            sync: "fast",
            is_secure: false,
        }
    }

    /// Without syncs, with TLS.
    pub(crate) fn secure(binary: &Path) -> Ours {
        Ours {
            is_secure: true,
            ..Ours::fast(binary)
        }
    }

    /// As it comes.
    pub(crate) fn durable(binary: &Path) -> Ours {
        Ours {
            binary: binary.to_owned(),
            sync: "durable",
            is_secure: false,
        }
    }
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        OURS
    }

    fn version(&self) -> Result<String, String> {
        let missing = || {
            format!(
                "{} is not there: `cargo build --release`",
                self.binary.display()
            )
        };
        first_line(Command::new(&self.binary).arg("--version")).ok_or_else(missing)
    }

    fn launch(&self, dir: &Path) -> io::Result<Launch> {
        let mut command = Command::new(&self.binary);
        command
            .args(["--listen", "127.0.0.1:0", "--sync", self.sync])
            // Some scenarios have more partial uploads than the default allows.
            .args(["--max-partials", "0"])
            .arg(dir);
        if self.is_secure {
            let place = dir.parent().expect("its files lie in its place");
            let [certificate, key] = secure::write_identity(place)?;
            command.arg("--tls-cert").arg(certificate);
            command.arg("--tls-key").arg(key);
        }
        Ok(Launch::Says(command))
    }

    fn is_secure(&self) -> bool {
        self.is_secure
    }

    fn head(&self, upload: Upload) -> String {
        append(upload, 0, upload.bytes)
    }

    fn lands(&self, dir: &Path, upload: Upload, _: &Answer) -> PathBuf {
        dir.join(upload.name())
    }
}

/// The head of a request that brings the next `length` bytes.
pub(crate) fn append(upload: Upload, start: u64, length: u64) -> String {
    let id = id(upload);
    format!(
        "POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nX-File-Id: {id}\r\nX-Start-Byte: {start}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Asks how much is held.
pub(crate) fn status(upload: Upload) -> String {
    let id = id(upload);
    format!("GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-File-Id: {id}\r\n\r\n")
}

/// Declares name, length and time.
pub(crate) fn id(upload: Upload) -> String {
    format!("{}-{}-1700000000000", upload.name(), upload.bytes)
}
