//! The type of the file system of the directory.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

#[cfg(target_os = "linux")]
use crate::store::fs::ext4;

#[cfg(target_os = "linux")]
use self::magic::{BTRFS, EXFAT, EXT4, FAT, FUSE, NTFS3, TMPFS, XFS};

/// The type numbers of file systems: 32 bits, although the type of the field differs between architectures.
#[cfg(target_os = "linux")]
mod magic {
    pub(crate) const EXT4: u32 = 0xef53;
    pub(crate) const XFS: u32 = 0x5846_5342;
    pub(crate) const BTRFS: u32 = 0x9123_683e;
    pub(crate) const TMPFS: u32 = 0x0102_1994;
    pub(crate) const FAT: u32 = 0x4d44;
    pub(crate) const EXFAT: u32 = 0x2011_bab0;
    pub(crate) const NTFS3: u32 = 0x7366_746e;
    pub(crate) const FUSE: u32 = 0x6573_5546;
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

/// Warns if the ext4 of `dir` has no journal, or has fast commits. Sets the times of a file there, and syncs it.
#[cfg(target_os = "linux")]
pub(crate) fn warn_of_ext4(file: &File, dir: &Path) {
    if rustix::fs::fstatfs(file).is_ok_and(|about| about.f_type as u32 == EXT4) {
        ext4::warn_unless_safe(file, dir);
    }
}

/// Warns if an ext4 has no journal, or has fast commits.
#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_of_ext4(_: &File, _: &Path) {}

/// Syncs the whole file system of `dir`, and returns true. Returns false where `syncfs` is not known to do that: with FUSE
/// it reaches no disk.
#[cfg(target_os = "linux")]
pub(crate) fn sync_all(dir: impl AsFd) -> io::Result<bool> {
    match rustix::fs::fstatfs(&dir)?.f_type as u32 {
        EXT4 | XFS | BTRFS | TMPFS => sync_whole(dir).map(|()| true),
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
            "{} is on {}, not on ext4, xfs or btrfs: \
             a power cut may lose bytes and files that the server has reported{}",
            path.display(),
            name_of(other),
            if matches!(other, FAT | EXFAT) {
                ", and damage other files, because FAT has no journal"
            } else {
                ""
            }
        ),
        Err(error) => log::warn!(
            "{}: cannot read the type of its file system: {error}; a power cut may lose bytes and files that the server has reported",
            path.display()
        ),
    }
}

/// Returns the name of a type that people use, or its number.
#[cfg(target_os = "linux")]
fn name_of(kind: u32) -> String {
    let name = match kind {
        FAT => "FAT",
        EXFAT => "exFAT",
        NTFS3 => "NTFS",
        FUSE => "FUSE (such as ntfs-3g, exfat-fuse, mergerfs or sshfs)",
        0xf2f5_2010 => "f2fs",
        0x794c_7630 => "overlayfs",
        0x6969 => "NFS",
        0xff53_4d42 | 0xfe53_4d42 => "CIFS",
        0x0102_1997 => "9p",
        0x2fc1_2fc1 => "ZFS",
        0xca45_1a4e => "bcachefs",
        0x5265_4973 => "ReiserFS",
        0x3153_464a => "JFS",
        0x4244 => "HFS",
        0x482b => "HFS+",
        0x5346_544e => "NTFS",
        _ => return format!("a file system of type {kind:#x}"),
    };
    name.to_owned()
}

/// Returns whether a sync of a file or directory of this file system leaves entries or lengths unsynced, so that each sync
/// must be one of the whole file system.
///
/// FAT has the length and the first cluster of a file in the directory. After a rename, a sync of the directory makes the
/// name durable, but not the length. ntfs3 does not write the index of a directory.
#[cfg(target_os = "linux")]
pub(crate) fn needs_whole_syncs(dir: impl AsFd) -> bool {
    rustix::fs::fstatfs(dir).is_ok_and(|about| matches!(about.f_type as u32, FAT | NTFS3))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn needs_whole_syncs(_: impl AsFd) -> bool {
    false
}

/// Syncs the whole file system of `dir`.
#[cfg(target_os = "linux")]
pub(crate) fn sync_whole(dir: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(dir)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_whole(_: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Warns where durable answers are not known to hold.
#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_unless_durable(_: impl AsFd, path: &Path) {
    log::warn!(
        "{}: a power cut may lose bytes and files that the server has reported: promises hold on Linux only",
        path.display()
    );
}
