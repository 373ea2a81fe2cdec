//! Locks on whole files (`flock`). A lock ends with its process, and on a cluster with its machine.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::store::options::Sharing;

/// The directory of the lock files of servers that share a directory.
pub(crate) const LOCKS: &str = "locks";

/// Locks the directory until `file` is closed: alone, or together with other shared servers. Returns false if another
/// server has the lock.
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

/// Waits for the exclusive lock.
pub(crate) fn lock(file: impl AsFd) -> io::Result<()> {
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Discards cached attributes of a file that another machine may have changed. NFS caches extended attributes while the
/// file is open for writing; only a lock on the file discards them.
pub(crate) fn revalidate(file: impl AsFd) -> io::Result<()> {
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => unlock(file),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn unlock(file: impl AsFd) -> io::Result<()> {
    Ok(flock(file, FlockOperation::Unlock)?)
}
