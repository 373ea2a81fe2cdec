//! What every operation shares, and the uploads that somebody holds: an upload is in memory only as long as that, so
//! that memory is bounded by what goes on, not by what lies on the disk.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::error::Error;
use crate::store::fs::disk::Disk;
use crate::store::fs::record::{Hook, Record};
use crate::store::id::Key;
use crate::store::obstacle::Blocked;
use crate::store::options::{OnConflict, Options};
use crate::store::reservations::Reservations;
use crate::store::upload::copies::Copies;
use crate::store::upload::guard::StateGuard;
use crate::store::upload::state::{Phase, State, Upload};

/// An open store.
pub(crate) struct Registry {
    pub(crate) options: Options,
    pub(crate) disk: Disk,
    pub(crate) reservations: Reservations,
    /// Full uploads that could not be published.
    pub(crate) blocked: Blocked,
    pub(crate) copies: Copies,
    /// What tells this server from others over the same directory.
    pub(crate) server: u64,
    /// The mount, as long as not all that lies there has been looked at since it was mounted.
    pub(crate) unsure: Mutex<Option<String>>,
    /// In order, for that takes the least memory.
    uploads: Mutex<BTreeMap<Key, Slot>>,
    /// Uploads whose completion hook is due, and the names that wait for it. A hook may move the file before it is
    /// reported as run.
    hooking: Mutex<BTreeMap<Key, Box<str>>>,
    /// True if the records of an earlier server were read to find such uploads.
    pub(crate) due_known: AtomicBool,
}

struct Slot {
    upload: Arc<Upload>,
    holders: usize,
}

impl Registry {
    pub(crate) fn new(disk: Disk, options: Options, server: u64) -> Self {
        let (uploads, hooking) = (Mutex::default(), Mutex::default());
        Self {
            options,
            disk,
            reservations: Reservations::new(),
            blocked: Blocked::default(),
            copies: Copies::default(),
            server,
            unsure: Mutex::default(),
            uploads,
            hooking,
            due_known: AtomicBool::new(false),
        }
    }

    /// Holds the upload `key`. Nothing is read yet, so that the lock on all uploads never waits for the disk.
    pub(crate) fn entry(self: &Arc<Self>, key: Key) -> UploadHandle {
        let mut uploads = self.uploads();
        let slot = uploads.entry(key).or_insert_with(|| Slot {
            upload: Arc::new(Upload::new(key)),
            holders: 0,
        });
        slot.holders += 1;
        UploadHandle {
            upload: Arc::clone(&slot.upload),
            shelf: Arc::clone(self),
        }
    }

    /// Uploads that are in memory, at most so many; nobody holds them by that.
    pub(crate) fn some_uploads(&self, most: usize) -> Vec<Arc<Upload>> {
        let uploads = self.uploads();
        let some = uploads.values().take(most);
        some.map(|slot| Arc::clone(&slot.upload)).collect()
    }

    /// How many uploads are in memory.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.uploads().len()
    }

    /// Locks and returns the uploads whose hook is due, with their names.
    pub(crate) fn hooking(&self) -> MutexGuard<'_, BTreeMap<Key, Box<str>>> {
        self.hooking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uploads(&self) -> MutexGuard<'_, BTreeMap<Key, Slot>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hold on one upload. All that hold the same one see the same state.
pub(crate) struct UploadHandle {
    pub(crate) shelf: Arc<Registry>,
    upload: Arc<Upload>,
}

impl Drop for UploadHandle {
    /// The last to hold an upload takes it out of memory, unless it is broken, which must not be forgotten.
    fn drop(&mut self) {
        let mut uploads = self.shelf.uploads();
        if let Some(slot) = uploads.get_mut(&self.key) {
            slot.holders -= 1;
            if slot.holders == 0 && self.upload.state().is_ok() {
                uploads.remove(&self.key);
            }
        }
    }
}

impl Deref for UploadHandle {
    type Target = Upload;

    fn deref(&self) -> &Upload {
        &self.upload
    }
}

impl UploadHandle {
    /// The state of the upload, read from the disk where it has not been. Never waits for a sync.
    ///
    /// # Errors
    /// `Poisoned`; `Io` when the disk fails, or (`InvalidData`) when what lies there is not ours.
    pub(crate) fn look(&self) -> Result<StateGuard<'_>, Error> {
        let mut state = self.state()?;
        if state.phase == Phase::Unread {
            self.disk().check_in_place_lately()?;
            self.read(&mut state)?;
        }
        if self.is_taken_away(&state)? {
            self.disk().remove_record(self.key)?;
            self.clear(&mut state);
        }
        Ok(state)
    }

    pub(crate) fn upload(&self) -> &Upload {
        &self.upload
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.shelf.disk
    }

    /// Nothing is held any more.
    pub(crate) fn clear(&self, state: &mut State) {
        state.clear();
        self.shelf.blocked.forget(self.key);
        self.shelf.copies.forget(self.key);
        self.shelf.reservations.release(self.key);
    }

    pub(crate) fn read(&self, state: &mut State) -> io::Result<()> {
        let (text, filed) = self.disk().load_record(self.key)?.unzip();
        state.filed = filed.unwrap_or_default();
        let record = text.map(|text| Record::parse(&text, self.key));
        let record = record.transpose().map(Option::flatten);
        let (data, mut held) = self.disk().open_data(self.key)?.unzip();
        let mark = data.as_ref().map(|data| self.disk().mark_of(data));
        let mark = mark.transpose()?;
        if let (Some(data), Some(length), Some(Some(mark))) = (&data, held, mark) {
            let record = record.as_ref().ok().and_then(Option::as_ref);
            held = Some(
                self.shelf
                    .drop_unsure(self.key, data, length, mark, record)?,
            );
        }
        let mut record = record?;
        let can_be_marked = mark != Some(None);
        let mark = mark.flatten().unwrap_or_default();
        let published = record
            .as_ref()
            .filter(|record| record.publishing.is_some())
            .map(|record| record.length);
        state.phase = if published.is_some() && held.is_none() {
            Phase::Complete
        } else {
            Phase::Receiving
        };
        // A partial begun after the finished file was taken away, its old record brought back by a power cut.
        if held.is_some() && published.is_some_and(|length| length != held) {
            record = record.map(|record| Record::new(&record.id));
            state.saved = false;
        }
        state.offset = held.or(published.flatten()).unwrap_or_default();
        // Where nothing is ever synced, what is written is as good as it gets.
        let is_sure = held.is_none_or(|held| held == mark) || !self.disk().durable;
        state.synced = is_sure.then_some(state.offset);
        state.noted = mark;
        // The marker itself may not be synced. Where files cannot have a marker, there is none to wait for.
        state.marked = if can_be_marked { 0 } else { u64::MAX };
        state.entries += u32::from(record.is_some() || held.is_some());
        state.record = record.map(Arc::new);
        state.data = data.map(Arc::new);
        Ok(())
    }

    /// Whether the finished file was taken away, so that the upload is to be forgotten: a deleted file can be sent
    /// again. Hooks move files, so one that has run, or may be running, speaks for the upload.
    fn is_taken_away(&self, state: &State) -> io::Result<bool> {
        let Some(published) = state.published() else {
            return Ok(false);
        };
        if published.hook == Some(Hook::Done)
            || self.shelf.hooking().contains_key(&self.key)
            || self.may_be_hooked_elsewhere(state)
        {
            return Ok(false);
        }
        Ok(!self
            .disk()
            .is_taken(&published.path, OnConflict::KeepBoth)?)
    }
}
