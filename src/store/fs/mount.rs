//! The mount of the file system, stored in the lock file: a new mount may follow a power loss.

use std::io;

use crate::store::fs::disk::Disk;

impl Disk {
    /// Returns the identity of the current mount; `None` if the system does not tell it.
    pub(crate) fn mount(&self) -> Option<String> {
        system::mount_of(&self.lock)
    }

    /// Returns whether `mount` is stored in the lock file.
    pub(crate) fn was_opened_on(&self, mount: &str) -> io::Result<bool> {
        let mut stored = [0; 128];
        let length = rustix::io::pread(&self.lock, &mut stored, 0)?;
        Ok(stored[..length] == *mount.as_bytes())
    }

    /// Stores `mount` in the lock file, durably.
    pub(crate) fn store_mount(&self, mount: &str) -> io::Result<()> {
        self.lock.set_len(0)?;
        rustix::io::write(&self.lock, mount.as_bytes())?;
        self.lock.sync_data()
    }

    /// Returns whether no server has used the directory, and it contains no upload.
    pub(crate) fn is_new(&self) -> io::Result<bool> {
        Ok(self.lock.metadata()?.len() == 0 && self.names()?.next().is_none())
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::AsFd;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
    use rustix::io::read;

    /// `STATX_MNT_ID_UNIQUE`, since Linux 6.8. An older kernel uses the number of a removed mount again.
    const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

    const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

    /// Returns the boot and the mount of `file`.
    pub(crate) fn mount_of(file: impl AsFd) -> Option<String> {
        let flags = StatxFlags::MNT_ID | MNT_ID_UNIQUE;
        let mount = statx(file, "", AtFlags::EMPTY_PATH, flags).ok()?.stx_mnt_id;
        let mut boot = [0; 36];
        let file = openat(CWD, BOOT_ID, OFlags::RDONLY, Mode::empty()).ok()?;
        read(file, &mut boot).ok()?;
        let boot = String::from_utf8_lossy(&boot);
        Some(format!("{boot} {mount}\n"))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::AsFd;

    pub(crate) fn mount_of(_: impl AsFd) -> Option<String> {
        None
    }
}
