//! The locks of an upload.

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::MutexGuard;

use crate::store::error::Error;
use crate::store::fs::lock;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::State;

/// The locked state of an upload.
pub(crate) struct StateGuard<'a> {
    upload: &'a UploadHandle,
    /// `None` while bytes are written.
    state: Option<MutexGuard<'a, State>>,
    _window: MutexGuard<'a, ()>,
    /// True if the file lock is locked too; only with `--shared`.
    is_shared: bool,
}

impl<'a> StateGuard<'a> {
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn new(upload: &'a UploadHandle) -> Result<Self, Error> {
        let _window = upload.lock_window()?;
        Ok(Self {
            upload,
            state: Some(upload.peek()?),
            _window,
            is_shared: false,
        })
    }

    /// Notes that the file lock is locked.
    pub(crate) fn share(&mut self) {
        self.is_shared = true;
    }

    /// Unlocks the state while `write` runs, so that other requests can read it. They cannot change it.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn writing<T>(&mut self, write: impl FnOnce() -> T) -> Result<T, Error> {
        self.state = None;
        let written = write();
        self.state = Some(self.upload.peek()?);
        Ok(written)
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
        match &mut self.state {
            Some(state) if self.is_shared => hand_over(self.upload, state),
            _ => {}
        }
    }
}

/// Writes the note for other servers, and unlocks the file lock.
fn hand_over(upload: &UploadHandle, state: &mut State) {
    let turn = state.as_left_by(upload.registry.server);
    let is_news = state.noted_turn.as_deref() != Some(&turn);
    if let Some(data) = state.data().cloned().filter(|_| is_news) {
        state.noted_turn = Some(turn.into());
        if let Err(error) = upload.disk().note_turn(&data, turn) {
            log::error!(
                "{}: cannot write the note for other servers: {error}",
                upload.key
            );
            upload.poison();
        }
    }
    // A lock that cannot be unlocked ends when its file is closed.
    state.latch.take_if(|latch| lock::unlock(latch).is_err());
}

/// The exclusive right to change the record, the name or the existence of an upload.
pub(crate) struct ChangeGuard<'a> {
    /// Closing it unlocks the file lock.
    _latch: Option<OwnedFd>,
    _local: MutexGuard<'a, ()>,
}

impl<'a> ChangeGuard<'a> {
    pub(crate) fn new(local: MutexGuard<'a, ()>, latch: Option<OwnedFd>) -> Self {
        Self {
            _latch: latch,
            _local: local,
        }
    }
}
