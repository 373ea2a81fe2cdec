//! One upload as it is known in memory, and the rules of what may happen to it next. No disk is touched here.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::error::Error;
use crate::store::fs::disk::Data;
use crate::store::fs::group_commit::SharedSync;
use crate::store::fs::hashed::Hashing;
use crate::store::fs::record::{Hook, Publishing, Record};
use crate::store::id::{Id, Key};
use crate::store::shared::turn::Turn;
use crate::store::upload::request::{AppendRequest, BodyLength, Crc32, Digest};

/// What is held of an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes; the next one goes there.
    pub offset: u64,
    /// Whether these are all, and the file is published.
    pub complete: bool,
}

/// An upload that somebody holds. Locks are taken in this order: `changing`, then `window`, then `state`.
pub(crate) struct Upload {
    pub(crate) key: Key,
    /// Locked to save the record, to publish or to remove. Held across syncs, so never by a window.
    changing: Mutex<()>,
    /// Locked to change the state: for one window, or one decision; never across a sync, but for cutting back
    /// after a failure.
    window: Mutex<()>,
    /// Progress with `window`, but for the moment in which bytes are written: then it can be looked at.
    state: Mutex<State>,
    broken: AtomicBool,
    /// The syncs of the data file.
    pub(crate) syncs: SharedSync,
}

/// What is known of an upload.
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Who may write: the append that took the newest generation.
    pub(crate) generation: u64,
    /// How often bytes that were held ceased to be: lost, removed, or moved away. An answer holds within one epoch.
    pub(crate) epoch: u64,
    /// `None`: nobody has declared anything.
    pub(crate) record: Option<Arc<Record>>,
    /// Whether the record on disk says the same, and whether that is a file of its own.
    pub(crate) saved: bool,
    pub(crate) filed: bool,
    pub(crate) data: Option<Arc<Data>>,
    /// The length of the data file, or of the published file.
    pub(crate) offset: u64,
    /// How much of it a sync has confirmed. `None`: who knows; the file was there before us.
    pub(crate) synced: Option<u64>,
    /// How much of it the file is marked to have synced, and how much of it durably so.
    pub(crate) noted: u64,
    pub(crate) marked: u64,
    /// What it hashes to so far, where that is asked.
    pub(crate) hashing: Option<Box<Hashing>>,
    /// Bytes written since a sync last began.
    pub(crate) unsynced: u64,
    /// How many entries of the directory were made or replaced, and how many of them a sync has confirmed.
    pub(crate) entries: u32,
    pub(crate) listed: u32,
    /// Appends that are open.
    pub(crate) appends: u32,
    /// Where other servers are about: what locks them out, and what they were told last.
    pub(crate) latch: Option<OwnedFd>,
    pub(crate) noted_turn: Option<Box<Turn>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not looked up on disk yet.
    Unread,
    /// Bytes are awaited, or publishing is. Also: there is nothing.
    Receiving,
    /// Published.
    Complete,
}

impl Upload {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            changing: Mutex::default(),
            window: Mutex::default(),
            state: Mutex::new(State::new()),
            broken: AtomicBool::new(false),
            syncs: SharedSync::default(),
        }
    }

    /// Waits for the turn to change more than the bytes.
    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn to change the state.
    ///
    /// # Errors
    /// `Poisoned`, also after a panic in mid-change: what such a state says cannot be believed.
    pub(crate) fn window(&self) -> Result<MutexGuard<'_, ()>, Error> {
        self.window.lock().map_err(|_| self.poison())
    }

    /// The state: to be looked at, and by whoever has the `window` to be changed.
    ///
    /// # Errors
    /// As `window`.
    pub(crate) fn state(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state.lock().map_err(|_| self.poison())?;
        if self.is_broken() {
            Err(Error::Poisoned)
        } else {
            Ok(state)
        }
    }

    /// From now until restart nothing about this upload is believed.
    pub(crate) fn poison(&self) -> Error {
        self.broken.store(true, SeqCst);
        Error::Poisoned
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(SeqCst)
    }
}

