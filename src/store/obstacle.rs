//! Why a file that is held in full cannot get its name, and the uploads that wait for such an obstacle.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{error, fmt, io};

use rustix::io::Errno;

use super::id::Key;
use super::record::Record;

/// Uploads that are remembered with their obstacle, at most. Of further ones each failure is logged.
const BLOCKED_MAX: usize = 1000;

/// Why a file that is held in full cannot get its name. The bytes stay held.
#[derive(Debug)]
pub struct Obstacle {
    /// What a client can do about it.
    pub kind: ObstacleKind,
    /// The path of the file below the directory; empty where it is not known.
    path: String,
    error: io::Error,
}

/// What a client can do about an [`Obstacle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObstacleKind {
    /// It may pass: the same request may succeed later.
    Passing,
    /// The directory does not take this file, now or later, until its owner changes something.
    Refused,
    /// The file is larger than the file system, or a limit of the process, allows.
    TooLarge,
    /// The disk, or a quota on it, is full.
    NoSpace,
}

impl Obstacle {
    /// Sorts an error of the disk by its number.
    pub(super) fn new(error: io::Error) -> Self {
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

    /// The obstacle of the file at `path` below the directory.
    pub(super) fn at(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// The file is being copied to another file system, and is published when that is done.
    pub(super) fn copying(path: String) -> Self {
        let error = io::Error::other("the copy to another file system is not finished");
        Self::new(error).at(path)
    }

    /// Whether the folder is another file system, so that the file has to be copied there.
    pub(super) fn is_elsewhere(&self) -> bool {
        Errno::from_io_error(&self.error) == Some(Errno::XDEV)
    }

    /// The errno of the operation that failed, where the system gave one.
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

/// Uploads that are held in full and could not be published when last tried.
#[derive(Default)]
pub(super) struct Blocked {
    all: Mutex<BTreeMap<Key, (Record, String)>>,
    /// The reason that was logged last, of each upload.
    logged: Mutex<BTreeMap<Key, String>>,
}

impl Blocked {
    /// Notes that publishing failed, and logs each reason once.
    pub(super) fn note(&self, key: Key, record: &Record, obstacle: &Obstacle) {
        self.warn(key, obstacle);
        self.note_copying(key, record, obstacle);
    }

    /// As `note`, for what goes on as it should: nothing is logged.
    pub(super) fn note_copying(&self, key: Key, record: &Record, obstacle: &Obstacle) {
        let mut all = self.all();
        if all.len() < BLOCKED_MAX || all.contains_key(&key) {
            all.insert(key, (record.clone(), obstacle.to_string()));
        }
    }

    /// Logs why an upload is not published, or not taken: each reason once.
    pub(super) fn warn(&self, key: Key, obstacle: &Obstacle) {
        let reason = obstacle.to_string();
        let mut logged = lock(&self.logged);
        if logged.get(&key) == Some(&reason) {
            return;
        }
        if logged.len() >= BLOCKED_MAX {
            logged.clear();
        }
        log::warn!("{key}: {reason}; what was received is kept");
        logged.insert(key, reason);
    }

    /// Forgets the obstacle: the upload is published, or gone.
    pub(super) fn forget(&self, key: Key) {
        self.all().remove(&key);
        lock(&self.logged).remove(&key);
    }

    /// The records, and why each is not published.
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, (Record, String)>> {
        lock(&self.all)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the file system, or a limit of the process, allows no file of that length.
pub(super) fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

/// Whether the disk, or a quota on it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
