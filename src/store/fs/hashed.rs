//! The hash states of an upload, one for each algorithm. Another process can continue from them.

use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256};

use crate::store::id::{hex, unhex};

/// A SHA-256.
pub type Digest = [u8; 32];

/// The CRC-32 (as in zip and Ethernet) of a whole upload: requested or declared by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crc32 {
    /// The server computes it from now on, so that a later request can compare it.
    Asked,
    /// The upload must have this value.
    Is(u32),
}

impl Crc32 {
    pub(crate) fn value(self) -> Option<u32> {
        match self {
            Self::Asked => None,
            Self::Is(crc32) => Some(crc32),
        }
    }
}

/// A hash algorithm by which a whole upload can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Crc32,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 2] = [Self::Sha256, Self::Crc32];

    /// Returns the extended attribute that stores the hash state of a data file. The number is its format version.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Sha256 => "user.resumed.sha256.1",
            Self::Crc32 => "user.resumed.crc32.1",
        }
    }
}

#[derive(Clone)]
enum Hash {
    Sha256(Sha256),
    Crc32(crc32fast::Hasher),
}

/// The hash of the first bytes of an upload.
#[derive(Clone)]
pub(crate) struct Hashed {
    hash: Hash,
    /// The number of hashed bytes.
    pub(crate) bytes: u64,
}

impl Hashed {
    /// Returns the hash state of zero bytes.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let hash = match algorithm {
            Algorithm::Sha256 => Hash::Sha256(Sha256::default()),
            Algorithm::Crc32 => Hash::Crc32(crc32fast::Hasher::default()),
        };
        Self { hash, bytes: 0 }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.hash {
            Hash::Sha256(_) => Algorithm::Sha256,
            Hash::Crc32(_) => Algorithm::Crc32,
        }
    }

    /// Hashes the part of `bytes`, at `offset`, that follows the bytes hashed so far.
    pub(crate) fn follow(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.bytes.checked_sub(offset);
        let known = known.and_then(|known| usize::try_from(known).ok());
        let Some(next) = known.and_then(|known| bytes.get(known..)) else {
            return;
        };
        match &mut self.hash {
            Hash::Sha256(hash) => hash.update(next),
            Hash::Crc32(hash) => hash.update(next),
        }
        self.bytes += next.len() as u64;
    }

    pub(crate) fn text(&self) -> String {
        let state = match &self.hash {
            Hash::Sha256(hash) => hex(&hash.serialize()),
            Hash::Crc32(hash) => hex(&hash.clone().finalize().to_be_bytes()),
        };
        format!("{} {state}", self.bytes)
    }

    pub(crate) fn parse(algorithm: Algorithm, text: &[u8]) -> Option<Self> {
        let (bytes, state) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        let bytes = bytes.parse().ok()?;
        let state = unhex(state)?;
        let state = state.as_slice();
        let hash = match algorithm {
            Algorithm::Sha256 => Hash::Sha256(Sha256::deserialize(state.try_into().ok()?).ok()?),
            Algorithm::Crc32 => {
                let crc32 = u32::from_be_bytes(state.try_into().ok()?);
                Hash::Crc32(crc32fast::Hasher::new_with_initial_len(crc32, bytes))
            }
        };
        Some(Self { hash, bytes })
    }
}

/// The hash state of the first bytes of an upload, for each algorithm in use. Their lengths may differ.
#[derive(Clone, Default)]
pub(crate) struct Checksums([Option<Hashed>; Algorithm::ALL.len()]);

impl Checksums {
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&Hashed> {
        self.0[algorithm as usize].as_ref()
    }

    fn set(&mut self, hashed: Hashed) {
        let index = hashed.algorithm() as usize;
        self.0[index] = Some(hashed);
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = &Hashed> {
        self.0.iter().flatten()
    }

    pub(crate) fn follow(&mut self, offset: u64, bytes: &[u8]) {
        let each = self.0.iter_mut().flatten();
        each.for_each(|hashed| hashed.follow(offset, bytes));
    }

    /// Returns the number of bytes that every algorithm has hashed; `None` if no algorithm is in use.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.each().map(|hashed| hashed.bytes).min()
    }

    pub(crate) fn sha256(&self) -> Option<Digest> {
        match &self.of(Algorithm::Sha256)?.hash {
            Hash::Sha256(hash) => Some(hash.clone().finalize().into()),
            Hash::Crc32(_) => None,
        }
    }

    pub(crate) fn crc32(&self) -> Option<u32> {
        match &self.of(Algorithm::Crc32)?.hash {
            Hash::Crc32(hash) => Some(hash.clone().finalize()),
            Hash::Sha256(_) => None,
        }
    }
}

