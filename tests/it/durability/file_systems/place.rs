//! A file system in a directory of its own, made and mounted by `mounts.sh`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::limit::RunInTime;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/durability/file_systems/mounts.sh"
);

/// The name of each file system in `mounts.sh`, and its name in the table.
pub(in crate::durability) const KINDS: [(&str, &str); 20] = [
    ("ext4", "ext4"),
    ("xfs", "xfs"),
    ("btrfs", "btrfs"),
    ("ext4-no-journal", "ext4 without a journal"),
    ("ext4-fast-commit", "ext4 with fast commits"),
    (
        "ext4-casefold",
        "ext4, a folder that ignores case (`chattr +F`)",
    ),
    ("f2fs", "f2fs"),
    ("vfat", "FAT32 (mount option `utf8`)"),
    ("exfat", "exFAT (kernel)"),
    ("exfat-fuse", "exFAT (exfat-fuse)"),
    ("ntfs3", "NTFS (kernel: ntfs3)"),
    ("ntfs-3g", "NTFS (ntfs-3g)"),
    ("overlay", "overlayfs on ext4"),
    ("mergerfs", "mergerfs on two ext4"),
    ("bindfs", "bindfs on ext4"),
    ("encfs", "encfs on ext4"),
    ("sshfs", "sshfs on ext4"),
    ("nfs", "NFS 4.2 on ext4"),
    ("cifs", "CIFS (Samba on ext4)"),
    ("tmpfs", "tmpfs"),
];

/// A mounted file system. Unmounted and removed when dropped.
pub(in crate::durability) struct Place {
    kind: &'static str,
    home: TempDir,
}

impl Place {
    /// Returns the reason if this machine has no such file system.
    pub(in crate::durability) fn new(kind: &'static str) -> Result<Place, String> {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = Place { kind, home };
        place.run("make", "rw")?;
        place.run("mount", "rw")?;
        fs::create_dir_all(place.uploads()).map_err(|error| error.to_string())?;
        Ok(place)
    }

    /// Returns the directory of the server.
    pub(in crate::durability) fn uploads(&self) -> PathBuf {
        self.mount().join("uploads")
    }

    pub(in crate::durability) fn mount(&self) -> PathBuf {
        self.home.path().join("at")
    }

    /// Unmounts, and mounts with `mode`: `rw` or `ro`.
    pub(in crate::durability) fn mount_again(&self, mode: &str) -> Result<(), String> {
        self.run("umount", mode)?;
        self.run("mount", mode)
    }

    /// Copies the disk as it is now: the state after a power loss. Returns false if there is no single disk.
    pub(in crate::durability) fn copy_disk(&self) -> bool {
        let [image, copy] = self.images();
        image.exists() && fs::copy(image, copy).is_ok()
    }

    /// Mounts the copy of the disk instead of the disk.
    pub(in crate::durability) fn mount_copy(&self) -> Result<(), String> {
        self.run("umount", "rw")?;
        let [image, copy] = self.images();
        fs::rename(copy, image).map_err(|error| error.to_string())?;
        self.run("mount", "rw")
    }

    fn images(&self) -> [PathBuf; 2] {
        ["image", "copy"].map(|name| self.home.path().join(name))
    }

    /// Runs a step of the script.
    pub(in crate::durability) fn run(&self, step: &str, mode: &str) -> Result<(), String> {
        let mut script = Command::new("sh");
        script.args([SCRIPT, step, self.kind, mode]);
        let output = script.current_dir(self.home.path()).output_in_time();
        let output = output.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.trim().lines().next().unwrap_or("no reason").to_owned();
        output.status.success().then_some(()).ok_or(reason)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = self.run("end", "rw") {
            eprintln!("{}: {error}", self.kind);
        }
    }
}