impl State {
    fn new() -> Self {
        Self {
            phase: Phase::Unread,
            generation: 0,
            epoch: 0,
            record: None,
            saved: true,
            filed: false,
            data: None,
            offset: 0,
            synced: Some(0),
            noted: 0,
            marked: 0,
            hashing: None,
            unsynced: 0,
            entries: 0,
            listed: 0,
            appends: 0,
            latch: None,
            noted_turn: None,
        }
    }

    pub(crate) fn held(&self) -> Progress {
        Progress {
            offset: self.offset,
            complete: self.phase == Phase::Complete,
        }
    }

    /// Whether anybody has begun it.
    pub(crate) fn is_known(&self) -> bool {
        self.record.is_some() || self.data.is_some()
    }

    /// Bytes the whole upload will have, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.record.as_ref()?.length
    }

    /// Returns whether the whole declared length is held, so that only publishing is missing.
    pub(crate) fn is_full(&self) -> bool {
        self.phase == Phase::Receiving && self.length() == Some(self.offset)
    }

    /// Returns whether the upload is full and its record has the published path.
    pub(crate) fn is_publishing(&self) -> bool {
        let says_where = |record: &Arc<Record>| record.publishing.is_some();
        self.is_full() && self.record.as_ref().is_some_and(says_where)
    }

    /// Whether publishing has not begun.
    pub(crate) fn is_unpublished(&self) -> bool {
        self.phase == Phase::Receiving && !self.is_publishing()
    }

    /// The record, where the disk does not say the same.
    pub(crate) fn unsaved(&self) -> Option<Arc<Record>> {
        self.record.clone().filter(|_| !self.saved)
    }

    /// What has become of it, once it is complete.
    pub(crate) fn published(&self) -> Option<&Publishing> {
        let record = self.record.as_ref()?;
        let published = record.publishing.as_deref();
        published.filter(|_| self.phase == Phase::Complete)
    }

    /// What all of it will hash to, where that was said, or does, once it is complete.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.record.as_ref()?.digest.as_deref().copied()
    }

    pub(crate) fn hook(&self) -> Option<Hook> {
        self.record.as_ref()?.hook()
    }

    /// Whether all bytes held are known to be on the disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.data.is_none() || self.synced == Some(self.offset)
    }

    /// Whether the file is marked to have them, so that they are believed in.
    pub(crate) fn is_marked(&self) -> bool {
        self.data.is_none() || self.marked >= self.offset
    }

    /// Whether the names are on the disk.
    pub(crate) fn is_listed(&self) -> bool {
        self.entries == self.listed
    }

    /// Whether an append may begin at `start` of an upload that is not complete; says how many bytes of disk it is
    /// still to get.
    pub(crate) fn admit(
        &self,
        start: u64,
        intent: &AppendRequest,
        max_size: Option<u64>,
    ) -> Result<u64, Error> {
        match (self.length(), intent.length) {
            (Some(declared), Some(again)) if declared != again => {
                return Err(Error::LengthDiffers { declared });
            }
            _ => {}
        }
        if start != self.offset {
            return Err(Error::Mismatch);
        }
        let length = self.length().or(intent.length);
        let end = start.saturating_add(intent.incoming.at_least());
        if let Some(length) = length.filter(|length| *length < end) {
            return Err(Error::Overshoot { length });
        }
        if let Some(max) = max_size.filter(|max| length.unwrap_or(end) > *max) {
            return Err(Error::TooLarge { max });
        }
        Ok(match (length, intent.incoming) {
            (Some(length), _) => length - start,
            (None, BodyLength::Unknown) => 1,
            (None, incoming) => incoming.at_least(),
        })
    }

    /// Stores the declarations of a request. Earlier declarations stay, and so do the computed digests of a whole
    /// upload.
    pub(crate) fn declare(&mut self, id: &Id, intent: AppendRequest) {
        let (before, is_judged) = (self.record.clone(), self.is_publishing());
        let record = self.record.get_or_insert_with(|| Record::new(id).into());
        let record = Arc::make_mut(record);
        record.length = record.length.or(intent.length);
        record.name = record.name.take().or(intent.name.map(Into::into));
        record.modified_ms = record.modified_ms.or(intent.modified_ms);
        record.metadata = record.metadata.take().or(intent.metadata.map(Into::into));
        if !is_judged {
            record.digest = record.digest.take().or(intent.digest.map(Into::into));
            record.crc32 = match intent.crc32 {
                Some(Crc32::Is(_)) => intent.crc32,
                Some(Crc32::Asked) | None => record.crc32.or(intent.crc32),
            };
        }
        self.saved &= before == self.record;
    }

    /// The upload ends at `at`, which declares its length if nothing did before.
    pub(crate) fn end_at(&mut self, at: u64) -> Result<(), Error> {
        if at != self.offset {
            return Err(Error::Mismatch);
        }
        let Some(record) = self.record.as_mut().map(Arc::make_mut) else {
            return Err(Error::Superseded);
        };
        self.saved &= record.length.is_some();
        match *record.length.get_or_insert(at) {
            declared if declared != at => Err(Error::LengthDiffers { declared }),
            _ => Ok(()),
        }
    }

    /// Gives what lies there without a record its record.
    pub(crate) fn name(&mut self, id: &Id) {
        if self.data.is_some() && self.record.is_none() {
            self.declare(id, AppendRequest::default());
        }
    }

    /// Fences every append there is.
    pub(crate) fn fence(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// Whether the append of `generation`, which thinks that the file ends at `at`, may write.
    pub(crate) fn turn(&self, generation: u64, at: u64) -> Result<(), Error> {
        if self.generation != generation || self.phase != Phase::Receiving {
            return Err(Error::Superseded);
        }
        if self.offset == at {
            Ok(())
        } else {
            Err(Error::Mismatch)
        }
    }

    /// What of the next `wanted` bytes may be taken, and the refusal of the rest.
    pub(crate) fn room(&self, wanted: u64, max_size: Option<u64>) -> (u64, Option<Error>) {
        let (limit, refusal) = match (self.length(), max_size) {
            (Some(length), _) => (length, Error::Overshoot { length }),
            (None, Some(max)) => (max, Error::TooLarge { max }),
            (None, None) => return (wanted, None),
        };
        let room = limit.saturating_sub(self.offset);
        if wanted <= room {
            (wanted, None)
        } else {
            (room, Some(refusal))
        }
    }

    /// Nothing is held any more, and nobody has declared anything.
    pub(crate) fn clear(&mut self) {
        self.clear_data();
        self.phase = Phase::Receiving;
        self.record = None;
        self.saved = true;
        self.filed = false;
    }

    /// The data file is gone, and nobody may write into it.
    pub(crate) fn clear_data(&mut self) {
        self.fence();
        self.epoch += 1;
        self.data = None;
        self.offset = 0;
        self.synced = Some(0);
        self.noted = 0;
        self.marked = 0;
        self.hashing = None;
        self.unsynced = 0;
        self.noted_turn = None;
    }
}

