//! What the directory lies on: its file system, and how much is free there.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// Bytes free to programs like ours.
pub(super) fn free_bytes(dir: impl AsFd) -> io::Result<u64> {
    let about = rustix::fs::fstatvfs(dir)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// Warns where durable answers are not known to hold.
#[cfg(target_os = "linux")]
pub(super) fn warn_unless_durable(dir: impl AsFd, path: &Path) {
    const EXT4: u32 = 0xef53;
    const XFS: u32 = 0x5846_5342;
    const BTRFS: u32 = 0x9123_683e;
    const TMPFS: u32 = 0x0102_1994;
    // The magic numbers have 32 bits; the type of the field is another on every architecture.
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
pub(super) fn warn_unless_durable(_: impl AsFd, path: &Path) {
    log::warn!(
        "{}: whether answers survive a power cut is known on Linux only",
        path.display()
    );
}
