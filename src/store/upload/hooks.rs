//! Completion hooks, each run at least once. The caller runs them; the records say which are due.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::store::error::Error;
use crate::store::fs::record::{Hook, Record};
use crate::store::id::Key;
use crate::store::mutex::lock;
use crate::store::options::OnConflict;
use crate::store::upload::completed::Completed;
use crate::store::upload::registry::{Registry, UploadHandle};

/// The uploads whose hook is due, with the names of their files. A hook may move its file before it is reported as run.
#[derive(Default)]
pub(crate) struct PendingHooks {
    names: Mutex<BTreeMap<Key, Box<str>>>,
    /// True if the records of earlier servers were read to find such uploads.
    is_loaded: AtomicBool,
}

impl PendingHooks {
    pub(crate) fn has(&self, key: Key) -> bool {
        self.names().contains_key(&key)
    }

    pub(crate) fn add(&self, key: Key, name: &str) {
        self.names().insert(key, name.into());
    }

    /// Releases the name: the hook has run, or the upload was not published under that name.
    pub(crate) fn remove(&self, key: Key) {
        self.names().remove(&key);
    }

    /// Reserves `name` for the upload `key`. Returns false if a pending hook of another upload needs a file of that name.
    fn reserve(&self, key: Key, name: &str, on_conflict: OnConflict) -> bool {
        let mut names = self.names();
        // Names that differ only in case may name one file.
        let is_same = |other: &str| match on_conflict {
            OnConflict::Replace => folded(other).eq(folded(name)),
            OnConflict::KeepBoth => other == name,
        };
        if (names.iter()).any(|(other, name)| *other != key && is_same(name)) {
            return false;
        }
        names.insert(key, name.into());
        true
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<Key, Box<str>>> {
        lock(&self.names)
    }
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase)
}

impl Registry {
    /// Returns every complete upload whose hook is due. Leaves out those that cannot be read.
    pub(crate) fn due_hooks(self: &Arc<Self>) -> Result<Vec<Completed>, Error> {
        let due = self.find_due(|upload, record| {
            let name = record.publishing_as().unwrap_or_default();
            upload.registry.hooks.add(upload.key, name);
        })?;
        self.hooks.is_loaded.store(true, SeqCst);
        Ok(due)
    }

    fn find_due(
        self: &Arc<Self>,
        see: impl Fn(&UploadHandle, &Record),
    ) -> Result<Vec<Completed>, Error> {
        let mut due = BTreeMap::new();
        let mut look = |key| {
            let upload = self.upload(key);
            if let Some(record) = upload.due_record() {
                see(&upload, &record);
                due.insert(key, upload.completed(&record));
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
        for key in self.log.keys()? {
            let line = self.log.find(key)?;
            let record = line.and_then(|line| Record::parse(&line, key).ok()?);
            if record.is_some_and(|record| record.hook() == Some(Hook::Due)) {
                look(key);
            }
        }
        Ok(due.into_values().collect())
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
        let due = self.registry.find_due(|_, _| ())?;
        let path = self.disk().published_path(path);
        Ok((due.iter()).any(|due| due.id.key() != self.key && due.path == path))
    }

    /// Returns the record if the upload is complete and its hook is due.
    fn due_record(&self) -> Option<Arc<Record>> {
        let state = match self.load() {
            Ok(state) => state,
            Err(error) => {
                log::debug!("{}: cannot tell whether its hook is due: {error}", self.key);
                return None;
            }
        };
        let is_due = state.published()?.hook == Some(Hook::Due);
        state.record().filter(|_| is_due).cloned()
    }

    /// Records that the hook has run. Does not sync the name of the record: after a power loss the hook may run again.
    pub(crate) fn hook_has_run(&self) -> Result<(), Error> {
        let _changing = self.lock_change()?;
        let record = self.load()?.hook_has_run();
        if let Some(record) = record {
            self.write_record(&record)?;
        }
        self.registry.hooks.remove(self.key);
        Ok(())
    }
}