/// The hash states of an upload: now, at the last sync, and on the disk.
#[derive(Default)]
pub(crate) struct Hashing {
    pub(crate) now: Checksums,
    /// The states at the last sync. After a failed sync the file is truncated to there.
    pub(crate) synced: Checksums,
    /// The numbers of bytes in the states stored on the file.
    kept: [u64; Algorithm::ALL.len()],
}

impl Hashing {
    /// Adds an algorithm, and continues from the state stored on the file.
    pub(crate) fn begin(&mut self, kept: Hashed) {
        self.kept[kept.algorithm() as usize] = kept.bytes;
        self.synced.set(kept.clone());
        self.now.set(kept);
    }

    /// Returns the states of the same algorithms at the first byte.
    pub(crate) fn anew(&self) -> Self {
        let mut anew = Self::default();
        let each = self.now.each().map(Hashed::algorithm);
        each.for_each(|algorithm| anew.begin(Hashed::new(algorithm)));
        anew
    }

    pub(crate) fn follow(&mut self, offset: u64, bytes: &[u8]) {
        self.now.follow(offset, bytes);
    }

    /// Notes that the bytes of these states are synced.
    pub(crate) fn is_synced(&mut self, so_far: Checksums) {
        for hashed in so_far.0.into_iter().flatten() {
            self.synced.set(hashed);
        }
    }

    /// Notes that the file was truncated to `length`, which is at least the synced length.
    pub(crate) fn truncated_to(&mut self, length: u64) {
        for hashed in self.synced.each() {
            let is_ahead = |now: &Hashed| now.bytes > length;
            if self.now.of(hashed.algorithm()).is_some_and(is_ahead) {
                self.now.set(hashed.clone());
            }
        }
    }

    /// Stores the hash state on the file, if it covers more bytes than the stored one. Unsynced bytes count only with
    /// `--sync fast`.
    pub(crate) fn keep<E>(
        &mut self,
        is_all_synced: bool,
        mut keep: impl FnMut(&Hashed) -> Result<(), E>,
    ) -> Result<(), E> {
        let sure = if is_all_synced {
            &self.now
        } else {
            &self.synced
        };
        for hashed in sure.each() {
            let kept = &mut self.kept[hashed.algorithm() as usize];
            if hashed.bytes > *kept {
                keep(hashed)?;
                *kept = hashed.bytes;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(hashed: &Hashed) -> (Option<Digest>, Option<u32>) {
        let mut progress = Checksums::default();
        progress.set(hashed.clone());
        (progress.sha256(), progress.crc32())
    }

    #[test]
    fn hash_continues_from_its_stored_state() {
        let bytes: Vec<u8> = (0..300_u16).map(|at| at as u8).collect();
        let expected = [
            (Some(Digest::from(Sha256::digest(&bytes))), None),
            (None, Some(crc32fast::hash(&bytes))),
        ];
        for (algorithm, expected) in Algorithm::ALL.into_iter().zip(expected) {
            for cut in [0, 1, 63, 64, 65, 200] {
                let mut hashed = Hashed::new(algorithm);
                hashed.follow(0, &bytes[..cut]);
                let kept = hashed.text();
                let mut again = Hashed::parse(algorithm, kept.as_bytes()).expect("kept");
                again.follow(1000, b"not next");
                again.follow(0, &bytes[..cut / 2]);
                again.follow(cut as u64 / 2, &bytes[cut / 2..]);
                assert_eq!(digests(&again), expected, "{algorithm:?} at {cut}");
            }
            for not in ["", "1", "1 ", "1 00", "x 00", "x 00000000"] {
                assert!(Hashed::parse(algorithm, not.as_bytes()).is_none(), "{not}");
            }
        }
    }

    #[test]
    fn truncation_leaves_synced_bytes_hashed() {
        let mut hashing = Hashing::default();
        hashing.begin(Hashed::new(Algorithm::Sha256));
        hashing.follow(0, b"abc");
        hashing.is_synced(hashing.now.clone());
        // The second algorithm starts with fewer bytes than the first, and no sync follows.
        hashing.begin(Hashed::new(Algorithm::Crc32));
        hashing.follow(0, b"abc");
        hashing.follow(3, b"def");
        hashing.truncated_to(3);
        assert_eq!(hashing.now.sha256(), Some(Sha256::digest("abc").into()));
        assert_eq!(hashing.now.bytes(), Some(0));
        hashing.follow(0, b"abc");
        hashing.follow(3, b"xyz");
        assert_eq!(hashing.now.crc32(), Some(crc32fast::hash(b"abcxyz")));
        let sha256 = Sha256::digest("abcxyz").into();
        assert_eq!(hashing.now.sha256(), Some(sha256));
    }
}
