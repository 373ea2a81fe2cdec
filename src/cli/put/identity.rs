//! What the server knows a file by: the same id as the page's, so that either carries on what the other began.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use unicode_normalization::UnicodeNormalization;

/// What is said of an upload with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Percent-encoded, as it is sent.
    pub(super) id: String,
    /// Percent-encoded, as it is sent.
    pub(super) name: String,
    /// Not known of a pipe before its end.
    pub(super) size: Option<u64>,
    /// Milliseconds since 1970. The server reads no older times.
    pub(super) modified_ms: Option<u64>,
}

impl Identity {
    /// `name-size-lastModified`, as in the article. Below a folder, the name is the path from there.
    pub(super) fn of_file(name: &[u8], size: u64, modified_ms: i128) -> Identity {
        let name = encoded(name);
        Identity {
            id: format!("{name}-{size}-{modified_ms}"),
            name,
            size: Some(size),
            modified_ms: u64::try_from(modified_ms).ok(),
        }
    }

    /// Of bytes that nobody can send again: an id that nobody else has.
    pub(super) fn of_pipe(name: &[u8], random: [u8; 16]) -> Identity {
        Identity {
            id: format!("pipe-{:032x}", u128::from_ne_bytes(random)),
            name: encoded(name),
            size: None,
            modified_ms: None,
        }
    }
}

/// As `encodeURIComponent` does it, after macOS's names, which are taken apart, were put together (NFC). What is not
/// UTF-8 is encoded as it stands.
fn encoded(name: &[u8]) -> String {
    let composed = std::str::from_utf8(name).map(|text| text.nfc().collect::<String>());
    let bytes = composed.as_deref().map_or(name, str::as_bytes);
    percent_encode(bytes, ESCAPED).to_string()
}

/// What `encodeURIComponent` does not leave alone (ECMA-262, "Encode").
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
    fn ids_are_the_pages() {
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
    fn a_time_before_1970_is_part_of_the_id_only() {
        let old = Identity::of_file(b"a", 5, -1);
        assert_eq!((old.id.as_str(), old.modified_ms), ("a-5--1", None));
    }
}
