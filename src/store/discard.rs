//! Removing what is held of an upload. A published file is never removed.

use super::error::Error;
use super::shelf::Entry;
use super::upload::{Phase, State};

impl Entry {
    /// Forgets the upload, durably, and fences who was writing. One that nobody knows is forgotten already.
    pub(super) fn cancel(&self) -> Result<(), Error> {
        let _changing = self.changing();
        let mut state = self.look()?;
        let known = state.record.is_some() || state.data.is_some();
        self.discard(&mut state)?;
        drop(state);
        if known {
            self.sync_names(false)
        } else {
            Ok(())
        }
    }

    /// Removes the bytes, then the record. The caller holds `changing`.
    ///
    /// In this order: what a crash leaves in between is an empty upload, not bytes that nobody knows the id of.
    pub(super) fn discard(&self, state: &mut State) -> Result<(), Error> {
        state.fence();
        state.epoch += 1;
        if state.phase == Phase::Receiving {
            self.disk().remove_data(self.key)?;
            state.clear_data();
        }
        self.disk().remove_record(self.key)?;
        self.clear(state);
        Ok(())
    }
}
