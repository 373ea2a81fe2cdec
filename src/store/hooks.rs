//! Completion hooks, at least once each: which are due, and which have run. Running them is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::completed::Completed;
use super::error::Error;
use super::id::Key;
use super::record::Hook;
use super::shelf::{Entry, Shelf};

impl Shelf {
    /// Every finished upload whose hook is due. One that cannot be read is left out.
    pub(super) fn due(self: &Arc<Self>) -> Result<Vec<Completed>, Error> {
        let mut due = BTreeMap::new();
        let mut look = |key| due.extend(self.entry(key).due().map(|completed| (key, completed)));
        for name in self.disk.names()? {
            // A record that is replaced meanwhile may be met twice.
            let key = name?.strip_suffix(".json").and_then(Key::parse);
            key.into_iter().for_each(&mut look);
        }
        self.disk.keys_in_journal()?.into_iter().for_each(look);
        Ok(due.into_values().collect())
    }
}

impl Entry {
    fn due(&self) -> Option<Completed> {
        let state = self
            .look()
            .inspect_err(|error| log::debug!("{}: left alone: {error}", self.key))
            .ok()?;
        state.published()?;
        let record = state
            .record
            .as_ref()
            .filter(|record| record.hook() == Some(Hook::Due))?;
        self.shelf.hooking().insert(self.key);
        Some(self.completed(record))
    }

    /// Takes note that the hook has run. The note's name is not synced: after a power cut the hook may run again.
    pub(super) fn hooked(&self) -> Result<(), Error> {
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
