//! The identity of an upload: bytes that a client chose, and the key made of them. No path ever contains a byte that a client chose.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// The identity of an upload: the id that its client chose, and its owner. Both are any bytes, of any length.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id {
    /// First the owner, then the id.
    both: Arc<[u8]>,
    owner_bytes: usize,
    key: Key,
}

impl Id {
    /// Returns the upload `id` of `owner`. The owner is empty without users.
    pub fn new(owner: &[u8], id: &[u8]) -> Self {
        Self {
            both: [owner, id].concat().into(),
            owner_bytes: owner.len(),
            key: Key::of(owner, id),
        }
    }

    /// Returns the owner. Two owners may use the same id.
    pub fn owner(&self) -> &[u8] {
        &self.both[..self.owner_bytes]
    }

    /// Returns the id as its client gave it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.both[self.owner_bytes..]
    }

    /// Returns the name of the upload on the disk.
    pub fn key(&self) -> Key {
        self.key
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Id({} = {:?})",
            self.key,
            String::from_utf8_lossy(self.as_bytes())
        )
    }
}

/// The name of an upload on the disk: the first 128 bits of SHA-256(length of owner as big-endian u64, owner, id).
///
/// The length keeps (`ab`, `c`) and (`a`, `bc`) apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; KEY_BYTES]);

const KEY_BYTES: usize = 16;

impl Key {
    pub(super) fn of(owner: &[u8], id: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update((owner.len() as u64).to_be_bytes());
        hash.update(owner);
        hash.update(id);
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&hash.finalize()[..KEY_BYTES]);
        Self(key)
    }

    /// Returns the text that `Display` writes.
    pub(super) fn digits(self) -> [u8; 2 * KEY_BYTES] {
        let mut digits = [0; 2 * KEY_BYTES];
        write_hex(&self.0, &mut digits);
        digits
    }

    /// Parses the output of `Display`: exactly 32 lower-case hex digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        unhex(text).filter(|_| is_lower)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).expect(ASCII))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Returns `bytes` in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    write_hex(bytes, &mut digits);
    String::from_utf8(digits).expect(ASCII)
}

fn write_hex(bytes: &[u8], digits: &mut [u8]) {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

const ASCII: &str = "digits are ASCII";

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(nibble(high)? << 4 | nibble(low)?),
            _ => None,
        })
        .collect()
}

pub(super) fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The prefix of the names of unfinished copies.
const HIDDEN: &str = ".resumed-";

/// Returns the hidden name of the unfinished copy of the upload `key`, beside its target.
pub(super) fn hidden_name(key: Key) -> String {
    format!("{HIDDEN}{key}")
}

/// Returns whether a file of this name is an unfinished copy.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(HIDDEN.as_bytes())
}

/// Returns the name of an empty file that tests a folder. The caller removes the file at once.
pub(super) fn probe_name(key: Key) -> String {
    format!("{}-probe", hidden_name(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_published_formula() {
        // printf '\0\0\0\0\0\0\0\5alice1-2-3' | sha256sum
        assert_eq!(
            Id::new(b"alice", b"1-2-3").key().to_string(),
            "e785ea354719db26081bb90e0f231c5f"
        );
        assert_ne!(Key::of(b"ab", b"c"), Key::of(b"a", b"bc"));
    }

    #[test]
    fn only_canonical_keys_are_parsed() {
        let key = Key::of(b"", b"x");
        let text = key.to_string();
        assert_eq!(Key::parse(&text), Some(key));
        for wrong in [
            "",
            "lock",
            &text[1..],
            &format!("{text}0"),
            &text.to_uppercase(),
            &"é".repeat(16),
        ] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }
}
