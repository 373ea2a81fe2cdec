//! What comes is hashed as it comes: whether it is what its client says it is, and what all of it hashes to.
//!
//! How far the whole is hashed is kept on the data file, in an extended attribute beside its mark, so that after a
//! restart only what came later is read back. It is kept of bytes that are synced, and taken off before any of them
//! is cut off: so it may be old, or missing, but what it says is so.

use sha2::{Digest as _, Sha256};

use super::error::{Difference, Error};
use super::hashed::{Algorithm, Hashed, Progress};
use super::intent::{Crc32, Digest, Intent};
use super::options::Options;
use super::publish::Finished;
use super::record::Record;
use super::shelf::Entry;
use super::upload::{Phase, State};

/// How much of a file is read back at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// How much is read back before more is taken: what a killed server had not kept, with room to spare. Where more is
/// missing, as when hashing was turned on in the middle of an upload, its client does not wait for that until the end.
const CATCH_UP_MAX: u64 = 256 << 20;

/// The hash of what one append writes.
pub(super) struct Check {
    hash: Sha256,
    /// What it should come to.
    body: Digest,
    /// When the append began: bytes of another epoch are none of ours.
    epoch: u64,
}

impl Check {
    pub(super) fn new(body: Digest, epoch: u64) -> Self {
        let hash = Sha256::new();
        Self { hash, body, epoch }
    }

    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    fn is_right(&self) -> bool {
        self.is_right_with(&[])
    }

    /// Whether it comes out right when the body ends with `bytes`.
    fn is_right_with(&self, bytes: &[u8]) -> bool {
        Digest::from(self.hash.clone().chain_update(bytes).finalize()) == self.body
    }
}

impl State {
    /// Whether something has to be hashed by `algorithm`: because the server wants it, or a client does.
    fn is_to_hash(&self, algorithm: Algorithm, options: &Options) -> bool {
        let record = self.record.as_deref();
        match algorithm {
            Algorithm::Sha256 => options.sha256 || record.is_some_and(|r| r.digest.is_some()),
            Algorithm::Crc32 => record.is_some_and(|record| record.crc32.is_some()),
        }
    }

    /// How many bytes are hashed, where any are to be.
    fn hashed_bytes(&self) -> Option<u64> {
        self.hashing.as_ref()?.now.bytes()
    }

    /// Whether `bytes` are the last of the declared length.
    pub(super) fn is_filled_by(&self, bytes: &[u8]) -> bool {
        let end = self.offset + bytes.len() as u64;
        !bytes.is_empty() && self.length() == Some(end)
    }

    /// Whether what is held is to be hashed before more comes.
    pub(super) fn is_to_catch_up(&self) -> bool {
        let behind = |hashed| self.offset.saturating_sub(hashed);
        (1..=CATCH_UP_MAX).contains(&self.hashed_bytes().map_or(0, behind))
    }

    /// Judges the whole upload, by every digest that was declared and by the CRC-32 that its last append says: all that
    /// is held, which has to be [hashed](Entry::is_hashed), and `last`, which is about to follow and need not be written
    /// yet.
    ///
    /// # Errors
    /// `DigestDiffers`, `Differs`. The caller then [spoils](Entry::spoil) the upload.
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

    /// Has the record of a whole upload say what that hashes to. The upload has to be hashed.
    ///
    /// # Errors
    /// As `judge`.
    pub(super) fn note_hashed(&self, record: &mut Record) -> Result<(), Error> {
        let Some(hashing) = &self.hashing else {
            return Ok(());
        };
        judge(record, &hashing.now)?;
        let digest = hashing.now.sha256().map(Box::new);
        record.digest = digest.or(record.digest.take());
        record.crc32 = hashing.now.crc32().map(Crc32::Is).or(record.crc32);
        Ok(())
    }

    /// The CRC-32 of an upload that is complete or about to be, where that is known.
    fn known_crc32(&self) -> Option<u32> {
        let is_known = self.phase == Phase::Complete || self.is_publishing();
        let record = self.record.as_ref().filter(|_| is_known);
        record?.crc32?.value()
    }

    /// Whether a request may be about this upload, which is complete or about to be: what it says of the whole file is compared with what was
    /// noted when it was published, never with the file on the disk, which may be another by now.
    ///
    /// # Errors
    /// `Differs`.
    pub(super) fn compare(&self, digest: Option<Digest>, crc32: Option<u32>) -> Result<(), Error> {
        if differs(digest, self.digest()) || differs(crc32, self.known_crc32()) {
            return Err(Error::Differs(Difference::Finished));
        }
        Ok(())
    }
}

