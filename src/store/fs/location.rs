//! The path of the upload directory, and the result of the last check that it still leads there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::store::error::Error;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// For this long a successful check serves requests that publish nothing, in milliseconds.
const CHECK_LASTS: u64 = 100;

/// The path of the directory, and the result of the last check.
pub(crate) struct Location {
    /// Absolute: a program may change its working directory.
    pub(crate) path: PathBuf,
    began: Instant,
    /// Time of the last success, in milliseconds since `began`, plus one. 0: no check succeeded, or a later one failed.
    succeeded: AtomicU64,
    /// True if the last check failed.
    failed: AtomicBool,
}

impl Location {
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: std::path::absolute(path)?,
            began: Instant::now(),
            succeeded: AtomicU64::default(),
            failed: AtomicBool::default(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether a check succeeded in the last 100 ms.
    pub(crate) fn is_fresh(&self) -> bool {
        let succeeded = self.succeeded.load(Relaxed);
        succeeded > 0 && self.now() < succeeded + CHECK_LASTS
    }

    /// Stores the result of a check, and logs each change once.
    pub(crate) fn note(&self, found: io::Result<()>) -> Result<(), Error> {
        let succeeded = if found.is_ok() { self.now() + 1 } else { 0 };
        self.succeeded.store(succeeded, Relaxed);
        let changed = self.failed.swap(found.is_err(), Relaxed) != found.is_err();
        let path = self.path.display();
        match &found {
            Ok(()) if changed => log::warn!("{path} is the opened directory again: taking uploads"),
            Err(error) if changed => {
                log::error!(
                    "{path} is not the opened directory any more: {error}; refusing uploads"
                );
            }
            _ => {}
        }
        found.map_err(Error::Displaced)
    }
}
