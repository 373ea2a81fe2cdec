//! Appending: the only way in which an upload gets bytes.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use crate::store::account_index::Admitted;
use crate::store::error::Error;
use crate::store::id::Id;
use crate::store::obstacle::{is_full, is_too_large};
use crate::store::reservations::Claim;
use crate::store::upload::admission::{check_complete, expected};
use crate::store::upload::checksum::BodyCheck;
use crate::store::upload::completed::Completed;
use crate::store::upload::guard::StateGuard;
use crate::store::upload::publish::Finished;
use crate::store::upload::registry::{Registry, UploadHandle};
use crate::store::upload::request::{AppendRequest, Precondition, Start};
use crate::store::upload::state::{Progress, State};
use crate::sync::thread::{self, JoinHandle};

/// A sync begins in a thread of its own after so many written bytes, so that no sync takes long: 64 MiB.
const SYNC_EVERY: u64 = if cfg!(shuttle) { 4 } else { 64 << 20 };

/// The record is written before the upload has more bytes than these: 1 MiB. A smaller upload in one request writes one
/// record, when it is published.
const UNRECORDED_MAX: u64 = if cfg!(shuttle) { 10 } else { 1 << 20 };

/// The condition under which an append completes the upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completes {
    /// The upload has its declared length.
    AtLength,
    /// The append ends. Its end declares the length, if no request did.
    AtEnd,
}

/// The right to append to one upload.
///
/// An append holds no lock: after a newer append, a cancel or a publish, its next write is refused with
/// [`Error::Superseded`]. End it with [`finish`](Self::finish) or [`cut`](Self::cut). A dropped append keeps the
/// written bytes, but does not sync them.
pub struct Append {
    upload: Arc<UploadHandle>,
    /// `None`: the append brings no bytes, so it fenced no other.
    generation: Option<u64>,
    at: u64,
    complete: bool,
    background_sync: Option<JoinHandle<Result<(), Error>>>,
    body_check: Option<Box<BodyCheck>>,
    /// The CRC-32 of the whole upload that the request declared.
    crc32: Option<u32>,
    is_checked: bool,
    admitted: Admitted,
    claim: Claim,
    /// The end of the body in the upload, as far as the request shows it.
    body_end: u64,
}

/// A window with refused bytes. The caller has to pass it to [`clean_up`](Append::clean_up).
pub(crate) struct RefusedWindow {
    error: Error,
    /// The generation of the upload after a failed write, which may begin a new one.
    generation: Option<u64>,
    /// The epoch of the upload, if the bytes do not have their declared digest.
    wrong_epoch: Option<u64>,
}

impl From<Error> for RefusedWindow {
    fn from(error: Error) -> Self {
        Self {
            error,
            generation: None,
            wrong_epoch: None,
        }
    }
}

impl Append {
    /// Begins an append, if the upload ends at `start`. Changes and syncs nothing on the disk.
    pub(crate) fn begin(
        registry: &Arc<Registry>,
        id: &Id,
        start: Start,
        request: AppendRequest,
    ) -> Result<Self, Error> {
        registry.disk.check_in_place_lately()?;
        let upload = registry.upload(id.key());
        let mut state = upload.load()?;
        let complete = state.is_complete();
        if request.precondition == Precondition::Exists && !state.is_known() {
            return Err(Error::Unknown);
        }
        let start = match start {
            Start::At(start) => start,
            Start::End => state.offset(),
        };
        let has_body = !request.body_length.is_nothing();
        let (body_digest, crc32) = (request.body_digest, request.crc32_value());
        let claim = upload.claim(&request);
        let body_end = start.saturating_add(request.body_length.at_least());
        let admitted = match complete {
            true => check_complete(&state, start, &request)?,
            false => upload.admit(&mut state, id, start, request)?,
        };
        if let Err(error) = upload.prepare(&mut state) {
            upload.release_empty(&state);
            return Err(error);
        }
        let generation = if has_body { Some(state.fence()) } else { None };
        state.begin_append();
        let is_checked = state.hashing().is_some();
        let body_check = body_digest.map(|body| Box::new(BodyCheck::new(body, state.epoch())));
        drop(state);
        Ok(Self {
            upload,
            generation,
            at: start,
            complete,
            background_sync: None,
            body_check,
            crc32,
            is_checked,
            admitted,
            claim,
            body_end,
        })
    }

