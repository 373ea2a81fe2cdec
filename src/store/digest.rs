//! What comes is hashed as it comes: whether it is what its client says it is, and what all of it hashes to.
//!
//! How far the whole is hashed is kept on the data file, in an extended attribute beside its mark, so that after a
//! restart only what came later is read back. It is kept of bytes that are synced, and taken off before any of them
//! is cut off: so it may be old, or missing, but what it says is so.

use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::hashed::{Hashed, Hashing};
use super::intent::Digest;
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
        Digest::from(self.hash.clone().finalize()) == self.body
    }
}

impl State {
    /// What all that is held hashes to, where it is hashed to its end.
    pub(super) fn hashed(&self) -> Option<Digest> {
        let now = &self.hashing.as_ref()?.now;
        (now.bytes == self.offset).then(|| now.digest())
    }

    /// Whether what is held is to be hashed before more comes.
    pub(super) fn is_to_catch_up(&self) -> bool {
        let behind = |hashing: &Hashing| self.offset.saturating_sub(hashing.now.bytes);
        (1..=CATCH_UP_MAX).contains(&self.hashing.as_deref().map_or(0, behind))
    }
}

impl Entry {
    /// Hashes the upload from now on, if that is wanted: by the server, or by who said what it comes to.
    pub(super) fn begin_to_hash(&self, state: &mut State) -> Result<(), Error> {
        let is_wanted = self.shelf.options.sha256 || state.digest().is_some();
        if !is_wanted || state.hashing.is_some() || state.phase == Phase::Complete {
            return Ok(());
        }
        let kept = match &state.data {
            Some(data) => self.disk().hashed_of(data)?,
            None => None,
        };
        // Longer than the file: it was cut off by somebody else.
        let is_longer = |kept: &Hashed| kept.bytes > state.offset;
        if let (Some(data), true) = (&state.data, kept.as_ref().is_some_and(is_longer)) {
            self.disk().forget_hashed(data)?;
        }
        let now = kept.filter(|kept| !is_longer(kept)).unwrap_or_default();
        let (synced, kept) = (now.clone(), now.bytes);
        state.hashing = Some(Box::new(Hashing { now, synced, kept }));
        Ok(())
    }

    /// Keeps on the file how far it is hashed, and synced. Without that a later server reads it back, no more.
    pub(super) fn keep_hashed(&self, state: &mut State) {
        let (Some(data), Some(hashing)) = (&state.data, &mut state.hashing) else {
            return;
        };
        let hashed = match self.disk().durable {
            true => &hashing.synced,
            false => &hashing.now,
        };
        if hashed.bytes > hashing.kept {
            match self.disk().keep_hashed(data, hashed) {
                Ok(()) => hashing.kept = hashed.bytes,
                Err(error) => log::debug!("{}: its hash is not kept: {error}", self.key),
            }
        }
    }

    /// Checks the bytes of one append. What is held of an upload that took wrong ones cannot be told from what is
    /// right, and nothing is ever cut off because of what a client sent: so it is forgotten as a whole.
    ///
    /// # Errors
    /// `DigestDiffers`.
    pub(super) fn check_body(&self, check: Option<&Check>) -> Result<(), Error> {
        match check.filter(|check| !check.is_right()) {
            Some(wrong) => self.spoil(wrong.epoch),
            None => Ok(()),
        }
    }

    /// Checks all that is held, which is all there will be, before it is published.
    ///
    /// # Errors
    /// `DigestDiffers`; then the upload is forgotten.
    pub(super) fn check_whole(&self) -> Result<(), Error> {
        self.hash_the_rest()?;
        let state = self.look()?;
        let (epoch, digest) = (state.epoch, state.hashed());
        let expected = state.digest().filter(|_| state.is_unpublished());
        drop(state);
        match expected {
            Some(_) if expected != digest => self.spoil(epoch),
            _ => Ok(()),
        }
    }

    fn spoil(&self, epoch: u64) -> Result<(), Error> {
        let state = self.look()?;
        let ours = state.epoch == epoch && state.phase == Phase::Receiving;
        drop(state);
        if ours {
            self.cancel()?;
        }
        Err(Error::DigestDiffers)
    }

    /// Hashes what is held and is not hashed, by reading it back.
    pub(super) fn hash_the_rest(&self) -> Result<(), Error> {
        let mut buffer = Vec::new();
        loop {
            let state = self.look()?;
            let (Some(data), Some(hashing)) = (state.data.clone(), &state.hashing) else {
                return Ok(());
            };
            let (at, end, epoch) = (hashing.now.bytes, state.offset, state.epoch);
            drop(state);
            if at >= end {
                return Ok(());
            }
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
