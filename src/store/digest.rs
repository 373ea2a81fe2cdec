//! Whether what came is what its client says it is.

use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::intent::Digest;
use super::shelf::Entry;
use super::upload::Phase;

/// How much of a file is hashed at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// The hash of what one append writes.
pub(super) struct Check {
    hash: Sha256,
    /// What it should come to.
    body: Option<Digest>,
    /// The append began with the first byte of the upload.
    from_first: bool,
    /// When it began: bytes of another epoch are none of ours.
    epoch: u64,
}

impl Check {
    pub(super) fn new(body: Option<Digest>, from_first: bool, epoch: u64) -> Self {
        Self {
            hash: Sha256::new(),
            body,
            from_first,
            epoch,
        }
    }

    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }
}

impl Entry {
    /// Checks the bytes of one append. What is held of an upload that took wrong ones cannot be told from what is
    /// right, and nothing is ever cut off because of what a client sent: so it is forgotten as a whole.
    ///
    /// # Errors
    /// `DigestDiffers`.
    pub(super) fn check_body(&self, check: Option<&Check>) -> Result<(), Error> {
        match check {
            Some(check) if check.body.is_some_and(|body| check.hash_now() != body) => {
                self.spoil(check.epoch)
            }
            _ => Ok(()),
        }
    }

    /// Checks all that is held, which is all there will be, before it is published.
    ///
    /// # Errors
    /// `DigestDiffers`; then the upload is forgotten.
    pub(super) fn check_whole(&self, check: Option<&Check>) -> Result<(), Error> {
        let state = self.look()?;
        let epoch = state.epoch;
        let Some(expected) = state.digest().filter(|_| state.is_unpublished()) else {
            return Ok(());
        };
        drop(state);
        let digest = match check.filter(|check| check.from_first) {
            Some(check) => check.hash_now(),
            None => self.hash()?,
        };
        if digest == expected {
            Ok(())
        } else {
            self.spoil(epoch)
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

    /// Reads back what is held.
    fn hash(&self) -> Result<Digest, Error> {
        let state = self.look()?;
        let (data, length) = (state.data.clone(), state.offset);
        drop(state);
        let mut hash = Sha256::new();
        let mut buffer = vec![0; WINDOW_BYTES];
        let mut at = 0;
        while let Some(data) = data.as_ref().filter(|_| at < length) {
            let count = (length - at).min(WINDOW_BYTES as u64);
            let window = &mut buffer[..count as usize];
            self.disk().read_at(data, window, at)?;
            hash.update(&window);
            at += count;
        }
        Ok(hash.finalize().into())
    }
}

impl Check {
    fn hash_now(&self) -> Digest {
        self.hash.clone().finalize().into()
    }
}
