//! How far an upload is hashed: what it takes to go on from there, also in another process.

use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256};

use super::id::{hex, unhex};
use super::intent::Digest;

/// The hash of the first bytes of an upload.
#[derive(Clone, Default)]
pub(super) struct Hashed {
    hash: Sha256,
    /// How many they are.
    pub(super) bytes: u64,
}

impl Hashed {
    /// Goes on with the bytes at `offset`, if those are next.
    pub(super) fn follow(&mut self, offset: u64, bytes: &[u8]) {
        if self.bytes == offset {
            self.hash.update(bytes);
            self.bytes += bytes.len() as u64;
        }
    }

    pub(super) fn digest(&self) -> Digest {
        self.hash.clone().finalize().into()
    }

    pub(super) fn text(&self) -> String {
        format!("{} {}", self.bytes, hex(&self.hash.serialize()))
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (bytes, state) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        let state = unhex(state)?;
        let hash = Sha256::deserialize(state.as_slice().try_into().ok()?).ok()?;
        let bytes = bytes.parse().ok()?;
        Some(Self { hash, bytes })
    }
}

/// How far an upload is hashed, where it is.
#[derive(Default)]
pub(super) struct Hashing {
    pub(super) now: Hashed,
    /// As of the last sync: where the file is cut back to, should one fail.
    pub(super) synced: Hashed,
    /// Of how many bytes a hash is kept on the file.
    pub(super) kept: u64,
}

impl Hashing {
    /// Goes on with bytes that were written.
    pub(super) fn follow(&mut self, offset: u64, bytes: &[u8]) {
        self.now.follow(offset, bytes);
    }

    /// How far it is now.
    pub(super) fn so_far(&self) -> Hashed {
        self.now.clone()
    }

    /// What was so far is synced.
    pub(super) fn is_synced(&mut self, hashed: Hashed) {
        self.synced = hashed;
    }

    /// The file was cut back to `length`, to where the last sync had it or beyond.
    pub(super) fn cut_back(&mut self, length: u64) {
        if self.now.bytes > length {
            self.now = self.synced.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_goes_on_where_it_was_kept() {
        for cut in [0, 1, 63, 64, 65, 200] {
            let bytes = [7; 300];
            let mut hashed = Hashed::default();
            hashed.follow(0, &bytes[..cut]);
            let mut again = Hashed::parse(hashed.text().as_bytes()).expect("kept");
            again.follow(1000, b"not next");
            again.follow(cut as u64, &bytes[cut..]);
            assert_eq!(again.digest(), Digest::from(Sha256::digest(bytes)));
        }
        for not in ["", "1", "1 ", "1 00", "x 00"] {
            assert!(Hashed::parse(not.as_bytes()).is_none(), "{not}");
        }
    }
}
