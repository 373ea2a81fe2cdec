//! Removing what is held of an upload. A published file is never removed.

use crate::store::error::Error;
use crate::store::fs::record::Hook;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Phase, State};

impl UploadHandle {
    /// Forgets the upload, durably, and fences who was writing. Whether there was one.
    pub(crate) fn cancel(&self) -> Result<bool, Error> {
        let _changing = self.changing()?;
        let mut state = self.look()?;
        if !state.is_known() {
            return Ok(false);
        }
        self.discard(&mut state)?;
        drop(state);
        self.sync_names(None)?;
        Ok(true)
    }

    /// Forgets the upload, durably, if it is finished.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        let _changing = self.changing()?;
        let mut state = self.look()?;
        if state.phase != Phase::Complete {
            return Ok(());
        }
        if self.shelf.options.mark_hooks && state.hook() == Some(Hook::Due) {
            return Err(Error::HookDue);
        }
        self.discard(&mut state)?;
        drop(state);
        self.sync_names(None)
    }

    /// Removes the bytes, then the record. The caller holds `changing`.
    ///
    /// In this order: what a crash leaves in between is an empty upload, not bytes that nobody knows the id of.
    pub(crate) fn discard(&self, state: &mut State) -> Result<(), Error> {
        if state.phase == Phase::Receiving {
            let publishing = state.record.as_ref().filter(|_| state.is_publishing());
            if let Some(path) = publishing.and_then(|record| record.publishing_as()) {
                let removed = self.disk().remove_copy(self.key, path);
                removed.unwrap_or_else(|error| {
                    log::debug!("{}: cannot remove its copy: {error}", self.key)
                });
            }
            self.disk().remove(&self.key.to_string())?;
            state.clear_data();
        }
        self.disk().remove_record(self.key)?;
        self.clear(state);
        Ok(())
    }
}
