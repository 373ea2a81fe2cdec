//! The lock on the state of an upload, and the one on changing more than its bytes: of this server, and where several
//! share a directory, of its file system.

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::MutexGuard;

use super::disk::Disk;
use super::flock;
use super::upload::{State, Upload};

/// The state of an upload, locked until this is dropped.
pub(super) struct Locked<'a> {
    state: MutexGuard<'a, State>,
    /// `None` where no other server is about.
    shared: Option<Shared<'a>>,
}

/// What it takes to hand the upload to other servers.
pub(super) struct Shared<'a> {
    pub(super) disk: &'a Disk,
    pub(super) upload: &'a Upload,
    pub(super) server: u64,
}

impl<'a> Locked<'a> {
    /// Where no other server is about.
    pub(super) fn alone(state: MutexGuard<'a, State>) -> Self {
        Self {
            state,
            shared: None,
        }
    }

    /// Where others are, and the file lock is held.
    pub(super) fn shared(state: MutexGuard<'a, State>, shared: Shared<'a>) -> Self {
        let shared = Some(shared);
        Self { state, shared }
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.hand_over(&mut self.state);
        }
    }
}

impl Shared<'_> {
    /// Notes what the others have to know, and lets them in.
    fn hand_over(&self, state: &mut State) {
        let turn = state.as_left_by(self.server);
        let is_news = state.noted_turn.as_deref() != Some(&turn);
        if let Some(data) = state.data.as_ref().filter(|_| is_news) {
            state.noted_turn = Some(turn.into());
            if let Err(error) = self.disk.note_turn(data, turn) {
                log::error!("{}: other servers cannot be told: {error}", self.upload.key);
                self.upload.break_down();
            }
        }
        // It is let go when the file is closed, if not now.
        state.latch.take_if(|latch| flock::unlock(latch).is_err());
    }
}

/// The turn to change more than the bytes of an upload; over when this is dropped.
pub(super) struct Changing<'a> {
    /// Closing it lets the other servers in.
    _latch: Option<OwnedFd>,
    _turn: MutexGuard<'a, ()>,
}

impl<'a> Changing<'a> {
    pub(super) fn new(turn: MutexGuard<'a, ()>, latch: Option<OwnedFd>) -> Self {
        Self {
            _latch: latch,
            _turn: turn,
        }
    }
}
