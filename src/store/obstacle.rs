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
            Some(Errno::FBIG) => ObstacleKind::TooLarge,
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
        Self { kind, error }
    }

    /// The errno of the operation that failed, where the system gave one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot publish the file: {}", self.error)
    }
}

impl error::Error for Obstacle {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Uploads that are held in full and could not be published when last tried.
#[derive(Default)]
pub(super) struct Blocked(Mutex<BTreeMap<Key, (Record, String)>>);

impl Blocked {
    /// Notes that publishing failed, and logs each reason once.
    pub(super) fn note(&self, key: Key, record: &Record, obstacle: &Obstacle) {
        let reason = obstacle.to_string();
        let mut all = self.all();
        if all.get(&key).map(|(_, known)| known) != Some(&reason) {
            let name = record.name.as_deref().unwrap_or_default();
            log::warn!("{key} ({name:?}): {reason}; the bytes are kept");
        }
        if all.len() < BLOCKED_MAX || all.contains_key(&key) {
            all.insert(key, (record.clone(), reason));
        }
    }

    /// Forgets the obstacle: the upload is published, or gone.
    pub(super) fn forget(&self, key: Key) {
        self.all().remove(&key);
    }

    /// The records, and why each is not published.
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, (Record, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the disk, or a quota on it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
