//! Obstacles to the publishing of a full upload, and the uploads that wait until an obstacle is gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{error, fmt, io};

use rustix::io::Errno;

use crate::store::fs::record::Record;
use crate::store::id::Key;

/// Maximum number of uploads stored with their obstacle. For further ones each failure is logged.
const BLOCKED_MAX: usize = 1000;

/// The reason for which a full upload cannot be published. Its bytes stay held.
#[derive(Debug)]
pub struct Obstacle {
    /// The kind, which says what a client can do.
    pub kind: ObstacleKind,
    /// The path of the file below the directory; empty if it is not known.
    path: String,
    error: io::Error,
}

/// The kind of an [`Obstacle`], which says what a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObstacleKind {
    /// The obstacle may pass: the same request may succeed later.
    Passing,
    /// The directory refuses this file until its owner changes something.
    Refused,
    /// The file is larger than the file system or the file size limit of the process allows.
    TooLarge,
    /// The disk or a quota is full.
    NoSpace,
}

impl Obstacle {
    /// Finds the kind of an error by its errno.
    pub(crate) fn new(error: io::Error) -> Self {
        let kind = match Errno::from_io_error(&error) {
            _ if is_full(&error) => ObstacleKind::NoSpace,
            _ if is_too_large(&error) => ObstacleKind::TooLarge,
            Some(
                Errno::ACCESS
                | Errno::PERM
                | Errno::ROFS
                | Errno::XDEV
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::MLINK
                | Errno::INVAL
                | Errno::ILSEQ
                | Errno::NAMETOOLONG
                | Errno::OPNOTSUPP,
            ) => ObstacleKind::Refused,
            None if error.kind() == io::ErrorKind::AlreadyExists => ObstacleKind::Refused,
            _ => ObstacleKind::Passing,
        };
        let path = String::new();
        Self { kind, path, error }
    }

    /// Adds the `path` of the file below the directory.
    pub(crate) fn at(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// Returns the obstacle of a file that waits for its copy to another file system.
    pub(crate) fn copying(path: String) -> Self {
        let error = io::Error::other("the copy to another file system is not finished");
        Self::new(error).at(path)
    }

    /// Returns whether the folder is on another file system, so that the file has to be copied.
    pub(crate) fn is_elsewhere(&self) -> bool {
        Errno::from_io_error(&self.error) == Some(Errno::XDEV)
    }

    /// Returns the errno of the failed operation, if there is one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot publish the file")?;
        if !self.path.is_empty() {
            write!(f, " as {:?}", self.path)?;
        }
        write!(f, ": {}", self.error)
    }
}

impl error::Error for Obstacle {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

/// The full uploads whose last publish failed.
#[derive(Default)]
pub(crate) struct Blocked {
    all: Mutex<BTreeMap<Key, (Record, String)>>,
    /// The reason last logged for each upload.
    logged: Mutex<BTreeMap<Key, String>>,
}

impl Blocked {
    /// Stores the obstacle of an upload, and logs each reason once.
    pub(crate) fn note(&self, key: Key, record: &Record, obstacle: &Obstacle) {
        self.warn(key, obstacle);
        self.note_copying(key, record, obstacle);
    }

    /// Stores the obstacle, and logs nothing: the copy is going on.
    pub(crate) fn note_copying(&self, key: Key, record: &Record, obstacle: &Obstacle) {
        let mut all = self.all();
        if all.len() < BLOCKED_MAX || all.contains_key(&key) {
            all.insert(key, (record.clone(), obstacle.to_string()));
        }
    }

    /// Logs the obstacle to an upload, each reason once.
    pub(crate) fn warn(&self, key: Key, obstacle: &Obstacle) {
        let reason = obstacle.to_string();
        let mut logged = lock(&self.logged);
        if logged.get(&key) == Some(&reason) {
            return;
        }
        if logged.len() >= BLOCKED_MAX {
            logged.clear();
        }
        log::warn!("{key}: {reason}; the received bytes are kept");
        logged.insert(key, reason);
    }

    /// Removes the obstacle of an upload that is published or gone.
    pub(crate) fn forget(&self, key: Key) {
        self.all().remove(&key);
        lock(&self.logged).remove(&key);
    }

    /// Returns the record and the obstacle of each upload.
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, (Record, String)>> {
        lock(&self.all)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether the file system or the file size limit of the process allows no such length.
pub(crate) fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

/// Returns whether the disk or a quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
