//! Structured fields (RFC 9651): booleans and integers. A value of another type is ignored.

use crate::protocol::parse::fields::digits;

/// Parses a boolean. Ignores its parameters.
pub(crate) fn boolean(value: &[u8]) -> Option<bool> {
    match bare(value) {
        b"?1" => Some(true),
        b"?0" => Some(false),
        _ => None,
    }
}

/// Parses a non-negative integer of at most 15 digits. Ignores its parameters.
pub(crate) fn integer(value: &[u8]) -> Option<u64> {
    digits(bare(value)).filter(|_| bare(value).len() <= 15)
}

fn bare(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| *byte == b';');
    value[..end.unwrap_or(value.len())].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_and_integers_are_parsed_strictly() {
        for (text, value) in [
            ("?1", Some(true)),
            ("?0", Some(false)),
            ("?1;a=b", Some(true)),
        ] {
            assert_eq!(boolean(text.as_bytes()), value);
        }
        for text in ["true", "1", "?2", "?1, ?1", "", "?1 ?1", "\"?1\""] {
            assert_eq!(boolean(text.as_bytes()), None, "{text}");
        }
        for (text, value) in [
            ("0", 0),
            ("12; why=not", 12),
            ("999999999999999", 999_999_999_999_999),
        ] {
            assert_eq!(integer(text.as_bytes()), Some(value));
        }
        for text in ["5.0", "-1", "1, 1", "1000000000000000", "", "1e3", "\"5\""] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }
}
