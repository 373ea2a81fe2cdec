//! Checksums of the received bytes: compared with the declared ones before the last byte is written.
//!
//! The hash state of a partial upload is stored on the data file in an extended attribute, so that a restart reads back
//! only the bytes after it. The stored state covers synced bytes, and is removed before any of them is truncated: it may be
//! old or missing, but never wrong.

use sha2::{Digest as _, Sha256};

use crate::store::error::{Difference, Error};
use crate::store::fs::hashed::{Algorithm, Checksums, Crc32, Digest, Hashed};
use crate::store::fs::record::Record;
use crate::store::options::Options;
use crate::store::upload::publish::Finished;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::AppendRequest;
use crate::store::upload::state::State;

/// The size of a buffer for bytes that are read back.
const BUFFER_BYTES: usize = 256 * 1024;

/// The most bytes that are read back before a write: more than a killed server leaves without a stored hash state. If
/// more are missing, because hashing was turned on in the middle of an upload, they are read back at the end.
const CATCH_UP_MAX: u64 = 256 << 20;

/// The hash of the bytes of one request.
pub(crate) struct BodyCheck {
    hash: Sha256,
    declared: Digest,
    /// The epoch in which the append began: bytes of another epoch are not its own.
    epoch: u64,
}

impl BodyCheck {
    pub(crate) fn new(declared: Digest, epoch: u64) -> Self {
        let hash = Sha256::new();
        Self {
            hash,
            declared,
            epoch,
        }
    }

    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Returns whether the digest is right if the body ends with `bytes`.
    fn is_right_with(&self, bytes: &[u8]) -> bool {
        Digest::from(self.hash.clone().chain_update(bytes).finalize()) == self.declared
    }
}

impl State {
    /// Returns whether the upload has to be hashed by `algorithm`, for an option of the server or for a client.
    fn is_to_hash(&self, algorithm: Algorithm, options: &Options) -> bool {
        let record = self.record();
        match algorithm {
            Algorithm::Sha256 => options.sha256 || record.is_some_and(|r| r.digest.is_some()),
            Algorithm::Crc32 => record.is_some_and(|record| record.crc32.is_some()),
        }
    }

    /// Returns whether `bytes` are the last of the declared length.
    pub(crate) fn is_filled_by(&self, bytes: &[u8]) -> bool {
        let end = self.offset() + bytes.len() as u64;
        !bytes.is_empty() && self.length() == Some(end)
    }

    /// Returns whether received bytes must be hashed before the next write.
    pub(crate) fn is_hash_behind(&self) -> bool {
        let hashed = self.hashing().and_then(|hashing| hashing.now.bytes());
        let behind = hashed.map_or(0, |hashed| self.offset().saturating_sub(hashed));
        (1..=CATCH_UP_MAX).contains(&behind)
    }

    /// Compares the whole upload with every declared digest, and with the CRC-32 that its last append declared. The
    /// received bytes have to be [hashed](UploadHandle::is_hashed). `last` follows them, and need not be written yet.
    ///
    /// # Errors
    /// `DigestDiffers`, `Differs`. The caller then [deletes](UploadHandle::delete_wrong) the upload.
    fn verify(&self, last: &[u8], crc32: Option<u32>) -> Result<(), Error> {
        let (Some(record), Some(hashing)) = (self.record(), self.hashing()) else {
            return Ok(());
        };
        let mut whole = hashing.now.clone();
        whole.follow(self.offset(), last);
        verify_declared(record, &whole)?;
        match differs(crc32, whole.crc32()) {
            true => Err(Error::Differs(Difference::Crc32)),
            false => Ok(()),
        }
    }

    /// Stores the digests of the whole upload in the record. The upload has to be hashed.
    ///
    /// # Errors
    /// The same as `verify`.
    pub(crate) fn note_hashed(&self, record: &mut Record) -> Result<(), Error> {
        let Some(hashing) = self.hashing() else {
            return Ok(());
        };
        verify_declared(record, &hashing.now)?;
        let digest = hashing.now.sha256().map(Box::new);
        record.digest = digest.or(record.digest.take());
        record.crc32 = hashing.now.crc32().map(Crc32::Is).or(record.crc32);
        Ok(())
    }

