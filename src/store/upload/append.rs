//! Appending: the only way bytes get into an upload.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;
use std::{fmt, io};

use crate::store::error::Error;
use crate::store::id::Id;
use crate::store::obstacle::{is_full, is_too_large};
use crate::store::upload::checksum::Check;
use crate::store::upload::completed::Completed;
use crate::store::upload::guard::StateGuard;
use crate::store::upload::publish::Finished;
use crate::store::upload::registry::{Registry, UploadHandle};
use crate::store::upload::request::{AppendRequest, Crc32, Precondition, Start};
use crate::store::upload::state::{Phase, Progress, State};

/// Bytes written before a sync begins beside the writing, so that no sync is ever long: 64 MiB.
const SYNC_EVERY: u64 = 64 << 20;

/// Bytes that may be held before the record is written: 1 MiB. Smaller uploads that come in one request write one
/// record, when they are published.
const UNRECORDED_MAX: u64 = 1 << 20;

/// When an upload is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completes {
    /// When its declared length is held.
    AtLength,
    /// At the end of this append, whose end declares the length if nothing did before.
    AtEnd,
}

/// A turn at appending to one upload. Writing exists only here.
///
/// It owns no lock: when a newer one begins, or the upload is cancelled or published, its next write is refused with
/// [`Error::Superseded`]. End it with [`finish`](Self::finish) or [`cut`](Self::cut). Dropping it keeps what was
/// written too, but syncs nothing.
pub struct Append {
    entry: UploadHandle,
    /// `None`: nothing will be written, so nobody was fenced.
    generation: Option<u64>,
    at: u64,
    complete: bool,
    /// The sync that began last; the next waits for it.
    aside: Option<JoinHandle<Result<(), Error>>>,
    check: Option<Box<Check>>,
    /// The CRC-32 of the whole upload that this append declared.
    crc32: Option<u32>,
    checked: bool,
}

impl Append {
    /// Begins at `start`, where that is where the upload ends. Nothing on disk is changed, and nothing synced.
    pub(crate) fn begin(
        shelf: &Arc<Registry>,
        id: &Id,
        start: Start,
        intent: AppendRequest,
    ) -> Result<Self, Error> {
        shelf.disk.check_in_place_lately()?;
        let entry = shelf.entry(id.key());
        let mut state = entry.look()?;
        let complete = state.phase == Phase::Complete;
        if intent.existence == Precondition::Known && !state.is_known() {
            return Err(Error::Unknown);
        }
        let start = match start {
            Start::At(start) => start,
            Start::End => state.offset,
        };
        let asks = intent.incoming.is_nothing();
        let (body_digest, crc32) = (intent.body_digest, intent.crc32.and_then(Crc32::value));
        if complete {
            let length = state.offset;
            if start != length {
                return Err(Error::Mismatch);
            }
            if intent.incoming.at_least() > 0 {
                return Err(Error::Overshoot { length });
            }
            state.compare(intent.digest, crc32)?;
        } else {
            let needed = state.admit(start, &intent, shelf.options.max_size)?;
            if !state.is_full() && (!asks || intent.declares()) {
                entry.foresee(&state, &intent)?;
            }
            entry.check_said(&state, &intent)?;
            entry.reserve(needed, !asks)?;
            if !asks || state.record.is_some() || intent.declares() {
                state.declare(id, intent);
            }
            entry.begin_to_hash(&mut state)?;
        }
        entry.share_declared(&mut state)?;
        let generation = if asks { None } else { Some(state.fence()) };
        state.appends += 1;
        let checked = state.hashing.is_some();
        let check = body_digest.map(|body| Box::new(Check::new(body, state.epoch)));
        drop(state);
        Ok(Self {
            entry,
            generation,
            at: start,
            complete,
            aside: None,
            check,
            crc32,
            checked,
        })
    }

    /// What the upload held when this append last wrote. Not durable, and not an answer.
    pub fn held(&self) -> Progress {
        Progress {
            offset: self.at,
            complete: self.complete,
        }
    }

