//! The framing of a body, and `Expect`. Two servers that disagree about the framing enable request smuggling, so any
//! ambiguity is refused.

use std::iter;

use super::grammar::is_token;
use super::malformed::Malformed;
use super::request_line::Version;

/// The framing of a request body (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framing {
    /// `Content-Length`, in bytes; 0 if the head has no framing field.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    /// Reads RFC 9112, sections 6.1 to 6.3. Refuses a list of equal lengths, which the RFC lets a server accept.
    pub(super) fn read<'a>(
        version: Version,
        mut lengths: impl Iterator<Item = &'a [u8]>,
        mut codings: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Framing, Malformed> {
        let (length, coding) = (lengths.next(), codings.next());
        if lengths.next().is_some() {
            return Err(Malformed::bad("more than one Content-Length"));
        }
        match (length, coding) {
            (None, None) => Ok(Framing::Length(0)),
            (Some(length), None) => decimal(length).map(Framing::Length).ok_or(BAD_LENGTH),
            (Some(_), Some(_)) => Err(Malformed::bad("Content-Length beside Transfer-Encoding")),
            (None, Some(_)) if version == Version::Http10 => {
                Err(Malformed::bad("Transfer-Encoding in HTTP/1.0"))
            }
            (None, Some(coding)) => coded(iter::once(coding).chain(codings)),
        }
    }
}

/// Reads the transfer codings. If the last one is not `chunked`, the body has no known end (RFC 9112, section 6.3).
fn coded<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Framing, Malformed> {
    let codings = values.flat_map(|value| value.split(|&byte| byte == b','));
    let (mut is_chunked, mut is_alone) = (false, true);
    for coding in codings.map(<[u8]>::trim_ascii) {
        let name = coding.split(|&byte| byte == b';').next();
        if is_chunked || !is_token(name.unwrap_or_default().trim_ascii_end()) {
            return Err(BAD_CODING);
        }
        is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        is_alone &= is_chunked;
    }
    match (is_chunked, is_alone) {
        (true, true) => Ok(Framing::Chunked),
        (true, false) => Err(UNKNOWN_CODING),
        (false, _) => Err(BAD_CODING),
    }
}

/// Returns whether the client waits for a 100 (RFC 9110, section 10.1.1). HTTP/1.0 has no expectations.
pub(super) fn expects_continue<'a>(
    version: Version,
    mut expectations: impl Iterator<Item = &'a [u8]>,
) -> Result<bool, Malformed> {
    if version == Version::Http10 {
        return Ok(false);
    }
    expectations.try_fold(false, |_, expected| {
        if expected.eq_ignore_ascii_case(b"100-continue") {
            Ok(true)
        } else {
            Err(Malformed::new(
                417,
                "the only supported expectation is 100-continue",
            ))
        }
    })
}

/// RFC 9110, section 8.6:
/// ```text
/// Content-Length = 1*DIGIT
/// ```
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

const BAD_LENGTH: Malformed = Malformed::bad("Content-Length must be a 64-bit decimal number");

const BAD_CODING: Malformed =
    Malformed::bad("Transfer-Encoding must end in chunked, once and without parameters");

const UNKNOWN_CODING: Malformed =
    Malformed::new(501, "the only supported transfer coding is chunked");
