//! The locks of an upload.

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;

use crate::store::error::Error;
use crate::store::upload::coordination::{Coordination, Ownership};
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::State;
use crate::sync::MutexGuard;

/// The locked state of an upload.
pub(crate) struct StateGuard<'a> {
    upload: &'a UploadHandle,
    /// `None` while bytes are written.
    state: Option<MutexGuard<'a, State>>,
    window: MutexGuard<'a, Ownership>,
    /// `None` without other servers, or before they are locked out.
    coordination: Option<&'a dyn Coordination>,
}

impl UploadHandle {
    /// Locks the state, among all servers.
    ///
    /// # Errors
    /// `Poisoned`; with other servers, those of `load` too.
    pub(crate) fn lock(&self) -> Result<StateGuard<'_>, Error> {
        let mut window = self.lock_window()?;
        let mut state = self.peek()?;
        let coordination = self.registry.coordination.as_deref();
        if let Some(coordination) = coordination {
            coordination.lock(self, &mut window, &mut state)?;
        }
        Ok(StateGuard {
            upload: self,
            state: Some(state),
            window,
            coordination,
        })
    }

    /// Returns the state between two writes, also during a write; `None` if the upload must be loaded first.
    pub(crate) fn peek_loaded(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.peek().ok()?;
        let is_loaded = state.is_receiving() && state.record().is_some();
        (is_loaded && !self.is_shared()).then_some(state)
    }

    /// Locks the right to change more than the bytes, among all servers.
    pub(crate) fn lock_change(&self) -> Result<ChangeGuard<'_>, Error> {
        let _local = self.lock_changing();
        let coordination = self.registry.coordination.as_deref();
        let lock_file = coordination.map(|coordination| coordination.lock_change(self.key));
        let _lock_file = lock_file.transpose()?;
        Ok(ChangeGuard { _lock_file, _local })
    }
}

impl StateGuard<'_> {
    /// Unlocks the state while `write` runs, so that other requests can read it. They cannot change it.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn writing<T>(&mut self, write: impl FnOnce() -> T) -> Result<T, Error> {
        self.state = None;
        let written = write();
        self.state = Some(self.upload.lock_state());
        match self.upload.is_poisoned() {
            true => Err(Error::Poisoned),
            false => Ok(written),
        }
    }
}

const LOCKED: &str = "the state is unlocked only in `writing`";

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect(LOCKED)
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect(LOCKED)
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if let (Some(coordination), Some(state)) = (self.coordination, &self.state) {
            coordination.unlock(self.upload, &mut self.window, state);
        }
    }
}

/// The exclusive right to change the record, the name or the existence of an upload.
pub(crate) struct ChangeGuard<'a> {
    /// Closing it unlocks the upload among the servers.
    _lock_file: Option<OwnedFd>,
    _local: MutexGuard<'a, ()>,
}
