//! What comes is hashed as it comes: whether it is what its client says it is, and what all of it hashes to.
//!
//! How far the whole is hashed is kept on the data file, in an extended attribute beside its mark, so that after a
//! restart only what came later is read back. It is kept of bytes that are synced, and taken off before any of them
//! is cut off: so it may be old, or missing, but what it says is so.

use sha2::{Digest as _, Sha256};

use crate::store::error::{Difference, Error};
use crate::store::fs::hashed::{Algorithm, Checksums, Hashed};
use crate::store::fs::record::Record;
use crate::store::options::Options;
use crate::store::upload::publish::Finished;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::{AppendRequest, Crc32, Digest};
use crate::store::upload::state::{Phase, State};

/// How much of a file is read back at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// How much is read back before more is taken: what a killed server had not kept, with room to spare. Where more is
/// missing, as when hashing was turned on in the middle of an upload, its client does not wait for that until the end.
const CATCH_UP_MAX: u64 = 256 << 20;

/// The hash of what one append writes.
pub(crate) struct Check {
    hash: Sha256,
    /// What it should come to.
    body: Digest,
    /// When the append began: bytes of another epoch are none of ours.
    epoch: u64,
}

impl Check {
    pub(crate) fn new(body: Digest, epoch: u64) -> Self {
        let hash = Sha256::new();
        Self { hash, body, epoch }
    }

    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    fn is_right(&self) -> bool {
        self.is_right_with(&[])
    }

    /// Returns whether the digest is right if the body ends with `bytes`.
    fn is_right_with(&self, bytes: &[u8]) -> bool {
        Digest::from(self.hash.clone().chain_update(bytes).finalize()) == self.body
    }
}

impl State {
    /// Returns whether the upload has to be hashed by `algorithm`, for an option of the server or for a client.
    fn is_to_hash(&self, algorithm: Algorithm, options: &Options) -> bool {
        let record = self.record.as_deref();
        match algorithm {
            Algorithm::Sha256 => options.sha256 || record.is_some_and(|r| r.digest.is_some()),
            Algorithm::Crc32 => record.is_some_and(|record| record.crc32.is_some()),
        }
    }

    /// Returns the number of hashed bytes; `None` if no algorithm is in use.
    fn hashed_bytes(&self) -> Option<u64> {
        self.hashing.as_ref()?.now.bytes()
    }

    /// Returns whether `bytes` are the last of the declared length.
    pub(crate) fn is_filled_by(&self, bytes: &[u8]) -> bool {
        let end = self.offset + bytes.len() as u64;
        !bytes.is_empty() && self.length() == Some(end)
    }

    /// Whether what is held is to be hashed before more comes.
    pub(crate) fn is_to_catch_up(&self) -> bool {
        let behind = |hashed| self.offset.saturating_sub(hashed);
        (1..=CATCH_UP_MAX).contains(&self.hashed_bytes().map_or(0, behind))
    }

    /// Compares the whole upload with every declared digest, and with the CRC-32 that its last append declared. The
    /// bytes held have to be [hashed](UploadHandle::is_hashed). `last` follows them, and need not be written yet.
    ///
    /// # Errors
    /// `DigestDiffers`, `Differs`. The caller then [spoils](UploadHandle::spoil) the upload.
    fn judge(&self, last: &[u8], crc32: Option<u32>) -> Result<(), Error> {
        let (Some(record), Some(hashing)) = (&self.record, &self.hashing) else {
            return Ok(());
        };
        let mut whole = hashing.so_far();
        whole.follow(self.offset, last);
        judge(record, &whole)?;
        match differs(crc32, whole.crc32()) {
            true => Err(Error::Differs(Difference::Crc32)),
            false => Ok(()),
        }
    }

    /// Stores the digests of the whole upload in the record. The upload has to be hashed.
    ///
    /// # Errors
    /// The same as `judge`.
    pub(crate) fn note_hashed(&self, record: &mut Record) -> Result<(), Error> {
        let Some(hashing) = &self.hashing else {
            return Ok(());
        };
        judge(record, &hashing.now)?;
        let digest = hashing.now.sha256().map(Box::new);
        record.digest = digest.or(record.digest.take());
        record.crc32 = hashing.now.crc32().map(Crc32::Is).or(record.crc32);
        Ok(())
    }

