//! Checks that the paths of a store still lead to the directories that it holds open.
//!
//! The store reads and writes through held descriptors. After `DIR` was moved, removed, replaced or unmounted they reach
//! a directory that nobody else finds: a file would be "complete" and not be there.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, stat, statat};

use super::disk::{Disk, LOCK, PARTIALS};
use super::error::Error;
use super::faults::Op;

impl Disk {
    /// Checks that `DIR` and `DIR/.resumed` lead to the held directories, by four short system calls.
    ///
    /// # Errors
    /// `Displaced`.
    pub(super) fn check_in_place(&self) -> Result<(), Error> {
        let root = stat(&self.location.path).map_err(io::Error::from);
        let root = root.and_then(|root| expect_same(&root, &self.root.file));
        self.location.note(root.and_then(|()| {
            let partials = statat(&self.root.file, PARTIALS, AtFlags::SYMLINK_NOFOLLOW)?;
            expect_same(&partials, &self.partials.file)
        }))
    }

    /// As `check_in_place`, unless that succeeded a moment ago.
    pub(super) fn check_in_place_lately(&self) -> Result<(), Error> {
        if self.location.is_fresh() {
            Ok(())
        } else {
            self.check_in_place()
        }
    }

    /// As `check_in_place`; checks too that the lock file keeps other servers out, and can be written.
    ///
    /// # Errors
    /// `Displaced`; `Io` where the lock file cannot be opened for writing: a file system that became read-only, or whose
    /// device is gone.
    pub(super) fn check_health(&self) -> Result<(), Error> {
        self.check_in_place()?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let checked = self.faults.check(Op::Open);
        let open = || Ok(openat(&self.partials.file, LOCK, flags, Mode::empty())?);
        match checked.and_then(|()| open()) {
            Ok(lock) => {
                let same = fstat(lock).map_err(io::Error::from);
                let same = same.and_then(|lock| expect_same(&lock, &self.lock));
                self.location.note(same)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.location.note(Err(error)),
            Err(error) => Err(Error::Io(error)),
        }
    }

    /// Returns why an operation failed: a directory that is gone rather than what the system said of a file in it.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Io(_) => self.check_in_place().err().unwrap_or(error),
            error => error,
        }
    }
}

/// Fails unless `found` is the file or directory that is `held` open.
fn expect_same(found: &Stat, held: impl AsFd) -> io::Result<()> {
    let held = fstat(held)?;
    match (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino) {
        true => Ok(()),
        false => Err(io::Error::other("something else is there")),
    }
}
