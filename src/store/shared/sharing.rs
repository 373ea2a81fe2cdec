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

use rustix::fs::{Mode, OFlags, openat};

use crate::store::error::Error;
use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::lock::{self, LATCHES};
use crate::store::fs::record::Record;
use crate::store::id::{Key, draw};
use crate::store::options::Sharing;
use crate::store::upload::guard::{ChangeGuard, StateGuard};
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::State;

/// What the names of the locks on changing end with.
const CHANGING: &str = "-changing";

impl Disk {
    /// Makes what several servers need.
    ///
    /// # Errors
    /// When nothing can be noted on files here.
    pub(crate) fn make_shareable(&self) -> io::Result<()> {
        self.make_dir(LATCHES)?;
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
        self.registry.options.sharing == Sharing::Shared
    }

    /// Locks the state. With `--shared`, locks the file lock too, and reloads the upload if another server changed it.
    ///
    /// # Errors
    /// `Poisoned`; with `--shared`, those of `load` too.
    pub(crate) fn lock(&self) -> Result<StateGuard<'_>, Error> {
        let mut state = StateGuard::new(self)?;
        if self.is_shared() {
            self.lock_file(&mut state)?;
        }
        Ok(state)
    }

    fn lock_file(&self, state: &mut StateGuard<'_>) -> Result<(), Error> {
        let latch = match state.latch.take() {
            Some(latch) => latch,
            None => self.disk().open_latch(self.key, "")?,
        };
        lock::lock(&latch)?;
        state.latch = Some(latch);
        state.share();
        match self.had_it_last(state) {
            true => Ok(()),
            false => self.catch_up(state),
        }
    }

    /// Returns the state between two writes, also during a write; `None` if the upload must be loaded first.
    pub(crate) fn glance(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.peek().ok()?;
        let is_all = state.is_receiving() && state.record().is_some();
        (is_all && !self.is_shared()).then_some(state)
    }

    /// Returns whether this server was the last one to change the upload. False if the note cannot be read: another
    /// machine may have removed the file.
    fn had_it_last(&self, state: &State) -> bool {
        let turn = (state.data()).and_then(|data| self.disk().turn_of(data).ok()?);
        turn.is_some_and(|turn| turn.server == self.registry.server)
    }

    /// Reloads the upload, and writes the note of this server.
    fn catch_up(&self, state: &mut State) -> Result<(), Error> {
        let (is_first_load, held) = (!state.is_loaded(), state.offset());
        let before = state.unload();
        self.read_files(state)?;
        let is_same = match (&before, state.data()) {
            (Some(before), Some(data)) => is_same_file(before, data).unwrap_or(false),
            _ => false,
        };
        // Marked bytes are synced, and no reported byte is beyond the marker: so there is a safe length to truncate to.
        let trusted = match state.is_publishing() {
            true => state.offset(),
            false => state.durability().marker_written(),
        };
        state.durability_mut().trust(trusted);
        let turn = match state.data() {
            Some(data) => self.disk().turn_of(data)?,
            None => None,
        };
        let is_lost = before.is_some() && (!is_same || state.offset() < held);
        if let Some(before) = before.filter(|_| is_same) {
            state.keep_data(before);
        }
        state.agree(turn, is_lost, is_first_load.then(draw));
        // Another server may have received the declaration of a checksum.
        if state.has_appends() {
            self.begin_hashing(state)?;
        }
        let Some(data) = state.data() else {
            return Ok(());
        };
        let turn = state.as_left_by(self.registry.server);
        self.disk().note_turn(data, turn)?;
        state.noted_turn = Some(turn.into());
        Ok(())
    }

    /// Locks the right to change more than the bytes; with `--shared`, among all servers.
    pub(crate) fn lock_change(&self) -> Result<ChangeGuard<'_>, Error> {
        let local = self.lock_changing();
        let latch = match self.is_shared() {
            false => None,
            true => {
                let latch = self.disk().open_latch(self.key, CHANGING)?;
                lock::lock(&latch)?;
                Some(latch)
            }
        };
        Ok(ChangeGuard::new(local, latch))
    }

    /// Writes new declarations to the disk: other servers see files, not memory.
    pub(crate) fn share_declared(&self, state: &mut State) -> Result<(), Error> {
        match state.unsaved_record() {
            Some(record) if self.is_shared() => self.write_shared_record(state, &record),
            _ => Ok(()),
        }
    }

    /// Writes `record` with the state locked. Returns false without `--shared`.
    pub(crate) fn write_if_shared(&self, record: &Record) -> Result<bool, Error> {
        if self.is_shared() {
            self.write_shared_record(&mut *self.lock()?, record)?;
        }
        Ok(self.is_shared())
    }

    fn write_shared_record(&self, state: &mut State, record: &Record) -> Result<(), Error> {
        state.durability_mut().record_changed();
        self.disk().save_record(self.key, &record.to_json())?;
        state.record_was_written(record, true);
        state.replace_record(Arc::new(record.clone()));
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
}

fn is_same_file(one: &Data, other: &Data) -> io::Result<bool> {
    let (one, other) = (one.0.metadata()?, other.0.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}
