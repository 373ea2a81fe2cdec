//! Locks of the file system on whole files: they go with the process that has them, and on a cluster with its machine.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::store::options::Sharing;

/// The directory of the files that servers lock which share a directory.
pub(crate) const LATCHES: &str = "locks";

/// Locks the directory against servers that must not be there, as long as `file` is open; says whether that was to be
/// had.
pub(crate) fn try_lock(file: impl AsFd, sharing: Sharing) -> io::Result<bool> {
    let how = match sharing {
        Sharing::Alone => FlockOperation::NonBlockingLockExclusive,
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
    };
    match flock(file, how) {
        Err(Errno::WOULDBLOCK) => Ok(false),
        done => Ok(done.map(|()| true)?),
    }
}

/// Waits until nobody else has it.
pub(crate) fn lock(file: impl AsFd) -> io::Result<()> {
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Forgets what was read of a file that another machine may have changed. NFS keeps extended attributes as long as the
/// file is open for writing, whatever else is seen to change, but for a lock on that file.
pub(crate) fn look_anew(file: impl AsFd) -> io::Result<()> {
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => unlock(file),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn unlock(file: impl AsFd) -> io::Result<()> {
    Ok(flock(file, FlockOperation::Unlock)?)
}
