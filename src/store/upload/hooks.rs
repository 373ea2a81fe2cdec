//! Completion hooks, each run at least once. The caller runs them; the records say which are due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::fs::record::{Hook, Record};
use crate::store::id::Key;
use crate::store::options::OnConflict;
use crate::store::upload::completed::Completed;
use crate::store::upload::registry::{Registry, UploadHandle};
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{Mutex, MutexGuard, lock};

/// The uploads whose hook is due, with hashes of the names of their files: thousands of names would take much memory. A
/// hook may move its file before it is reported as run.
#[derive(Default)]
pub(crate) struct PendingHooks {
    names: Mutex<BTreeMap<Key, NameHash>>,
    /// True if the records of earlier servers were read to find such uploads.
    is_loaded: AtomicBool,
}

impl PendingHooks {
    pub(crate) fn add(&self, key: Key, name: &str, on_conflict: OnConflict) {
        self.names().insert(key, name_hash(name, on_conflict));
    }

    /// Releases the name: the hook has run, or the upload was not published under that name.
    pub(crate) fn remove(&self, key: Key) {
        self.names().remove(&key);
    }

    /// Reserves `name` for the upload `key`. Returns false if a pending hook of another upload needs a file of that name.
    fn reserve(&self, key: Key, name: &str, on_conflict: OnConflict) -> bool {
        let mut names = self.names();
        let name = name_hash(name, on_conflict);
        if (names.iter()).any(|(other, taken)| *other != key && *taken == name) {
            return false;
        }
        names.insert(key, name);
        true
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<Key, NameHash>> {
        lock(&self.names)
    }
}

/// The hash of a name.
type NameHash = Key;

/// Hashes a name. Names that differ only in case may name one file, so they have one hash if it may be replaced.
fn name_hash(name: &str, on_conflict: OnConflict) -> NameHash {
    match on_conflict {
        OnConflict::KeepBoth => Key::of(b"", name.as_bytes()),
        OnConflict::Replace => {
            let folded: String = name.chars().flat_map(char::to_lowercase).collect();
            Key::of(b"", folded.as_bytes())
        }
    }
}

impl Registry {
    /// Returns every complete upload whose hook is due. Leaves out those that cannot be read.
    pub(crate) fn due_hooks(self: &Arc<Self>) -> Result<BTreeSet<Key>, Error> {
        let mut due = BTreeSet::new();
        self.find_due(|upload, record| {
            let name = record.publishing_as().unwrap_or_default();
            let on_conflict = self.options.on_conflict;
            self.hooks.add(upload.key, name, on_conflict);
            due.insert(upload.key);
        })?;
        self.hooks.is_loaded.store(true, SeqCst);
        Ok(due)
    }

    /// Returns the upload `key` if its hook is due.
    ///
    /// # Errors
    /// `Poisoned`; `Io` if the record cannot be read.
    pub(crate) fn due_hook(self: &Arc<Self>, key: Key) -> Result<Option<Completed>, Error> {
        let upload = self.upload(key);
        let record = upload.due_record()?;
        Ok(record.map(|record| upload.completed(&record)))
    }

    /// Calls `see` for each complete upload whose hook is due; for some uploads twice.
    fn find_due(
        self: &Arc<Self>,
        mut see: impl FnMut(&UploadHandle, &Record),
    ) -> Result<(), Error> {
        let mut look = |key| {
            let upload = self.upload(key);
            match upload.due_record() {
                Ok(Some(record)) => see(&upload, &record),
                Ok(None) => {}
                Err(error) => log::debug!("{key}: cannot tell whether its hook is due: {error}"),
            }
        };
        for name in self.disk.names()? {
            // A record that is replaced meanwhile may appear twice.
            let key = name?.strip_suffix(".json").and_then(Key::parse);
            let Some(key) = key else { continue };
            if self.disk.modified(&key.to_string())?.is_none() {
                look(key);
            }
        }
        let mut due = Vec::new();
        self.log.each(|key, text| {
            if Record::is_due(text, key) {
                due.push(key);
            }
        })?;
        due.into_iter().for_each(look);
        Ok(())
    }
}

impl UploadHandle {
    /// Reserves the name of `path` for this upload until its hook has run: a hook must find the bytes of its upload.
    /// Returns false if another upload has the name.
    pub(crate) fn reserve_name(&self, path: &str) -> Result<bool, Error> {
        let (registry, options) = (&self.registry, &self.registry.options);
        if !options.mark_hooks {
            return Ok(true);
        }
        if !registry.hooks.is_loaded.load(SeqCst) {
            registry.due_hooks()?;
        }
        let may_replace = options.on_conflict == OnConflict::Replace && self.is_shared();
        if may_replace && self.is_due_elsewhere(path)? {
            return Ok(false);
        }
        Ok(registry.hooks.reserve(self.key, path, options.on_conflict))
    }

    /// Returns whether a record of any server says that a hook for `path` is due.
    fn is_due_elsewhere(&self, path: &str) -> Result<bool, Error> {
        let mut is_due = false;
        (self.registry).find_due(|upload, record| {
            is_due |= upload.key != self.key && record.publishing_as() == Some(path);
        })?;
        Ok(is_due)
    }

    /// Returns the record if the upload is complete and its hook is due.
    fn due_record(&self) -> Result<Option<Arc<Record>>, Error> {
        let state = self.load()?;
        let published = state.published();
        let is_due = published.is_some_and(|published| published.hook == Some(Hook::Due));
        Ok(state.record().filter(|_| is_due).cloned())
    }

    /// Records that the hook has run. Does not sync the name of the record: after a power loss the hook may run again.
    pub(crate) fn hook_has_run(&self) -> Result<(), Error> {
        let _changing = self.lock_change()?;
        let record = self.load()?.record_of_run_hook();
        if let Some(record) = record {
            self.write_record(&record)?;
            self.lock()?.replace_record(record);
        }
        self.registry.hooks.remove(self.key);
        Ok(())
    }
}