    /// Returns the CRC-32 of an upload that is complete or being published, if it is known.
    fn known_crc32(&self) -> Option<u32> {
        let is_known = self.phase == Phase::Complete || self.is_publishing();
        let record = self.record.as_ref().filter(|_| is_known);
        record?.crc32?.value()
    }

    /// Compares the digests that a request declared with those recorded when the upload was published. Never reads the
    /// file on the disk: another program may have changed it.
    ///
    /// # Errors
    /// `Differs`.
    pub(crate) fn compare(&self, digest: Option<Digest>, crc32: Option<u32>) -> Result<(), Error> {
        if differs(digest, self.digest()) || differs(crc32, self.known_crc32()) {
            return Err(Error::Differs(Difference::Finished));
        }
        Ok(())
    }
}

/// Returns whether both are known and differ.
fn differs<T: PartialEq>(said: Option<T>, known: Option<T>) -> bool {
    said.zip(known).is_some_and(|(said, known)| said != known)
}

/// Compares the hashes of a whole upload with the declared digests.
fn judge(record: &Record, whole: &Checksums) -> Result<(), Error> {
    let declared = record.digest.as_deref().copied();
    if declared.is_some() && declared != whole.sha256() {
        return Err(Error::DigestDiffers);
    }
    let declared = record.crc32.and_then(Crc32::value);
    if declared.is_some() && declared != whole.crc32() {
        return Err(Error::Differs(Difference::Crc32));
    }
    Ok(())
}

impl UploadHandle {
    /// Hashes the upload from now on, if that is wanted: by the server, or by who said what it comes to.
    pub(crate) fn begin_to_hash(&self, state: &mut State) -> Result<(), Error> {
        if state.phase == Phase::Complete {
            return Ok(());
        }
        for algorithm in Algorithm::ALL {
            let hashing = state.hashing.as_ref();
            let is_begun = hashing.is_some_and(|hashing| hashing.now.of(algorithm).is_some());
            if is_begun || !state.is_to_hash(algorithm, &self.shelf.options) {
                continue;
            }
            let kept = match &state.data {
                Some(data) => self.disk().hashed_of(data, algorithm)?,
                None => None,
            };
            // The state covers more bytes than the file: another program has cut the file.
            let is_longer = |kept: &Hashed| kept.bytes > state.offset;
            if let (Some(data), true) = (&state.data, kept.as_ref().is_some_and(is_longer)) {
                self.disk().forget_hashed(data)?;
            }
            let kept = kept.filter(|kept| !is_longer(kept));
            let kept = kept.unwrap_or_else(|| Hashed::new(algorithm));
            state.hashing.get_or_insert_default().begin(kept);
        }
        Ok(())
    }

    /// Returns whether all bytes held are hashed by every algorithm in use.
    pub(crate) fn is_hashed(&self, state: &State) -> bool {
        let options = &self.shelf.options;
        let is_behind = |algorithm| {
            let hashed = (state.hashing.as_ref()).and_then(|hashing| hashing.now.of(algorithm));
            hashed.is_none_or(|hashed| hashed.bytes != state.offset)
        };
        (Algorithm::ALL.into_iter())
            .all(|algorithm| !state.is_to_hash(algorithm, options) || !is_behind(algorithm))
    }

    /// Keeps on the file how far it is hashed, and synced. Without that a later server reads it back, no more.
    pub(crate) fn keep_hashed(&self, state: &mut State) {
        let (Some(data), Some(hashing)) = (&state.data, &mut state.hashing) else {
            return;
        };
        let keep = |hashed: &Hashed| self.disk().keep_hashed(data, hashed);
        if let Err(error) = hashing.keep(!self.disk().durable, keep) {
            log::debug!("{}: cannot store the hash state: {error}", self.key);
        }
    }

    /// Compares the digests that a request declared with those of an incomplete upload.
    ///
    /// # Errors
    /// `Differs`.
    pub(crate) fn check_said(&self, state: &State, intent: &AppendRequest) -> Result<(), Error> {
        if state.is_publishing() {
            state.compare(intent.digest, intent.crc32.and_then(Crc32::value))?;
        }
        let tail = intent.tail.map(|tail| self.check_tail(state, tail));
        tail.unwrap_or(Ok(()))
    }

