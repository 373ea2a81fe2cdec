//! Deleting an upload. A published file is never deleted.

use crate::store::error::Error;
use crate::store::fs::record::Hook;
use crate::store::id::{hidden_name, probe_name};
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Progress, State};

impl UploadHandle {
    /// Removes the upload, durably, and fences every append. Returns whether there was one.
    ///
    /// # Errors
    /// `HookDue`: the record is the only description of the upload for its hook.
    pub(crate) fn cancel(&self) -> Result<bool, Error> {
        self.delete_if(|_| true)
    }

    /// Removes the record of a complete upload, durably.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.delete_if(State::is_complete).map(drop)
    }

    /// Removes the upload durably, unless it is complete, and fences every append. Returns the progress that is left.
    pub(crate) fn discard(&self) -> Result<Progress, Error> {
        self.delete_if(State::is_receiving)?;
        self.progress()
    }

    /// Removes the upload durably and fences every append, if the `condition` is true. No other request changes the upload
    /// between the check and the removal.
    pub(crate) fn delete_if(&self, condition: impl Fn(&State) -> bool) -> Result<bool, Error> {
        let _changing = self.lock_change()?;
        let mut state = self.load()?;
        if !state.is_known() || !condition(&state) {
            return Ok(false);
        }
        self.check_hook(&state)?;
        self.delete(&mut state)?;
        drop(state);
        self.sync_dirs(None)?;
        Ok(true)
    }

    /// Refuses to delete the record of a complete upload before its hook has run.
    fn check_hook(&self, state: &State) -> Result<(), Error> {
        let is_due = state.is_complete() && state.hook() == Some(Hook::Due);
        match self.registry.options.mark_hooks && is_due {
            true => Err(Error::HookDue),
            false => Ok(()),
        }
    }

    /// Removes the bytes, then the record: a crash in between leaves an empty upload, not bytes without an id. Also removes
    /// the empty folders that the upload created. The caller holds the `ChangeGuard`.
    pub(crate) fn delete(&self, state: &mut State) -> Result<(), Error> {
        if state.is_receiving() {
            if let Some(publishing) = state.publishing() {
                let path = &publishing.path;
                self.remove_beside(path, &hidden_name(self.key));
                self.remove_beside(path, &probe_name(self.key));
                self.disk().remove_folders(path, publishing.new_folders);
            }
            self.disk().remove(&self.key.to_string())?;
            state.clear_data();
        }
        self.registry.remove_record(self.key)?;
        self.clear(state);
        Ok(())
    }
}
