//! Checks that the paths of a store still lead to the directories that it holds open.
//!
//! The store reads and writes through held descriptors. After `DIR` was moved, removed, replaced or unmounted, they
//! lead to a directory that is no longer at its path. A "complete" file would then not be found there.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, stat, statat};

use crate::store::error::Error;
use crate::store::fs::disk::{Disk, LOCK, PARTIALS};
use crate::store::fs::fault::Op;

impl Disk {
    /// Checks that `DIR` and `DIR/.resumed` lead to the held directories, by four short system calls.
    ///
    /// # Errors
    /// `Displaced`.
    pub(crate) fn check_in_place(&self) -> Result<(), Error> {
        let root = stat(&self.location.path).map_err(io::Error::from);
        let root = root.and_then(|root| expect_same(&root, &self.root.file));
        self.location.note(root.and_then(|()| {
            let partials = statat(&self.root.file, PARTIALS, AtFlags::SYMLINK_NOFOLLOW)?;
            expect_same(&partials, &self.partials.file)
        }))
    }

    /// Does the same as `check_in_place`, unless that succeeded in the last 100 ms.
    pub(crate) fn check_in_place_lately(&self) -> Result<(), Error> {
        if self.location.is_fresh() {
            Ok(())
        } else {
            self.check_in_place()
        }
    }

    /// Does the same as `check_in_place`. Also checks that the lock file is still the locked one, and can be written.
    ///
    /// # Errors
    /// `Displaced`; `Io` if the lock file cannot be opened for writing, as when the file system became read-only or its
    /// device was removed.
    pub(crate) fn check_health(&self) -> Result<(), Error> {
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

    /// Returns the cause of a failed operation: `Displaced` if the directory is no longer in place, otherwise `error`.
    pub(crate) fn explain(&self, error: Error) -> Error {
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
        false => Err(io::Error::other("another file or directory is there")),
    }
}