    /// Checks the bytes of one append. What is held of an upload that took wrong ones cannot be told from what is
    /// right, and nothing is ever cut off because of what a client sent: so it is forgotten as a whole.
    ///
    /// # Errors
    /// `DigestDiffers`.
    pub(crate) fn check_body(&self, check: Option<&Check>) -> Result<(), Error> {
        match check.filter(|check| !check.is_right()) {
            Some(wrong) => self.spoil(wrong.epoch, Error::DigestDiffers),
            None => Ok(()),
        }
    }

    /// Checks the digests of a full upload before it is published. Reads the bytes that are not hashed yet.
    ///
    /// # Errors
    /// `DigestDiffers`, `Differs`; the upload is then removed.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        loop {
            let mut state = self.look()?;
            if !state.is_unpublished() {
                return Ok(());
            }
            self.begin_to_hash(&mut state)?;
            drop(state);
            self.hash_the_rest()?;
            let state = self.look()?;
            // If not, another request has changed the upload in the meantime.
            if self.is_hashed(&state) {
                let (epoch, judged) = (state.epoch, state.judge(&[], None));
                drop(state);
                return judged.or_else(|differs| self.spoil(epoch, differs));
            }
        }
    }

    /// Compares the digests before `last` is written, if `last` makes the upload full: from then on any request may
    /// publish it. If the bytes held are not hashed yet, the comparison comes later, before publishing.
    ///
    /// # Errors
    /// The same as `State::judge`.
    pub(crate) fn judge_last(
        &self,
        state: &State,
        last: &[u8],
        body: Option<&Check>,
        crc32: Option<u32>,
    ) -> Result<(), Error> {
        if !state.is_filled_by(last) {
            return Ok(());
        }
        if body.is_some_and(|body| !body.is_right_with(last)) {
            return Err(Error::DigestDiffers);
        }
        match self.is_hashed(state) {
            true => state.judge(last, crc32),
            false => Ok(()),
        }
    }

    /// Adds the result of the comparison with the CRC-32 that a request declared.
    ///
    /// # Errors
    /// `Differs`.
    pub(crate) fn compared(
        &self,
        finished: Finished,
        crc32: Option<u32>,
    ) -> Result<Finished, Error> {
        if crc32.is_none() {
            return Ok(finished);
        }
        let state = self.look()?;
        let compared = state.compare(None, crc32);
        let is_compared = compared.is_ok() && state.known_crc32().is_some();
        // A file that this append published is returned, also if other requests declared another checksum meanwhile.
        if finished.published.is_none() {
            compared?;
        }
        Ok(Finished {
            is_compared: Some(is_compared),
            ..finished
        })
    }

    /// Removes the upload, if its epoch is still `epoch`.
    ///
    /// # Errors
    /// `differs`, or the error of the removal.
    pub(crate) fn spoil(&self, epoch: u64, differs: Error) -> Result<(), Error> {
        let state = self.look()?;
        let ours = state.epoch == epoch && state.phase == Phase::Receiving;
        drop(state);
        if ours && self.cancel()? {
            log::warn!("{}: {differs}; the upload is removed", self.key);
        }
        Err(differs)
    }

    /// Hashes what is held and is not hashed, by reading it back.
    pub(crate) fn hash_the_rest(&self) -> Result<(), Error> {
        let mut buffer = Vec::new();
        loop {
            let state = self.look()?;
            let (Some(data), Some(hashing)) = (state.data.clone(), &state.hashing) else {
                return Ok(());
            };
            let (end, epoch) = (state.offset, state.epoch);
            let Some(at) = hashing.now.bytes().filter(|at| *at < end) else {
                return Ok(());
            };
            drop(state);
            buffer.resize((end - at).min(WINDOW_BYTES as u64) as usize, 0);
            self.disk().read_at(&data, &mut buffer, at)?;
            let mut state = self.state()?;
            let is_same = state.epoch == epoch;
            if let Some(hashing) = state.hashing.as_mut().filter(|_| is_same) {
                hashing.follow(at, &buffer);
            }
        }
    }
}
