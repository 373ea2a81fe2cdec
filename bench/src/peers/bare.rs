//! The servers of the bench, in processes of their own: see `servers`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{FLOOR as FLOOR_NAME, Launch, Peer, Upload, put};
use crate::wire::Answer;

pub(crate) struct Bare {
    name: &'static str,
    server: &'static str,
    is: &'static str,
}

/// Nobody who copies from a socket into a file can be much cheaper.
pub(super) const FLOOR: Bare = Bare {
    name: FLOOR_NAME,
    server: "_floor",
    is: "accept, read 256 KiB, write; a thread a connection",
};

pub(super) const TINY_HTTP: Bare = Bare {
    name: "tiny_http",
    server: "_tiny_http",
    is: "tiny_http 0.12, a plain handler in a threadpool",
};

impl Peer for Bare {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> Result<String, String> {
        Ok(self.is.to_owned())
    }

    fn launch(&self, dir: &Path) -> io::Result<Launch> {
        Ok(Launch::Says(own(self.server, [dir])?))
    }

    fn head(&self, upload: Upload) -> String {
        put(upload)
    }

    fn lands(&self, dir: &Path, upload: Upload, _: &Answer) -> PathBuf {
        dir.join(upload.name())
    }
}

/// The floor, for those who place it somewhere else.
pub(crate) fn floor() -> impl Peer {
    FLOOR
}

/// This program as one of its servers.
pub(crate) fn own(
    server: &str,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(server).args(args);
    Ok(command)
}
