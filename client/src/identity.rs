//! The id and the name of an upload. The page makes the same id, so both continue the uploads of each other.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use unicode_normalization::UnicodeNormalization;

/// The fields that each request of an upload carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Percent-encoded, as it is sent.
    pub(crate) id: String,
    /// Percent-encoded, as it is sent.
    pub(crate) name: String,
    /// Unknown for a stream before its end.
    pub(crate) size: Option<u64>,
    /// Milliseconds since 1970. The server reads no older times.
    pub(crate) modified_ms: Option<u64>,
}

impl Identity {
    /// Makes the id `name-size-lastModified`. `name` may be a path below a folder.
    pub(crate) fn of_file(name: &[u8], size: u64, modified_ms: i128) -> Identity {
        Identity {
            id: format!("{}-{size}-{modified_ms}", encoded(name)),
            name: encoded(readable(name).as_bytes()),
            size: Some(size),
            modified_ms: u64::try_from(modified_ms).ok(),
        }
    }

    /// Makes a random id: no other process can send these bytes again.
    pub(crate) fn of_stream(name: &[u8], random: [u8; 16]) -> Identity {
        Identity {
            id: format!("pipe-{:032x}", u128::from_ne_bytes(random)),
            name: encoded(readable(name).as_bytes()),
            size: None,
            modified_ms: None,
        }
    }

    /// Returns whether `path` is the declared name. The forms of Unicode do not count: the server may keep another one.
    pub(crate) fn has_name(&self, path: &str) -> bool {
        encoded(path.as_bytes()) == self.name
    }
}

/// Replaces bytes that are not UTF-8 by `%` and two digits. The server would take such a name as a whole, without its
/// folders.
fn readable(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    text
}

/// Encodes a name as `encodeURIComponent` does, after normalization to NFC: macOS decomposes names. Encodes bytes that are
/// not UTF-8 as they are.
fn encoded(name: &[u8]) -> String {
    let composed = std::str::from_utf8(name).map(|text| text.nfc().collect::<String>());
    let bytes = composed.as_deref().map_or(name, str::as_bytes);
    percent_encode(bytes, ESCAPED).to_string()
}

/// The characters that `encodeURIComponent` escapes (ECMA-262, "Encode").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_that_of_the_page() {
        // From the console of a browser: encodeURIComponent(`${name.normalize('NFC')}-${size}-${lastModified}`)
        for (name, id) in [
            ("a.txt".as_bytes(), "a.txt-5-1700000000000"),
            (b"it's (1)!*~.txt", "it's%20(1)!*~.txt-5-1700000000000"),
            ("한.mp4".as_bytes(), "%ED%95%9C.mp4-5-1700000000000"),
            (
                "\u{1112}\u{1161}\u{11ab}.mp4".as_bytes(),
                "%ED%95%9C.mp4-5-1700000000000",
            ),
            (b"trip/a.jpg", "trip%2Fa.jpg-5-1700000000000"),
            (b"caf\xe9", "caf%E9-5-1700000000000"),
        ] {
            assert_eq!(Identity::of_file(name, 5, 1_700_000_000_000).id, id);
        }
    }

    #[test]
    fn odd_bytes_of_a_name_leave_its_folder() {
        let odd = Identity::of_file(b"trip/caf\xe9", 5, 1);
        assert_eq!(
            (odd.id.as_str(), odd.name.as_str()),
            ("trip%2Fcaf%E9-5-1", "trip%2Fcaf%25E9")
        );
    }

    #[test]
    fn time_before_1970_is_in_the_id_only() {
        let old = Identity::of_file(b"a", 5, -1);
        assert_eq!((old.id.as_str(), old.modified_ms), ("a-5--1", None));
    }
}
