//! The lock on the state of an upload, and the one on changing more than its bytes: of this server, and where several
//! share a directory, of its file system.

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::MutexGuard;

use crate::store::error::Error;
use crate::store::fs::disk::Disk;
use crate::store::fs::lock;
use crate::store::upload::state::{State, Upload};

/// The state of an upload, locked until this is dropped.
pub(crate) struct StateGuard<'a> {
    upload: &'a Upload,
    /// `None` while bytes are written.
    state: Option<MutexGuard<'a, State>>,
    /// `None` where no other server is about.
    shared: Option<Shared<'a>>,
    _window: MutexGuard<'a, ()>,
}

/// What it takes to hand the upload to other servers.
struct Shared<'a> {
    disk: &'a Disk,
    server: u64,
}

impl<'a> StateGuard<'a> {
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn new(upload: &'a Upload) -> Result<Self, Error> {
        let _window = upload.window()?;
        Ok(Self {
            upload,
            state: Some(upload.state()?),
            shared: None,
            _window,
        })
    }

    /// The file lock is held too, which others wait for.
    pub(crate) fn share(&mut self, disk: &'a Disk, server: u64) {
        self.shared = Some(Shared { disk, server });
    }

    /// Writes bytes, and lets others look at the state meanwhile.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn writing<T>(&mut self, write: impl FnOnce() -> T) -> Result<T, Error> {
        self.state = None;
        let written = write();
        self.state = Some(self.upload.state()?);
        Ok(written)
    }
}

const HELD: &str = "it is given up for the moment of a write alone";

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect(HELD)
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect(HELD)
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if let (Some(shared), Some(state)) = (&self.shared, &mut self.state) {
            shared.hand_over(self.upload, state);
        }
    }
}

impl Shared<'_> {
    /// Notes what the others have to know, and lets them in.
    fn hand_over(&self, upload: &Upload, state: &mut State) {
        let turn = state.as_left_by(self.server);
        let is_news = state.noted_turn.as_deref() != Some(&turn);
        if let Some(data) = state.data.as_ref().filter(|_| is_news) {
            state.noted_turn = Some(turn.into());
            if let Err(error) = self.disk.note_turn(data, turn) {
                log::error!("{}: other servers cannot be told: {error}", upload.key);
                upload.poison();
            }
        }
        // It is let go when the file is closed, if not now.
        state.latch.take_if(|latch| lock::unlock(latch).is_err());
    }
}

/// The turn to change more than the bytes of an upload; over when this is dropped.
pub(crate) struct Changing<'a> {
    /// Closing it lets the other servers in.
    _latch: Option<OwnedFd>,
    _turn: MutexGuard<'a, ()>,
}

impl<'a> Changing<'a> {
    pub(crate) fn new(turn: MutexGuard<'a, ()>, latch: Option<OwnedFd>) -> Self {
        Self {
            _latch: latch,
            _turn: turn,
        }
    }
}