    /// Returns the progress after the last write of this append. The bytes may not be durable.
    pub fn progress(&self) -> Progress {
        Progress {
            offset: self.at,
            complete: self.complete,
        }
    }

    /// Returns whether [`finish`](Self::finish) may read the whole upload, to compute its checksum.
    pub fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// Writes `bytes` at the end of the upload.
    ///
    /// After an error, removes a small upload that was admitted beyond the number of partial uploads.
    ///
    /// After every 64 MiB, starts a sync in a thread of its own, and waits for the previous one: network and disk work at
    /// the same time, and at most 128 MiB are not synced.
    ///
    /// # Errors
    /// [`Superseded`](Error::Superseded), [`Mismatch`](Error::Mismatch) if the upload ends elsewhere now,
    /// [`Overshoot`](Error::Overshoot), [`TooLarge`](Error::TooLarge) and [`OverQuota`](Error::OverQuota) after the bytes
    /// that fit are written,
    /// [`NoSpace`](Error::NoSpace), [`StorageFull`](Error::StorageFull), [`FileTooLarge`](Error::FileTooLarge),
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.try_write(bytes)
            .map_err(|refused| self.clean_up(refused))
    }

    /// Returns whether [`try_write`](Self::try_write) may wait for the disk, with up to so many bytes.
    pub(crate) fn write_blocks(&self, bytes: usize) -> bool {
        let Ok(state) = self.upload.peek() else {
            return false;
        };
        let bytes = bytes as u64;
        let end = state.offset().saturating_add(bytes);
        let may_be_full = state.length().is_some_and(|length| length <= end);
        state.durability().synced().is_none()
            || state.is_hash_behind()
            || (may_be_full && !self.upload.is_hashed(&state))
            || state.durability().dirty_bytes() + bytes >= SYNC_EVERY
    }

    /// Does the same as [`write`](Self::write), but after an error leaves the rest to [`clean_up`](Self::clean_up).
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> Result<(), RefusedWindow> {
        let dirty_bytes = self.write_window(bytes)?;
        if dirty_bytes >= SYNC_EVERY {
            self.sync_in_background()?;
        }
        Ok(())
    }

    /// Removes the bytes that must not stay after a refused window, and returns the error. Waits for the disk.
    pub(crate) fn clean_up(&mut self, refused: RefusedWindow) -> Error {
        let RefusedWindow {
            error,
            generation,
            wrong_epoch,
        } = refused;
        let error = match (wrong_epoch, error) {
            (Some(epoch), error) => self.upload.delete_wrong(epoch, error),
            // A failed sync fences its append.
            (None, Error::Superseded) => self.wait_for_sync().err().unwrap_or(Error::Superseded),
            (None, error) => error,
        };
        if let Err(error) = self.delete_unless_whole(generation.or(self.generation)) {
            let key = self.upload.key;
            log::warn!("{key}: cannot remove the bytes of a refused request: {error}");
        }
        self.upload.disk().explain(error)
    }

    /// Deletes an incomplete upload that was admitted as a whole only, if it has still this generation.
    fn delete_unless_whole(&self, generation: Option<u64>) -> Result<(), Error> {
        let is_cut = |state: &State| {
            let is_newest = generation == Some(state.generation());
            is_newest && state.has_files() && state.is_receiving() && !state.is_full()
        };
        match self.admitted {
            Admitted::Always => Ok(()),
            Admitted::IfWhole => self.upload.delete_if(is_cut).map(drop),
        }
    }

    fn sync_in_background(&mut self) -> Result<(), Error> {
        self.wait_for_sync()?;
        let mut state = self.upload.lock()?;
        state.durability_mut().will_sync();
        if !self.upload.disk().durable {
            self.upload.store_hash_states(&mut state);
            return Ok(());
        }
        drop(state);
        let upload = Arc::clone(&self.upload);
        let thread = thread::Builder::new().name("resumed-sync".into());
        match thread.spawn(move || upload.sync_and_mark()) {
            Ok(sync) => self.background_sync = Some(sync),
            // No thread is available.
            Err(_) => self.upload.sync_and_mark()?,
        }
        Ok(())
    }

    /// Waits for the last background sync.
    pub(crate) fn wait_for_sync(&mut self) -> Result<(), Error> {
        let ended = self.background_sync.take().map(JoinHandle::join);
        ended.map_or(Ok(()), |ended| {
            ended.unwrap_or_else(|_| Err(self.upload.poison("a sync panicked")))
        })
    }

    /// Ends an append whose body is complete. Publishes the upload if that completes it. The result is durable.
    ///
    /// # Errors
    /// [`Superseded`](Error::Superseded), [`LengthDiffers`](Error::LengthDiffers) if the declared length is another,
    /// [`NotPublished`](Error::NotPublished), [`Displaced`](Error::Displaced), [`StorageFull`](Error::StorageFull),
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned). The written bytes stay; `Store::status` returns their number.
    /// After [`DigestDiffers`](Error::DigestDiffers) or [`Differs`](Error::Differs) the upload is removed, unless it is
    /// complete.
    pub fn finish(mut self, completes: Completes) -> Result<Finished, Error> {
        let synced = self.wait_for_sync();
        let finished = self.end_body(completes);
        finished.map_err(|error| match (error, synced) {
            // A failed sync fences its append.
            (Error::Superseded, Err(cause)) => self.upload.disk().explain(cause),
            (error, _) => self.upload.disk().explain(error),
        })
    }

    fn end_body(&self, completes: Completes) -> Result<Finished, Error> {
        self.upload.check_body(self.body_check.as_deref())?;
        if self.is_completed(completes)? {
            let finished = self.upload.publish()?;
            return self.upload.compared(finished, self.crc32);
        }
        let (progress, published) = match (self.generation, self.upload.flush()?) {
            (_, Some(progress)) => (progress, None),
            (None, None) => self.upload.flush_or_publish()?,
            (Some(_), None) => return Err(Error::Superseded),
        };
        let state = self.upload.peek()?;
        Ok(Finished {
            progress,
            published,
            path: self.upload.path(&state),
            sha256: None,
            is_compared: None,
            expires: self.upload.expiry(&state, Duration::ZERO),
        })
    }

    /// Ends an append whose connection ended before the body. Keeps the written bytes, and makes them durable. If the
    /// upload is full, publishes it and returns the finished file.
    ///
    /// Syncs now, while the synced length is in memory: a sync that fails later leaves no safe length to truncate to.
    pub fn cut(mut self) -> Option<Completed> {
        let synced = self.wait_for_sync();
        let kept = match self.keep() {
            Ok(None) => synced.map(|()| None),
            kept => kept,
        };
        match kept {
            Ok(published) => published,
            // `Blocked` has logged the obstacle.
            Err(Error::NotPublished(_)) => None,
            Err(error) => {
                let key = self.upload.key;
                log::warn!("{key}: cannot keep the bytes of an interrupted request: {error}");
                None
            }
        }
    }

    fn keep(&self) -> Result<Option<Completed>, Error> {
        self.delete_unless_whole(self.generation)?;
        let state = self.upload.lock()?;
        let is_newest = self.generation == Some(state.generation());
        let (has_bytes, is_full) = (state.offset() > 0, state.is_full());
        drop(state);
        match is_newest && has_bytes {
            true if is_full => Ok(self.upload.flush_or_publish()?.1),
            true => self.upload.flush().map(|_| None),
            false => Ok(None),
        }
    }

    /// Writes the part of `bytes` that fits. Returns the bytes written since the last sync began.
    fn write_window(&mut self, bytes: &[u8]) -> Result<u64, RefusedWindow> {
        if self.complete && !bytes.is_empty() {
            return Err(Error::Overshoot { length: self.at }.into());
        }
        let mut state = self.upload.lock_to_write(bytes)?;
        state.check_writer(self.generation.ok_or(Error::Superseded)?, self.at)?;
        let max_size = self.upload.registry.options.max_size;
        let (room, refusal) = state.room(bytes.len() as u64, max_size);
        let (room, refusal) = self.upload.check_quota(&state, room, refusal);
        // `room` is at most the length of `bytes`.
        let bytes = &bytes[..room as usize];
        let check = self.body_check.as_deref();
        if let Err(differs) = (self.upload).check_last(&state, bytes, check, self.crc32) {
            return Err(RefusedWindow {
                wrong_epoch: Some(state.epoch()),
                ..differs.into()
            });
        }
        let result = (self.upload).write_bytes(&mut state, bytes, self.claim, self.body_end);
        if state.length().is_none() {
            self.upload.count_partial(&state);
        }
        if let Some(check) = &mut self.body_check {
            check.wrote(&bytes[..state.offset().saturating_sub(self.at) as usize]);
        }
        self.at = state.offset();
        if let Err(error) = result {
            return Err(RefusedWindow {
                generation: Some(state.generation()),
                ..error.into()
            });
        }
        match refusal {
            Some(refusal) => Err(refusal.into()),
            None => Ok(state.durability().dirty_bytes()),
        }
    }

    /// Returns whether the upload is complete at the end of this append. Declares its length if that end does.
    fn is_completed(&self, completes: Completes) -> Result<bool, Error> {
        let mut state = self.upload.load()?;
        // Another request may have published the bytes that this append wrote.
        if state.offset() == self.at && (state.is_complete() || state.is_full()) {
            return Ok(true);
        }
        if self.generation.is_some_and(|own| own != state.generation()) {
            return Err(Error::Superseded);
        }
        match completes {
            Completes::AtLength => Ok(state.is_full()),
            Completes::AtEnd => {
                state.end_at(self.at)?;
                self.upload.share_declared(&mut state)?;
                Ok(true)
            }
        }
    }
}