    /// Whether all of the upload may have to be read at the end, to see what it hashes to.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// Writes one window where the upload ends. Every 64 MiB a sync of them begins in a thread of its own, and this
    /// waits for the one before: so it goes on while the disk does, and never gets far ahead of it.
    ///
    /// # Errors
    /// [`Superseded`](Error::Superseded), [`Mismatch`](Error::Mismatch) when the upload ends elsewhere now,
    /// [`Overshoot`](Error::Overshoot) and [`TooLarge`](Error::TooLarge) once what fits is kept,
    /// [`StorageFull`](Error::StorageFull), [`FileTooLarge`](Error::FileTooLarge), [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.write_window(bytes);
        let unsynced = written.map_err(|error| self.entry.disk().explain(error))?;
        if unsynced >= SYNC_EVERY {
            self.sync_aside()?;
        }
        Ok(())
    }

    fn sync_aside(&mut self) -> Result<(), Error> {
        self.wait_aside()?;
        let mut state = self.entry.state()?;
        state.unsynced = 0;
        if !self.entry.disk().durable {
            self.entry.keep_hashed(&mut state);
            return Ok(());
        }
        drop(state);
        let entry = self.entry.shelf.entry(self.entry.key);
        let thread = thread::Builder::new().name("resumed-sync".into());
        match thread.spawn(move || entry.sync_and_note()) {
            Ok(aside) => self.aside = Some(aside),
            // Where there is no thread to be had it is done here.
            Err(_) => self.entry.sync_and_note()?,
        }
        Ok(())
    }

    /// Waits for the sync that began last.
    pub(crate) fn wait_aside(&mut self) -> Result<(), Error> {
        let ended = self.aside.take().map(JoinHandle::join);
        let panicked = |_| Err(self.entry.poison());
        ended.map_or(Ok(()), |ended| ended.unwrap_or_else(panicked))
    }

    /// The body has ended. Publishes the upload if that completes it; what is answered survives a pulled plug.
    ///
    /// # Errors
    /// [`Superseded`](Error::Superseded), [`LengthDiffers`](Error::LengthDiffers) when the end is not where the
    /// length declared says, [`NotPublished`](Error::NotPublished), [`Displaced`](Error::Displaced),
    /// [`StorageFull`](Error::StorageFull), [`Io`](Error::Io), [`Poisoned`](Error::Poisoned). What was written before is
    /// kept; `Store::status` returns its length. After [`DigestDiffers`](Error::DigestDiffers) or
    /// [`Differs`](Error::Differs) the upload is removed, unless it is finished.
    pub fn finish(self, completes: Completes) -> Result<Finished, Error> {
        let finished = self.end(completes);
        finished.map_err(|error| self.entry.disk().explain(error))
    }

    fn end(&self, completes: Completes) -> Result<Finished, Error> {
        self.entry.check_body(self.check.as_deref())?;
        if self.ends(completes)? {
            let finished = self.entry.publish()?;
            return self.entry.compared(finished, self.crc32);
        }
        let (held, published) = match (self.generation, self.entry.settle()?) {
            (_, Some(held)) => (held, None),
            (None, None) => self.entry.held()?,
            (Some(_), None) => return Err(Error::Superseded),
        };
        let now = SystemTime::now();
        Ok(Finished {
            held,
            published,
            sha256: None,
            is_compared: None,
            expires: self.entry.expiry(now, now),
        })
    }

    /// Ends an append whose connection ended before the body. Keeps the written bytes, and makes them durable. If the
    /// upload is full, publishes it and returns the finished file.
    ///
    /// It is synced now, while it is known how much was synced before: once the upload has left memory, a sync that
    /// fails could not be told from one that had nothing to do.
    pub fn cut(self) -> Option<Completed> {
        match self.keep() {
            Ok(published) => published,
            // `Blocked::note` has logged the obstacle.
            Err(Error::NotPublished(_)) => None,
            Err(error) => {
                let key = self.entry.key;
                log::warn!(
                    "{key}: cannot keep the bytes received before the connection ended: {error}"
                );
                None
            }
        }
    }

    fn keep(&self) -> Result<Option<Completed>, Error> {
        let state = self.entry.state()?;
        let is_ours = state.offset > 0 && self.generation == Some(state.generation);
        let is_full = state.is_full();
        drop(state);
        match is_ours {
            true if is_full => Ok(self.entry.held()?.1),
            true => self.entry.settle().map(|_| None),
            false => Ok(None),
        }
    }

    fn write_window(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        if self.complete && !bytes.is_empty() {
            return Err(Error::Overshoot { length: self.at });
        }
        let mut state = self.entry.state_to_append(bytes)?;
        state.turn(self.generation.ok_or(Error::Superseded)?, self.at)?;
        let (room, refusal) = state.room(bytes.len() as u64, self.entry.shelf.options.max_size);
        // `room` is at most the length of `bytes`.
        let bytes = &bytes[..room as usize];
        let check = self.check.as_deref();
        if let Err(differs) = (self.entry).judge_last(&state, bytes, check, self.crc32) {
            let epoch = state.epoch;
            drop(state);
            return self.entry.spoil(epoch, differs).map(|()| 0);
        }
        let result = self.entry.put(&mut state, bytes);
        if let Some(check) = &mut self.check {
            check.wrote(&bytes[..state.offset.saturating_sub(self.at) as usize]);
        }
        self.at = state.offset;
        result?;
        refusal.map_or(Ok(state.unsynced), Err)
    }

    /// Whether this append ends the upload.
    fn ends(&self, completes: Completes) -> Result<bool, Error> {
        let mut state = self.entry.look()?;
        // Another request was quicker to publish what this one has brought to its end.
        if state.offset == self.at && (state.phase == Phase::Complete || state.is_full()) {
            return Ok(true);
        }
        if self
            .generation
            .is_some_and(|generation| generation != state.generation)
        {
            return Err(Error::Superseded);
        }
        match completes {
            Completes::AtLength => Ok(state.is_full()),
            Completes::AtEnd => {
                state.end_at(self.at)?;
                self.entry.share_declared(&mut state)?;
                Ok(true)
            }
        }
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Append({} at {})", self.entry.key, self.at)
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        // Nothing of ours goes on when this has gone.
        let _ = self.wait_aside();
        let Ok(mut state) = self.entry.state() else {
            return;
        };
        state.appends -= 1;
        // No byte came, so the upload needs no space.
        if state.appends == 0 && state.offset == 0 {
            self.entry.shelf.reservations.release(self.entry.key);
        }
    }
}

