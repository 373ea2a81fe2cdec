//! Request fields that several dialects read.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::Engine;

use crate::http::{Framing, Head, Problem, Response};
use crate::store::{AppendRequest, BodyLength, Digest};

/// The maximum number of digits of an offset, length or time: each such number fits into `u64`.
const DIGITS_MAX: usize = 19;

/// Base64 with or without padding: clients differ.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn bad_request(line: &str) -> Response {
    Problem::BadRequest.response(400).text(format!("{line}\n"))
}

pub(crate) fn body_length(head: &Head) -> BodyLength {
    match head.framing() {
        Framing::Length(0) => BodyLength::Nothing,
        Framing::Length(length) => BodyLength::Exactly(length),
        Framing::Chunked => BodyLength::Unknown,
    }
}

/// Returns an append with the declarations that have the same fields in each dialect: the digests and the body length.
pub(crate) fn common(head: &Head) -> Result<AppendRequest, Response> {
    Ok(AppendRequest {
        digest: sha256(head, "Repr-Digest")?,
        body_digest: sha256(head, "Content-Digest")?,
        body_length: body_length(head),
        ..AppendRequest::default()
    })
}

/// Returns the value of a field that may occur once.
///
/// # Errors
/// A 400 if it occurs more often.
pub(crate) fn single<'h>(head: &'h Head, name: &str) -> Result<Option<&'h [u8]>, Response> {
    let mut values = head.fields_named(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(bad_request(&format!("{name} occurs more than once"))),
    }
}

/// Returns the number in a field of 1 to 19 digits.
pub(crate) fn number(head: &Head, name: &str) -> Result<Option<u64>, Response> {
    let Some(value) = single(head, name)? else {
        return Ok(None);
    };
    digits(value)
        .map(Some)
        .ok_or_else(|| bad_request(&format!("{name} must be 1 to {DIGITS_MAX} digits")))
}

pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
    let all_digits = bytes.iter().all(u8::is_ascii_digit);
    let fits = (1..=DIGITS_MAX).contains(&bytes.len());
    (all_digits && fits).then(|| {
        bytes
            .iter()
            .fold(0, |sum, b| sum * 10 + u64::from(b - b'0'))
    })
}

/// Returns the media type of the body in lower case, without parameters.
pub(crate) fn media_type(head: &Head) -> Option<String> {
    let value = std::str::from_utf8(head.field("Content-Type")?).ok()?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// Returns the SHA-256 in `Content-Digest` or `Repr-Digest` (RFC 9530): `sha-256=:BASE64:`. Ignores other algorithms.
fn sha256(head: &Head, name: &str) -> Result<Option<Digest>, Response> {
    for value in head.fields_named(name) {
        for member in value.split(|byte| *byte == b',') {
            let Some(digest) = member.trim_ascii().strip_prefix(b"sha-256=") else {
                continue;
            };
            let digest = digest.strip_prefix(b":").and_then(|d| d.strip_suffix(b":"));
            let digest = digest.and_then(base64).and_then(|d| d.try_into().ok());
            let wrong = || bad_request(&format!("{name} must be sha-256=:BASE64:"));
            return digest.map(Some).ok_or_else(wrong);
        }
    }
    Ok(None)
}

pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Decodes a name: percent-encoded UTF-8, else UTF-8, else Latin-1 (as a browser sends `é` in a field).
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(percent_decoded(bytes)).unwrap_or_else(|_| utf8_or_latin1(bytes))
}

pub(crate) fn utf8_or_latin1(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec())
        .unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// Decodes percent-encoding. Bytes outside an escape stay.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_1_to_19_digits() {
        assert_eq!(digits(b"0"), Some(0));
        assert_eq!(
            digits(b"9999999999999999999"),
            Some(9_999_999_999_999_999_999)
        );
        for not in [
            "",
            "-1",
            "+1",
            " 1",
            "1e3",
            "0x10",
            "NaN",
            "12345678901234567890",
        ] {
            assert_eq!(digits(not.as_bytes()), None, "{not:?}");
        }
    }
}