/// Writes all bytes or fails. `flush` does nothing: [`Append::finish`] makes the bytes durable.
impl io::Write for Append {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Append::write(self, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Append({} at {})", self.upload.key, self.at)
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        self.upload.end_append();
    }
}

impl UploadHandle {
    /// Reads the stored hash states, and shares the declarations with other servers.
    fn prepare(&self, state: &mut State) -> Result<(), Error> {
        self.begin_hashing(state)?;
        self.share_declared(state)
    }

    /// Locks the state for a write of `bytes`.
    ///
    /// First syncs the bytes of an earlier process: a failed sync needs a safe length to truncate to. First stores the
    /// declared digests, if the full upload is compared only later: a request after a crash then compares them.
    fn lock_to_write(&self, bytes: &[u8]) -> Result<StateGuard<'_>, Error> {
        let mut state = self.lock()?;
        if state.offset() + bytes.len() as u64 > UNRECORDED_MAX {
            self.write_record_early(&mut state);
        }
        let is_unsynced = state.durability().synced().is_none();
        let is_behind = state.is_hash_behind();
        let is_compared_later = !is_behind && state.is_filled_by(bytes) && !self.is_hashed(&state);
        if !is_unsynced && !is_behind && !is_compared_later {
            return Ok(state);
        }
        drop(state);
        if is_compared_later {
            self.save_record()?;
            self.sync_dirs(None)?;
        }
        if is_unsynced {
            self.sync_data()?;
        }
        if is_behind {
            self.hash_rest()?;
        }
        self.lock()
    }

    /// Writes `bytes` at the end of the file.
    fn write_bytes(
        &self,
        state: &mut StateGuard<'_>,
        bytes: &[u8],
        claim: Claim,
        body_end: u64,
    ) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.admit_window(state, bytes.len() as u64, claim, body_end)?;
        let data = self.data_file(state)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = state.offset();
            match state.writing(|| self.disk().write_at(&data, rest, offset))? {
                Ok(0) => return Err(self.write_failed(state, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    let (written, left) = rest.split_at(count);
                    state.wrote(written);
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.write_failed(state, error)),
            }
        }
        (self.registry.reservations).set(claim, expected(state, body_end));
        Ok(())
    }

    /// Handles a failed write. A full disk or a file size limit loses no written byte, so the written bytes stay. After
    /// any other error only the synced bytes stay.
    fn write_failed(&self, state: &mut State, error: io::Error) -> Error {
        let is_lossless = is_full(&error) || is_too_large(&error);
        match state.data() {
            Some(data) if is_lossless => match self.disk().truncate(data, state.offset()) {
                Ok(()) => error.into(),
                Err(error) => self.poison(format_args!("cannot end a failed write: {error}")),
            },
            _ => {
                self.truncate_to_synced(state);
                error.into()
            }
        }
    }

    /// Notes that an append has ended.
    fn end_append(&self) {
        let (Ok(_window), Ok(mut state)) = (self.lock_window(), self.peek()) else {
            return;
        };
        state.end_append();
        self.release_empty(&state);
    }
}
