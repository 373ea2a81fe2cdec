//! The uploads in memory: those that a request or a thread holds. Memory is bounded by the work in progress, not by the
//! files on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Arc, Weak};

use crate::store::account_index::AccountIndex;
use crate::store::clock::Clock;
use crate::store::error::Error;
use crate::store::fs::disk::Disk;
use crate::store::fs::group_commit::SharedSync;
use crate::store::fs::space::Floor;
use crate::store::id::Key;
use crate::store::log::Log;
use crate::store::options::Options;
use crate::store::reservations::Reservations;
use crate::store::upload::blocked::Blocked;
use crate::store::upload::coordination::{Coordination, Ownership};
use crate::store::upload::copies::Copies;
use crate::store::upload::durability::Confirmed;
use crate::store::upload::files_index::FilesIndex;
use crate::store::upload::hooks::PendingHooks;
use crate::store::upload::state::State;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{Mutex, MutexGuard, lock, thread};

/// The cause of a mutex that is poisoned.
const PANICKED: &str = "a change of the upload panicked";

/// An open store: the uploads in memory, and everything they share.
pub(crate) struct Registry {
    pub(crate) options: Options,
    pub(crate) disk: Arc<Disk>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) reservations: Reservations,
    pub(crate) accounts: AccountIndex,
    pub(crate) blocked: Blocked,
    pub(crate) copies: Copies,
    pub(crate) hooks: PendingHooks,
    pub(crate) files: FilesIndex,
    /// `None` without other servers over the same directory.
    pub(crate) coordination: Option<Box<dyn Coordination>>,
    /// True after a power loss, until a sweep has looked at every upload: a partial upload is truncated to its marker
    /// when it is loaded.
    pub(crate) trusts_markers_only: AtomicBool,
    /// A `BTreeMap`, because it takes the least memory.
    uploads: Mutex<BTreeMap<Key, Weak<UploadHandle>>>,
    /// Poisoned uploads stay poisoned after they leave memory.
    poisoned: Mutex<BTreeSet<Key>>,
}

impl Registry {
    pub(crate) fn new(
        disk: Arc<Disk>,
        options: Options,
        coordination: Option<Box<dyn Coordination>>,
    ) -> Self {
        Self {
            accounts: AccountIndex::new(&options),
            log: Log::new(Arc::clone(&disk)),
            clock: Clock::new(&disk.load_clock()),
            disk,
            reservations: Reservations::new(Floor::from(&options)),
            options,
            blocked: Blocked::default(),
            copies: Copies::default(),
            hooks: PendingHooks::default(),
            files: FilesIndex::default(),
            coordination,
            trusts_markers_only: AtomicBool::new(false),
            uploads: Mutex::default(),
            poisoned: Mutex::default(),
        }
    }

    /// Returns the handle of the upload `key`. Reads no file, so the lock on all uploads never waits for the disk.
    pub(crate) fn upload(self: &Arc<Self>, key: Key) -> Arc<UploadHandle> {
        let mut uploads = lock(&self.uploads);
        while let Some(upload) = uploads.get(&key) {
            if let Some(upload) = upload.upgrade() {
                return upload;
            }
            // Another thread drops the handle, and updates the index as soon as it can lock the uploads.
            drop(uploads);
            thread::yield_now();
            uploads = lock(&self.uploads);
        }
        let upload = Arc::new(UploadHandle {
            registry: Arc::clone(self),
            key,
            changing: Mutex::default(),
            window: Mutex::default(),
            state: Mutex::new(State::new(self.disk.durable)),
            poisoned: lock(&self.poisoned).contains(&key).into(),
            data_syncs: SharedSync::default(),
        });
        uploads.insert(key, Arc::downgrade(&upload));
        upload
    }

    /// Returns whether the log has a record.
    pub(crate) fn has_logged(&self) -> bool {
        self.log.has_records()
    }

