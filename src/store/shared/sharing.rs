//! Several servers over one directory.
//!
//! The lock of an upload is then a lock of the file system besides, and who gets it looks who had it last (`turn`): if
//! it was another server, all that is known of the upload is read anew. What a window needs to know of others is so
//! one small note. Records are written under the lock at once, so that nothing is known to one server only.
//!
//! The lock files are few and stay: one that came and went with its upload could be locked by two, each on a file that
//! the other does not see. Uploads that share one wait for each other, for a window at most.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, MutexGuard};

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use crate::store::error::Error;
use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::lock::{self, LATCHES};
use crate::store::fs::record::Record;
use crate::store::id::{Key, draw};
use crate::store::options::Sharing;
use crate::store::upload::guard::{Changing, StateGuard};
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Phase, State};

/// What the names of the locks on changing end with.
const CHANGING: &str = "-changing";

impl Disk {
    /// Makes what several servers need.
    ///
    /// # Errors
    /// When nothing can be noted on files here.
    pub(crate) fn make_shareable(&self) -> io::Result<()> {
        match mkdirat(&self.partials.file, LATCHES, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.try_noting()
    }

    fn open_latch(&self, key: Key, suffix: &str) -> io::Result<OwnedFd> {
        let key = key.to_string();
        let name = format!("{LATCHES}/{}{suffix}", &key[..2]);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(openat(&self.partials.file, name, flags, mode)?)
    }
}

impl UploadHandle {
    pub(crate) fn is_shared(&self) -> bool {
        self.shelf.options.sharing == Sharing::Shared
    }

    /// What is known of the upload, locked; where other servers are about, as they left it.
    ///
    /// # Errors
    /// `Poisoned`; where other servers are about, as `look` too.
    pub(crate) fn state(&self) -> Result<StateGuard<'_>, Error> {
        let mut state = StateGuard::new(self.upload())?;
        if self.is_shared() {
            self.lock(&mut state)?;
        }
        Ok(state)
    }

    fn lock<'a>(&'a self, state: &mut StateGuard<'a>) -> Result<(), Error> {
        let latch = match state.latch.take() {
            Some(latch) => latch,
            None => self.disk().open_latch(self.key, "")?,
        };
        lock::lock(&latch)?;
        state.latch = Some(latch);
        state.share(self.disk(), self.shelf.server);
        if !self.had_it_last(state) {
            self.catch_up(state)?;
        }
        Ok(())
    }

    /// The state as it is between two windows, while one is being written too; `None` where that is not all there is
    /// to know.
    pub(crate) fn glance(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.upload().state().ok()?;
        let is_all = state.phase == Phase::Receiving && state.record.is_some();
        (is_all && !self.is_shared()).then_some(state)
    }

    /// Not where that cannot be told: a file that another machine has removed may answer nothing any more.
    fn had_it_last(&self, state: &State) -> bool {
        let turn = (state.data.as_ref()).and_then(|data| self.disk().turn_of(data).ok()?);
        turn.is_some_and(|turn| turn.server == self.shelf.server)
    }

    /// Reads anew what others may have changed, and notes whose turn it is now.
    fn catch_up(&self, state: &mut State) -> Result<(), Error> {
        let is_first_look = state.phase == Phase::Unread;
        let (before, held) = (state.data.clone(), state.offset);
        state.forget_disk();
        self.read(state)?;
        if let (Some(before), Some(data)) = (&before, &state.data) {
            if is_same_file(before, data).unwrap_or(false) {
                // A sync under way is one of this very file.
                state.data = Some(Arc::clone(before));
            }
        }
        // What is marked is synced, and nothing that was told is beyond it: so there is always a place to cut back to.
        let is_whole = state.is_publishing();
        let sure = if is_whole { state.offset } else { state.noted };
        state.synced.get_or_insert(sure.min(state.offset));
        let turn = (state.data.as_ref()).map(|data| self.disk().turn_of(data));
        let turn = turn.transpose()?.flatten();
        let is_same = |before: &Arc<Data>| {
            (state.data.as_ref()).is_some_and(|data| Arc::ptr_eq(before, data))
        };
        let is_lost = before.is_some_and(|before| !is_same(&before) || state.offset < held);
        state.agree(turn, is_lost, is_first_look.then(draw));
        // What it has to come to may have been declared elsewhere.
        if state.appends > 0 {
            self.begin_to_hash(state)?;
        }
        let Some(data) = &state.data else {
            return Ok(());
        };
        let turn = state.as_left_by(self.shelf.server);
        self.disk().note_turn(data, turn)?;
        state.noted_turn = Some(turn.into());
        Ok(())
    }

    /// Waits for the turn to change more than the bytes.
    pub(crate) fn changing(&self) -> Result<Changing<'_>, Error> {
        let turn = self.upload().changing();
        let latch = match self.shelf.options.sharing {
            Sharing::Alone => None,
            Sharing::Shared => {
                let latch = self.disk().open_latch(self.key, CHANGING)?;
                lock::lock(&latch)?;
                Some(latch)
            }
        };
        Ok(Changing::new(turn, latch))
    }

    /// Tells other servers what was declared: they see files, not memory.
    pub(crate) fn share_declared(&self, state: &mut State) -> Result<(), Error> {
        match state.unsaved() {
            Some(record) if self.is_shared() => self.write_shared_record(state, &record),
            _ => Ok(()),
        }
    }

    /// Writes `record` under the lock, or says that this is not how it is done here.
    pub(crate) fn write_if_shared(&self, record: &Record) -> Result<bool, Error> {
        if self.is_shared() {
            self.write_shared_record(&mut *self.state()?, record)?;
        }
        Ok(self.is_shared())
    }

    fn write_shared_record(&self, state: &mut State, record: &Record) -> Result<(), Error> {
        state.saved = false;
        self.disk().save_record(self.key, &record.to_json())?;
        state.entries += 1;
        state.record = Some(Arc::new(record.clone()));
        state.saved = true;
        Ok(())
    }

    /// A finished file has no note on it. It is taken off last: whoever looks while the file moves notes that it did.
    pub(crate) fn take_off_turn(&self, record: &Record) {
        let Some(name) = record.publishing_as().filter(|_| self.is_shared()) else {
            return;
        };
        let opened = self.disk().open_published(name);
        let taken_off =
            opened.and_then(|data| data.map_or(Ok(()), |data| self.disk().take_off_turn(&data)));
        if let Err(error) = taken_off {
            log::debug!("{name}: a note is still on it: {error}");
        }
    }

    /// Whether a hook speaks for a file that is gone: one of another server may have moved it.
    pub(crate) fn may_be_hooked_elsewhere(&self, state: &State) -> bool {
        self.is_shared() && state.hook().is_some()
    }
}

fn is_same_file(one: &Data, other: &Data) -> io::Result<bool> {
    let (one, other) = (one.0.metadata()?, other.0.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}
