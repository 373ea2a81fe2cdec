//! What has changed in a directory since it was last synced.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Changes of one directory's names.
pub(crate) struct Changes {
    noted: AtomicU64,
    synced: AtomicU64,
    /// Whether others change them too, of which nothing is known here.
    shared: AtomicBool,
}

impl Default for Changes {
    /// Of a directory in which the last server may have synced nothing.
    fn default() -> Self {
        Self {
            noted: AtomicU64::new(1),
            synced: AtomicU64::default(),
            shared: AtomicBool::default(),
        }
    }
}

impl Changes {
    /// From now on every sync is made.
    pub(crate) fn share(&self) {
        self.shared.store(true, SeqCst);
    }

    /// A name has changed. Said after it has: a sync that begins in between may have passed it by.
    pub(crate) fn note(&self) {
        self.noted.fetch_add(1, SeqCst);
    }

    /// Runs `sync`, unless there is nothing to be synced. For one caller at a time.
    pub(crate) fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let noted = self.noted.load(SeqCst);
        if noted == self.synced.load(SeqCst) && !self.shared.load(SeqCst) {
            return Ok(());
        }
        sync()?;
        self.synced.store(noted, SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there was a sync.
    fn syncs(changes: &Changes, meanwhile: impl FnOnce() -> io::Result<()>) -> bool {
        let mut synced = false;
        let _ = changes.sync(|| {
            synced = true;
            meanwhile()
        });
        synced
    }

    #[test]
    fn what_has_not_changed_since_is_not_synced_again() {
        let changes = Changes::default();
        assert!(syncs(&changes, || Ok(())));
        assert!(!syncs(&changes, || Ok(())));
        changes.note();
        assert!(syncs(&changes, || Err(io::ErrorKind::Other.into())));
        assert!(syncs(&changes, || {
            changes.note();
            Ok(())
        }));
        assert!(syncs(&changes, || Ok(())));
        assert!(!syncs(&changes, || Ok(())));
    }

    #[test]
    fn what_others_change_too_is_always_synced() {
        let changes = Changes::default();
        changes.share();
        assert!(syncs(&changes, || Ok(())));
        assert!(syncs(&changes, || Ok(())));
    }
}