    /// Saves the running time. A failure only makes uploads expire later.
    pub(crate) fn save_clock(&self) {
        if let Err(error) = self.disk.save_clock(&self.clock.text()) {
            log::warn!(
                "cannot write .resumed/clock: {error}; after a restart, uploads expire later"
            );
        }
    }

    /// Makes all files durable that earlier servers have left. Later, a status of an upload that nobody changed needs no
    /// sync. Does so once.
    ///
    /// A loaded file does not show whether it is durable: an earlier server may have been killed before a sync. One sync
    /// of the file system is cheaper than those of all uploads.
    pub(crate) fn confirm_files(&self) {
        if !self.disk.durable || !self.files.begin_sync() {
            return;
        }
        match self.disk.sync_file_system() {
            Ok(true) => self.files.end_sync(),
            Ok(false) => {}
            Err(error) => log::debug!("cannot sync the file system: {error}"),
        }
    }

    /// Returns at most `most` uploads that are in memory.
    pub(crate) fn some_uploads(&self, most: usize) -> Vec<Arc<UploadHandle>> {
        let uploads = lock(&self.uploads);
        let alive = uploads.values().filter_map(Weak::upgrade);
        alive.take(most).collect()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.uploads).len()
    }
}

/// One upload in memory. All requests for the upload share one handle.
///
/// The locks are locked in this order: `changing`, `window`, `state`.
pub(crate) struct UploadHandle {
    pub(crate) registry: Arc<Registry>,
    pub(crate) key: Key,
    /// Locked to save the record, to publish or to remove. Stays locked during syncs, so a write never locks it.
    changing: Mutex<()>,
    /// Locked to change the state: for one write or one decision, and never during a sync, except to truncate after a
    /// failure.
    window: Mutex<Ownership>,
    /// Locked together with `window`, but not while bytes are written: then other requests can read it.
    state: Mutex<State>,
    poisoned: AtomicBool,
    /// The syncs of the data file.
    pub(crate) data_syncs: SharedSync,
}

impl Drop for UploadHandle {
    fn drop(&mut self) {
        let mut uploads = lock(&self.registry.uploads);
        uploads.remove(&self.key);
        let files = &self.registry.files;
        match self.state.get_mut() {
            Ok(state) if !state.is_loaded() => {}
            Ok(state) if state.has_files() => files.set(self.key, state.confirmed()),
            // A complete upload in the log is durable: publishing ends with syncs, and a failed one poisons it.
            Ok(_) => files.remove(self.key),
            Err(_) => files.set(self.key, Confirmed::Nothing),
        }
    }
}

impl UploadHandle {
    pub(crate) fn disk(&self) -> &Disk {
        &self.registry.disk
    }

    /// Returns whether other servers may change the upload.
    pub(crate) fn is_shared(&self) -> bool {
        self.registry.coordination.is_some()
    }

    pub(crate) fn lock_changing(&self) -> MutexGuard<'_, ()> {
        lock(&self.changing)
    }

    /// Locks `window`.
    ///
    /// # Errors
    /// `Poisoned`, also after a panic during a change.
    pub(crate) fn lock_window(&self) -> Result<MutexGuard<'_, Ownership>, Error> {
        self.window.lock().map_err(|_| self.poison(PANICKED))
    }

    /// Locks the state alone, to read it. Does not wait for a running write.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn peek(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.lock_state();
        match self.is_poisoned() {
            true => Err(Error::Poisoned),
            false => Ok(state),
        }
    }

    /// Locks the state alone, also that of a poisoned upload.
    pub(crate) fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|panicked| {
            self.poison(PANICKED);
            panicked.into_inner()
        })
    }

    /// Refuses every later operation on the upload, until the server restarts. Logs the first cause: later errors do not
    /// name it.
    pub(crate) fn poison(&self, cause: impl Display) -> Error {
        if !self.poisoned.swap(true, SeqCst) {
            let key = self.key;
            log::error!("{key}: {cause}; the upload is refused until the server restarts");
            lock(&self.registry.poisoned).insert(key);
        }
        Error::Poisoned
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(SeqCst)
    }
}
