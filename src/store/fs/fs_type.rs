//! The type of the file system of the directory.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

#[cfg(target_os = "linux")]
use crate::store::fs::ext4;

#[cfg(target_os = "linux")]
use self::magic::{BTRFS, EXT4, FAT, TMPFS, XFS};

/// The type numbers of file systems: 32 bits, although the type of the field differs between architectures.
#[cfg(target_os = "linux")]
mod magic {
    pub(crate) const EXT4: u32 = 0xef53;
    pub(crate) const XFS: u32 = 0x5846_5342;
    pub(crate) const BTRFS: u32 = 0x9123_683e;
    pub(crate) const TMPFS: u32 = 0x0102_1994;
    pub(crate) const FAT: u32 = 0x4d44;
}

/// Returns the maximum length of a file in `dir`, if the process or the file system has a known limit.
pub(crate) fn longest_file(dir: impl AsFd) -> Option<u64> {
    let limits = [getrlimit(Resource::Fsize).current, longest_of(dir)];
    limits.into_iter().flatten().min()
}

/// FAT stores lengths in 32 bits.
#[cfg(target_os = "linux")]
fn longest_of(dir: impl AsFd) -> Option<u64> {
    let is_fat = rustix::fs::fstatfs(dir).is_ok_and(|about| about.f_type as u32 == FAT);
    is_fat.then_some(u32::MAX.into())
}

#[cfg(not(target_os = "linux"))]
fn longest_of(_: impl AsFd) -> Option<u64> {
    None
}

/// Warns if an ext4 has no journal, or has fast commits. Sets the times of the lock file, and syncs it.
#[cfg(target_os = "linux")]
pub(crate) fn warn_of_ext4(lock: &File) {
    if rustix::fs::fstatfs(lock).is_ok_and(|about| about.f_type as u32 == EXT4) {
        ext4::warn_unless_safe(lock);
    }
}

/// Warns if an ext4 has no journal, or has fast commits.
#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_of_ext4(_: &File) {}

/// Syncs the whole file system of `dir`, and returns true. Returns false where `syncfs` is not known to do that: with FUSE
/// it reaches no disk.
#[cfg(target_os = "linux")]
pub(crate) fn sync_all(dir: impl AsFd) -> io::Result<bool> {
    match rustix::fs::fstatfs(&dir)?.f_type as u32 {
        EXT4 | XFS | BTRFS | TMPFS => Ok(rustix::fs::syncfs(dir).map(|()| true)?),
        _ => Ok(false),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_all(_: impl AsFd) -> io::Result<bool> {
    Ok(false)
}

/// Warns where durable answers are not known to hold.
#[cfg(target_os = "linux")]
pub(crate) fn warn_unless_durable(dir: impl AsFd, path: &Path) {
    match rustix::fs::fstatfs(dir).map(|about| about.f_type as u32) {
        Ok(EXT4 | XFS | BTRFS) => {}
        Ok(TMPFS) => log::warn!(
            "{} is in memory (tmpfs): nothing there survives a restart of the machine",
            path.display()
        ),
        Ok(other) => log::warn!(
            "{} is on a file system (type {other:#x}) other than ext4, xfs and btrfs: \
             whether answers survive a power cut is not known",
            path.display()
        ),
        Err(error) => log::warn!(
            "{}: cannot tell what file system it is on: {error}",
            path.display()
        ),
    }
}

/// Warns where durable answers are not known to hold.
#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_unless_durable(_: impl AsFd, path: &Path) {
    log::warn!(
        "{}: whether answers survive a power cut is known on Linux only",
        path.display()
    );
}