    /// Returns the CRC-32 of an upload that is complete or being published, if it is known.
    fn known_crc32(&self) -> Option<u32> {
        match self.is_complete() || self.is_publishing() {
            true => self.record()?.crc32?.value(),
            false => None,
        }
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
fn verify_declared(record: &Record, whole: &Checksums) -> Result<(), Error> {
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
    /// Begins to hash the upload, if the server or a client wants a checksum.
    pub(crate) fn begin_hashing(&self, state: &mut State) -> Result<(), Error> {
        if state.is_complete() {
            return Ok(());
        }
        for algorithm in Algorithm::ALL {
            let hashing = state.hashing();
            let is_begun = hashing.is_some_and(|hashing| hashing.now.of(algorithm).is_some());
            if is_begun || !state.is_to_hash(algorithm, &self.registry.options) {
                continue;
            }
            let kept = match state.data() {
                Some(data) => self.disk().read_hash_state(data, algorithm)?,
                None => None,
            };
            // The state covers more bytes than the file: another program has cut the file.
            let kept = match (kept, state.data()) {
                (Some(kept), Some(data)) if kept.bytes > state.offset() => {
                    self.disk().remove_hash_states(data)?;
                    None
                }
                (kept, _) => kept,
            };
            let kept = kept.unwrap_or_else(|| Hashed::new(algorithm));
            state.hashing_mut().get_or_insert_default().begin(kept);
        }
        Ok(())
    }

    /// Returns whether all bytes held are hashed by every algorithm in use.
    pub(crate) fn is_hashed(&self, state: &State) -> bool {
        let options = &self.registry.options;
        let is_behind = |algorithm| {
            let hashed = state
                .hashing()
                .and_then(|hashing| hashing.now.of(algorithm));
            hashed.is_none_or(|hashed| hashed.bytes != state.offset())
        };
        (Algorithm::ALL.into_iter())
            .all(|algorithm| !state.is_to_hash(algorithm, options) || !is_behind(algorithm))
    }

    /// Stores the hash states of the synced bytes on the file. After a failure, a later server reads these bytes back.
    pub(crate) fn store_hash_states(&self, state: &mut State) {
        let data = state.data().cloned();
        let (Some(data), Some(hashing)) = (data, state.hashing_mut()) else {
            return;
        };
        let keep = |hashed: &Hashed| self.disk().write_hash_state(&data, hashed);
        if let Err(error) = hashing.keep(!self.disk().durable, keep) {
            log::debug!("{}: cannot store the hash state: {error}", self.key);
        }
    }

    /// Compares the digests that a request declared with those of an incomplete upload.
    ///
    /// # Errors
    /// `Differs`.
    pub(crate) fn check_declared(
        &self,
        state: &State,
        request: &AppendRequest,
    ) -> Result<(), Error> {
        if state.is_publishing() {
            state.compare(request.digest, request.crc32_value())?;
        }
        let tail = request.tail.map(|tail| self.check_tail(state, tail));
        tail.unwrap_or(Ok(()))
    }

    /// Checks the bytes of one append. Deletes the upload if they are wrong: its right bytes cannot be separated from wrong
    /// ones, and nothing is truncated because of what a client sent.
    ///
    /// # Errors
    /// `DigestDiffers`.
    pub(crate) fn check_body(&self, check: Option<&BodyCheck>) -> Result<(), Error> {
        match check {
            Some(check) if !check.is_right_with(&[]) => {
                Err(self.delete_wrong(check.epoch, Error::DigestDiffers))
            }
            _ => Ok(()),
        }
    }

    /// Checks the digests of a full upload before it is published. Reads the bytes that are not hashed yet.
    ///
    /// # Errors
    /// `DigestDiffers`, `Differs`; the upload is then removed.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        loop {
            let mut state = self.load()?;
            if !state.is_unpublished() {
                return Ok(());
            }
            self.begin_hashing(&mut state)?;
            drop(state);
            self.hash_rest()?;
            let state = self.load()?;
            // If not, another request has changed the upload in the meantime.
            if self.is_hashed(&state) {
                let (epoch, verified) = (state.epoch(), state.verify(&[], None));
                drop(state);
                return verified.map_err(|differs| self.delete_wrong(epoch, differs));
            }
        }
    }

    /// Compares the digests before `last` is written, if `last` makes the upload full: from then on any request may
    /// publish it. If the bytes held are not hashed yet, the comparison comes later, before publishing.
    ///
    /// # Errors
    /// The same as `State::verify`.
    pub(crate) fn check_last(
        &self,
        state: &State,
        last: &[u8],
        body: Option<&BodyCheck>,
        crc32: Option<u32>,
    ) -> Result<(), Error> {
        if !state.is_filled_by(last) {
            return Ok(());
        }
        if body.is_some_and(|body| !body.is_right_with(last)) {
            return Err(Error::DigestDiffers);
        }
        match self.is_hashed(state) {
            true => state.verify(last, crc32),
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
        let state = self.load()?;
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

    /// Deletes the upload, if its epoch is still `epoch`. Returns `differs`, or the error of the removal.
    pub(crate) fn delete_wrong(&self, epoch: u64, differs: Error) -> Error {
        let is_ours = |state: &State| state.epoch() == epoch && state.is_receiving();
        match self.delete_if(is_ours) {
            Ok(true) => log::warn!("{}: {differs}; the upload is removed", self.key),
            Ok(false) => {}
            Err(error) => return error,
        }
        differs
    }

    /// Reads back the bytes that are not hashed yet, and hashes them.
    pub(crate) fn hash_rest(&self) -> Result<(), Error> {
        let mut buffer = Vec::new();
        loop {
            let state = self.load()?;
            let (Some(data), Some(hashing)) = (state.data().cloned(), state.hashing()) else {
                return Ok(());
            };
            let (end, epoch) = (state.offset(), state.epoch());
            let Some(at) = hashing.now.bytes().filter(|at| *at < end) else {
                return Ok(());
            };
            drop(state);
            buffer.resize((end - at).min(BUFFER_BYTES as u64) as usize, 0);
            self.disk().read_at(&data, &mut buffer, at)?;
            let mut state = self.lock()?;
            let is_same = state.epoch() == epoch;
            match state.hashing_mut() {
                Some(hashing) if is_same => hashing.follow(at, &buffer),
                _ => {}
            }
        }
    }
}