impl UploadHandle {
    /// Locks the state. First syncs the bytes left by an earlier process: a failed sync needs a safe length to truncate
    /// to. Also first stores the declared digests, if the full upload is compared only later: a request after a crash
    /// then compares it.
    fn state_to_append(&self, bytes: &[u8]) -> Result<StateGuard<'_>, Error> {
        let mut state = self.state()?;
        if state.offset + bytes.len() as u64 > UNRECORDED_MAX {
            self.sketch_record(&mut state);
        }
        let (is_unsure, is_behind) = (state.synced.is_none(), state.is_to_catch_up());
        let is_unjudged = !is_behind && state.is_filled_by(bytes) && !self.is_hashed(&state);
        if !is_unsure && !is_behind && !is_unjudged {
            return Ok(state);
        }
        drop(state);
        if is_unjudged {
            self.save_record()?;
            self.sync_names(None)?;
        }
        if is_unsure {
            self.sync_data()?;
        }
        if is_behind {
            self.hash_the_rest()?;
        }
        self.state()
    }

    /// Checks that `needed` more bytes fit on the disk beside the reservations of other uploads. Reserves them if they
    /// are about to come.
    fn reserve(&self, needed: u64, are_coming: bool) -> Result<(), Error> {
        if needed == 0 {
            return Ok(());
        }
        let reservations = &self.shelf.reservations;
        let mut space = reservations.free_space();
        let wanted = needed
            .saturating_add(self.shelf.options.min_free)
            .saturating_add(reservations.of_others(self.key));
        let read = || Ok(self.disk().free()?.unwrap_or(u64::MAX));
        if !space.has_room(wanted, read)? {
            return Err(Error::NoSpace);
        }
        if are_coming {
            reservations.set(self.key, needed);
        }
        Ok(())
    }

    /// Writes `bytes` where the file ends.
    fn put(&self, state: &mut StateGuard<'_>, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let data = self.data(state)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = state.offset;
            match state.writing(|| self.disk().write_at(&data, rest, offset))? {
                Ok(0) => return Err(self.refused(state, io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    let (taken, left) = rest.split_at(written);
                    if let Some(hashing) = &mut state.hashing {
                        hashing.follow(offset, taken);
                    }
                    rest = left;
                    state.offset += written as u64;
                    state.unsynced += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refused(state, error)),
            }
        }
        if !self.disk().durable {
            state.synced = Some(state.offset);
        }
        let owed = state.length().map_or(0, |length| length - state.offset);
        self.shelf.reservations.set(self.key, owed);
        Ok(())
    }

    /// Handles a failed write. If the disk is full or the file too long, no written byte is lost, so the written bytes
    /// stay. After any other error only the synced bytes stay.
    fn refused(&self, state: &mut State, error: io::Error) -> Error {
        let loses_none = is_full(&error) || is_too_large(&error);
        let Some(data) = state.data.clone().filter(|_| loses_none) else {
            self.cut_back(state);
            return error.into();
        };
        match self.disk().cut(&data, state.offset) {
            Ok(()) => error.into(),
            Err(_) => self.poison(),
        }
    }
}