/// Where several servers share a directory.
impl State {
    /// What other servers have to know, when `server` has had it.
    pub(crate) fn as_left_by(&self, server: u64) -> Turn {
        Turn {
            server,
            generation: self.generation,
            epoch: self.epoch,
        }
    }

    /// Nothing that stands on the disk is known. Who appends here, and how many names were made, stays.
    pub(crate) fn forget_disk(&mut self) {
        self.phase = Phase::Unread;
        self.record = None;
        self.saved = true;
        self.data = None;
        self.noted_turn = None;
    }

    /// Takes over what the last server noted; what was held here may be lost. `drawn` is where to begin to count at
    /// a first look: a writer of a file that is gone must never meet its own number again.
    pub(crate) fn agree(&mut self, noted: Option<Turn>, is_lost: bool, drawn: Option<u64>) {
        if let Some(drawn) = drawn {
            self.generation = drawn;
        }
        if is_lost {
            self.fence();
        }
        // Others may have lost some and written on from there.
        if is_lost || noted.is_some_and(|noted| noted.epoch > self.epoch) {
            self.hashing = self.hashing.take().map(|hashing| hashing.anew().into());
        }
        if let Some(noted) = noted {
            self.generation = noted.generation;
            self.epoch = self.epoch.max(noted.epoch);
        }
        self.epoch += u64::from(is_lost);
    }
}
