//! A server on a disk of its own, which is small and seen by nobody else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::limit::RunInTime;
use crate::support::program::Process;

/// Killed when dropped; its disk goes with it.
pub(super) struct OnSmallDisk {
    process: Process,
    dir: TempDir,
}

/// The last word is the directory.
const MOUNT_AND_BECOME: &str =
    r#"for dir; do :; done; mount -t tmpfs -o size=$SIZE disk "$dir"; exec "$@""#;

impl OnSmallDisk {
    /// On a disk of this size. `None` where disks cannot be had.
    pub(super) fn start(size: &str) -> Option<OnSmallDisk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rehearsal = mounting(size)
            .args(["true"])
            .arg(dir.path())
            .status_in_time();
        if !rehearsal.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = mounting(size);
        command.arg(env!("CARGO_BIN_EXE_resumed"));
        let process = Process::of(command, dir.path(), "127.0.0.1:0", &["--min-free", "0"]);
        Some(OnSmallDisk { process, dir })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.process.addr
    }

    /// Returns the directory of finished files in the namespace of the server.
    pub(super) fn dir(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.process.pid());
        let path = self.dir.path().strip_prefix("/").expect("an absolute path");
        Path::new(&root).join(path)
    }
}

/// Becomes the command that is said behind it, in a namespace of its own.
fn mounting(size: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--map-root-user",
        "--mount",
        "sh",
        "-ec",
        MOUNT_AND_BECOME,
        "sh",
    ]);
    command.env("SIZE", size);
    command
}