/// Whether both are known, and are not the same.
fn differs<T: PartialEq>(said: Option<T>, known: Option<T>) -> bool {
    said.zip(known).is_some_and(|(said, known)| said != known)
}

/// Compares what a whole upload hashes to with what was declared.
fn judge(record: &Record, whole: &Progress) -> Result<(), Error> {
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

impl Entry {
    /// Hashes the upload from now on, if that is wanted: by the server, or by who said what it comes to.
    pub(super) fn begin_to_hash(&self, state: &mut State) -> Result<(), Error> {
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
            // Longer than the file: it was cut off by somebody else.
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

    /// Whether all that is held is hashed, as far as it is to be hashed at all.
    pub(super) fn is_hashed(&self, state: &State) -> bool {
        let options = &self.shelf.options;
        let is_behind = |algorithm| {
            let hashed = (state.hashing.as_ref()).and_then(|hashing| hashing.now.of(algorithm));
            hashed.is_none_or(|hashed| hashed.bytes != state.offset)
        };
        (Algorithm::ALL.into_iter())
            .all(|algorithm| !state.is_to_hash(algorithm, options) || !is_behind(algorithm))
    }

    /// Keeps on the file how far it is hashed, and synced. Without that a later server reads it back, no more.
    pub(super) fn keep_hashed(&self, state: &mut State) {
        let (Some(data), Some(hashing)) = (&state.data, &mut state.hashing) else {
            return;
        };
        let keep = |hashed: &Hashed| self.disk().keep_hashed(data, hashed);
        if let Err(error) = hashing.keep(!self.disk().durable, keep) {
            log::debug!("{}: its hash is not kept: {error}", self.key);
        }
    }

    /// Compares what a request says of an upload that is not complete with what is known of it.
    ///
    /// # Errors
    /// `Differs`.
    pub(super) fn check_said(&self, state: &State, intent: &Intent) -> Result<(), Error> {
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
    pub(super) fn check_body(&self, check: Option<&Check>) -> Result<(), Error> {
        match check.filter(|check| !check.is_right()) {
            Some(wrong) => self.spoil(wrong.epoch, Error::DigestDiffers),
            None => Ok(()),
        }
    }

    /// Checks all that is held, which is all there will be, before it is published. Reads what is not hashed yet.
    ///
    /// # Errors
    /// `DigestDiffers`, `Differs`; then the upload is forgotten.
    pub(super) fn check_whole(&self) -> Result<(), Error> {
        loop {
            let mut state = self.look()?;
            if !state.is_unpublished() {
                return Ok(());
            }
            self.begin_to_hash(&mut state)?;
            drop(state);
            self.hash_the_rest()?;
            let state = self.look()?;
            // Otherwise somebody has changed it meanwhile.
            if self.is_hashed(&state) {
                let (epoch, judged) = (state.epoch, state.judge(&[], None));
                drop(state);
                return judged.or_else(|differs| self.spoil(epoch, differs));
            }
        }
    }

    /// Judges `last` as the bytes that make the upload full, before they are written: once all is held, whoever looks at
    /// the upload publishes it. A whole that is not hashed to here is judged then.
    ///
    /// # Errors
    /// As `State::judge`.
    pub(super) fn judge_last(
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

    /// Says of a complete upload how what a request said of it compares.
    ///
    /// # Errors
    /// `Differs`.
    pub(super) fn compared(
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
        // What was published by this very append is told of, whatever others have declared meanwhile.
        if finished.published.is_none() {
            compared?;
        }
        Ok(Finished {
            is_compared: Some(is_compared),
            ..finished
        })
    }

    /// Forgets the upload, if it is still as it was in `epoch`.
    ///
    /// # Errors
    /// `differs`, or that it cannot be forgotten.
    pub(super) fn spoil(&self, epoch: u64, differs: Error) -> Result<(), Error> {
        let state = self.look()?;
        let ours = state.epoch == epoch && state.phase == Phase::Receiving;
        drop(state);
        if ours && self.cancel()? {
            log::warn!("{}: {differs}; the upload is removed", self.key);
        }
        Err(differs)
    }

    /// Hashes what is held and is not hashed, by reading it back.
    pub(super) fn hash_the_rest(&self) -> Result<(), Error> {
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
