//! Completion hooks, at least once each: which are due, and which have run. Running them is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::store::error::Error;
use crate::store::fs::record::{Hook, Record};
use crate::store::id::Key;
use crate::store::options::OnConflict;
use crate::store::upload::completed::Completed;
use crate::store::upload::registry::{Registry, UploadHandle};

impl Registry {
    /// Every finished upload whose hook is due. One that cannot be read is left out.
    pub(crate) fn due(self: &Arc<Self>) -> Result<Vec<Completed>, Error> {
        let due = self.find_due(UploadHandle::hand_out)?;
        self.due_known.store(true, SeqCst);
        Ok(due)
    }

    fn find_due(
        self: &Arc<Self>,
        take: impl Fn(&UploadHandle, &Record) -> Completed,
    ) -> Result<Vec<Completed>, Error> {
        let mut due = BTreeMap::new();
        let mut look = |key| {
            let found = self.entry(key).if_due(&take);
            due.extend(found.map(|completed| (key, completed)));
        };
        for name in self.disk.names()? {
            // A record that is replaced meanwhile may be met twice.
            let key = name?.strip_suffix(".json").and_then(Key::parse);
            let Some(key) = key else { continue };
            if self.disk.modified(&key.to_string())?.is_none() {
                look(key);
            }
        }
        for key in self.disk.keys_in_journal()? {
            let line = self.disk.find_line(key)?;
            let record = line.map(|line| Record::parse(&line, key));
            if let Some(Ok(Some(record))) = record {
                if record.hook() == Some(Hook::Due) {
                    look(key);
                }
            }
        }
        Ok(due.into_values().collect())
    }
}

impl UploadHandle {
    /// Reserves the name of `path` for this upload until its hook has run. Returns false if another upload holds the
    /// name: its hook must find its own bytes.
    pub(crate) fn keep_name(&self, path: &str) -> Result<bool, Error> {
        let options = &self.shelf.options;
        if !options.mark_hooks {
            return Ok(true);
        }
        let replaces = options.on_conflict == OnConflict::Replace;
        if !self.shelf.due_known.load(SeqCst) {
            self.shelf.due()?;
        }
        if replaces && self.is_shared() && self.is_due_elsewhere(path)? {
            return Ok(false);
        }
        let mut hooking = self.shelf.hooking();
        // Names that differ only in case may name one file.
        let is_same = |name: &str| match replaces {
            true => folded(name).eq(folded(path)),
            false => name == path,
        };
        let mut others = hooking.iter().filter(|(key, _)| **key != self.key);
        let is_kept = others.any(|(_, name)| is_same(name));
        if !is_kept {
            hooking.insert(self.key, path.into());
        }
        Ok(!is_kept)
    }

    /// Releases the name: the upload was not published under it.
    pub(crate) fn let_go_of_name(&self) {
        self.shelf.hooking().remove(&self.key);
    }

    /// Returns whether a record of any server says that a hook for `path` is due.
    fn is_due_elsewhere(&self, path: &str) -> Result<bool, Error> {
        let due = self.shelf.find_due(UploadHandle::completed)?;
        let path = self.disk().published_path(path);
        let mut others = due.iter().filter(|due| due.id.key() != self.key);
        Ok(others.any(|due| due.path == path))
    }

    fn if_due(&self, take: impl Fn(&Self, &Record) -> Completed) -> Option<Completed> {
        let state = self
            .look()
            .inspect_err(|error| log::debug!("{}: left alone: {error}", self.key))
            .ok()?;
        state.published()?;
        let record = state
            .record
            .as_ref()
            .filter(|record| record.hook() == Some(Hook::Due))?;
        Some(take(self, record))
    }

    fn hand_out(&self, record: &Record) -> Completed {
        let path = record.publishing_as().unwrap_or_default();
        self.shelf.hooking().insert(self.key, path.into());
        self.completed(record)
    }

    /// Takes note that the hook has run. The note's name is not synced: after a power cut the hook may run again.
    pub(crate) fn hooked(&self) -> Result<(), Error> {
        let _changing = self.changing()?;
        let mut state = self.look()?;
        let is_complete = state.published().is_some();
        let record = state.record.as_mut().filter(|_| is_complete);
        if let Some(record) = record.filter(|record| record.hook() == Some(Hook::Due)) {
            if let Some(published) = &mut Arc::make_mut(record).publishing {
                published.hook = Some(Hook::Done);
            }
            let record = Arc::clone(record);
            state.saved = false;
            drop(state);
            self.write_record(&record)?;
        }
        self.shelf.hooking().remove(&self.key);
        Ok(())
    }
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase)
}
