//! What has changed in a directory since it was last synced, so that one in which nothing has is not.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::options::Sharing;

/// Changes of one directory's names, by this server; what others do, it cannot know of.
pub(super) struct Changes {
    noted: AtomicU64,
    synced: AtomicU64,
    sharing: Sharing,
}

impl Changes {
    /// The last server may have synced nothing.
    pub(super) fn new(sharing: Sharing) -> Self {
        Self {
            noted: AtomicU64::new(1),
            synced: AtomicU64::new(0),
            sharing,
        }
    }

    /// A name has changed. Said after it has: a sync that begins in between may have passed it by.
    pub(super) fn note(&self) {
        self.noted.fetch_add(1, SeqCst);
    }

    /// Runs `sync`, unless there is nothing to be synced. For one caller at a time.
    pub(super) fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let noted = self.noted.load(SeqCst);
        if noted == self.synced.load(SeqCst) && self.sharing == Sharing::Alone {
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
        let changes = Changes::new(Sharing::Alone);
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
        let changes = Changes::new(Sharing::Shared);
        assert!(syncs(&changes, || Ok(())));
        assert!(syncs(&changes, || Ok(())));
    }
}
