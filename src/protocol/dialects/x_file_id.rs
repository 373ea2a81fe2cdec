//! The dialect of the javascript.info article "Resuming file upload": `X-File-Id`.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /status`, `HEAD /status` | `200`, the count of bytes held |
//! | `POST /upload`, `X-Start-Byte: N` | `200` and the new count, or `200` and `Success COUNT`; `409` and the count if the file does not end at `N` |
//! | `DELETE /upload` | `204` |
//!
//! `X-File-Size`, `X-File-Name` (percent-encoded UTF-8) and `X-File-Modified` (ms since 1970)
//! declare the file. The article's client sends none of them, but its ids are
//! `name-size-lastModified`: an id that ends in `-<digits>-<number>` declares the same. A fraction
//! of a millisecond is dropped. A time before 1970 is ignored.

use crate::http::{Head, Response};
use crate::store::{self, AppendRequest, Completes, Crc32, Progress, Start, Tail};

use crate::protocol::command::{Command, Excess, Outcome, Question, Refusal, Target, Verb};
use crate::protocol::parse::fields::{
    bad, digits, incoming, number, sha256, single, text, whom_to_be, with_digest,
};
use crate::protocol::problem::{later, not_published};

pub(crate) const STATUS: &str = "/status";
pub(crate) const UPLOAD: &str = "/upload";

const CRC32: &str = "X-File-CRC32";
const TAIL: &str = "X-Tail-Digest";

pub(crate) fn read(head: &Head) -> Result<Command, Response> {
    let verb = match (head.path(), head.method()) {
        (STATUS, "GET" | "HEAD") => Verb::Status(Question::Tail),
        (STATUS, _) => return Err(Response::method_not_allowed("GET, HEAD")),
        (_, "POST") => read_append(head)?,
        (_, "DELETE") => Verb::Cancel,
        _ => return Err(Response::method_not_allowed("POST, DELETE")),
    };
    Ok(Command {
        target: Target::Named(id(head)?.to_vec()),
        verb,
    })
}

fn read_append(head: &Head) -> Result<Verb, Response> {
    let from_id = Declared::in_id(id(head)?);
    let intent = AppendRequest {
        length: number(head, "X-File-Size")?.or(from_id.length),
        name: single(head, "X-File-Name")?.map(text).or(from_id.name),
        modified_ms: number(head, "X-File-Modified")?.or(from_id.modified_ms),
        digest: sha256(head, "Repr-Digest")?,
        crc32: crc32(head)?,
        tail: tail(head)?,
        body_digest: sha256(head, "Content-Digest")?,
        incoming: incoming(head),
        ..AppendRequest::default()
    };
    let start = number(head, "X-Start-Byte")?.unwrap_or(0);
    Ok(Verb::Append {
        start: Start::At(start),
        intent,
        completes: Completes::AtLength,
        excess: Excess::Refused,
    })
}

pub(crate) fn reply(held: Progress, result: Result<Outcome, Refusal>) -> Response {
    match result {
        Ok(Outcome::Tail(Some(tail))) => count(held).field(TAIL, digest(tail)),
        Ok(Outcome::Tail(None) | Outcome::About(_)) => count(held),
        Ok(Outcome::Appended(finished)) if held.complete => {
            let response = with_digest(about(held, 200), finished.sha256);
            let response = match finished.is_compared {
                Some(true) => response.field(CRC32, "?1"),
                Some(false) => response.field(CRC32, "?0"),
                None => response,
            };
            response.text(format!("Success {}", held.offset))
        }
        Ok(Outcome::Appended(_)) => count(held),
        Ok(Outcome::Cancelled { .. }) => about(held, 204),
        Err(refusal) => refuse(held, refusal),
    }
}

fn refuse(held: Progress, refusal: Refusal) -> Response {
    let line = |status, line: &str| about(held, status).text(format!("{line}\n"));
    match refusal {
        Refusal::Unauthenticated => whom_to_be(line(401, "a name and a password, please")),
        Refusal::Forbidden => line(403, "you may not do that"),
        Refusal::TimedOut => line(408, "no byte came for too long; what came is kept"),
        Refusal::Malformed(reason) => line(400, reason),
        Refusal::Store(error) => match error {
            store::Error::Unknown => line(404, "there is no such upload"),
            store::Error::DigestDiffers => line(400, "the bytes do not have the digest declared"),
            store::Error::Differs(_) => line(412, &error.to_string()),
            store::Error::HookDue => {
                line(503, "the finished upload is still being handed on").field("Retry-After", "1")
            }
            store::Error::Mismatch | store::Error::Superseded => {
                about(held, 409).text(held.offset.to_string())
            }
            store::Error::LengthDiffers { declared } => line(
                400,
                &format!("this upload was declared with {declared} bytes"),
            ),
            store::Error::Overshoot { length } => line(
                400,
                &format!("that goes beyond the {length} bytes declared"),
            ),
            store::Error::TooLarge { max } => line(
                413,
                &format!("larger than the {max} bytes this server takes"),
            ),
            store::Error::FileTooLarge(_) => line(413, &error.to_string()),
            store::Error::NoSpace | store::Error::StorageFull(_) => line(507, "the disk is full"),
            store::Error::Displaced(_) => later(&error).field("Upload-Complete", "?0"),
            store::Error::NotPublished(obstacle) => {
                not_published(&obstacle).field("Upload-Complete", "?0")
            }
            store::Error::Poisoned => failed("the disk has failed"),
            store::Error::Io(_) => failed("the file cannot be written"),
        },
    }
}

fn count(held: Progress) -> Response {
    about(held, 200).text(held.offset.to_string())
}

fn about(held: Progress, status: u16) -> Response {
    Response::new(status)
        .field("Cache-Control", "no-store")
        .field("Upload-Offset", held.offset.to_string())
        .field("Upload-Complete", if held.complete { "?1" } else { "?0" })
}

/// Nothing is believed now, so no offset is told: 0 would be taken for "nothing is held". That it is not said to be
/// complete shows a page that this is no proxy's answer.
fn failed(what: &str) -> Response {
    Response::new(500)
        .field("Cache-Control", "no-store")
        .field("Upload-Complete", "?0")
        .text(format!("{what}; see the server's log\n"))
}

/// Reads `X-File-CRC32`, the CRC-32 of the whole file: `?` to request it, or eight lower-case hexadecimal digits.
fn crc32(head: &Head) -> Result<Option<Crc32>, Response> {
    let wrong = || bad("X-File-CRC32 is neither ? nor 8 lower-case hexadecimal digits");
    match single(head, CRC32)? {
        None => Ok(None),
        Some(b"?") => Ok(Some(Crc32::Asked)),
        Some(value) => match hex32(value) {
            Some(crc32) => Ok(Some(Crc32::Is(crc32))),
            None => Err(wrong()),
        },
    }
}

/// Reads `X-Tail-Digest`, the checksum of the last bytes held: `crc32=HEX; length=N`, as in the answer of `/status`.
fn tail(head: &Head) -> Result<Option<Tail>, Response> {
    let Some(value) = single(head, TAIL)? else {
        return Ok(None);
    };
    let parse = || {
        let at = value.iter().position(|byte| *byte == b';')?;
        let crc32 = hex32(value[..at].trim_ascii().strip_prefix(b"crc32=")?)?;
        let length = digits(value[at + 1..].trim_ascii().strip_prefix(b"length=")?)?;
        let is_tail = (1..=store::TAIL_BYTES).contains(&length);
        is_tail.then_some(Tail { crc32, length })
    };
    let wrong = || bad("X-Tail-Digest is not crc32=HEX; length=N, with N from 1 to 65536");
    parse().map(Some).ok_or_else(wrong)
}

/// Reads eight lower-case hexadecimal digits.
fn hex32(text: &[u8]) -> Option<u32> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = text.iter().all(is_hex).then_some(text)?;
    let text = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() == 8)?;
    u32::from_str_radix(text, 16).ok()
}

fn digest(tail: Tail) -> String {
    format!("crc32={:08x}; length={}", tail.crc32, tail.length)
}

fn id(head: &Head) -> Result<&[u8], Response> {
    match single(head, "X-File-Id")? {
        Some(id) if !id.is_empty() => Ok(id),
        _ => Err(bad("X-File-Id is missing")),
    }
}

/// The properties of a file that an id of the form `name-size-lastModified` declares. Only the time may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Declared {
    name: Option<String>,
    length: Option<u64>,
    modified_ms: Option<u64>,
}

impl Declared {
    fn in_id(id: &[u8]) -> Declared {
        Declared::split(id).unwrap_or_default()
    }

    /// Reads `name-<digits>-<number>`. The time may be short, negative or have a fraction.
    fn split(id: &[u8]) -> Option<Declared> {
        let (rest, modified) = split_at_last_dash(id)?;
        // A second dash is the sign of the time.
        let (rest, is_negative) = match rest.strip_suffix(b"-") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (name, length) = split_at_last_dash(rest)?;
        let modified_ms = digits(whole_part(modified)?);
        Some(Declared {
            name: Some(text(name)),
            length: Some(digits(length)?),
            modified_ms: if is_negative { None } else { modified_ms },
        })
    }
}

/// Returns the digits before the fraction of a decimal number; `None` if this is no decimal number.
fn whole_part(number: &[u8]) -> Option<&[u8]> {
    let is_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = number.splitn(2, |byte| *byte == b'.');
    let whole = parts.next().filter(|whole| is_digits(whole))?;
    parts.next().is_none_or(is_digits).then_some(whole)
}

fn split_at_last_dash(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let dash = bytes.iter().rposition(|byte| *byte == b'-')?;
    Some((&bytes[..dash], &bytes[dash + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(id: &[u8]) -> Option<(String, u64, Option<u64>)> {
        let Declared {
            name,
            length,
            modified_ms,
        } = Declared::in_id(id);
        assert_eq!(name.is_some(), length.is_some());
        assert!(name.is_some() || modified_ms.is_none());
        Some((name?, length?, modified_ms))
    }

    #[track_caller]
    fn check(id: &[u8], expected: Option<(&str, u64, Option<u64>)>) {
        assert_eq!(
            declared(id),
            expected.map(|(name, l, m)| (name.to_owned(), l, m)),
            "{}",
            String::from_utf8_lossy(id)
        );
    }

    #[test]
    fn id_of_the_articles_shape_declares_the_file() {
        let time = Some(1_700_000_000_000);
        for (id, name, length) in [
            (&b"a.txt-5-1700000000000"[..], "a.txt", 5),
            (b"my-file-0-1700000000000", "my-file", 0),
            (b"-5-1700000000000", "", 5),
            (b"%ED%95%9C.mp4-5-1700000000000", "한.mp4", 5),
            ("한.mp4-5-1700000000000".as_bytes(), "한.mp4", 5),
            (b"caf\xe9-5-1700000000000", "café", 5),
            (b"100%-5-1700000000000", "100%", 5),
            (b"%ff-5-1700000000000", "%ff", 5),
        ] {
            check(id, Some((name, length, time)));
        }
    }

    #[test]
    fn time_in_an_id_may_be_any_decimal_number() {
        for (time, modified_ms) in [
            ("170000000000", Some(170_000_000_000)),
            ("17000000000000", Some(17_000_000_000_000)),
            ("1000", Some(1000)),
            ("0", Some(0)),
            ("1712345678901.5", Some(1_712_345_678_901)),
            ("0.25", Some(0)),
            ("-5", None),
            ("-1700000000000", None),
            ("-0.5", None),
            ("12345678901234567890", None),
        ] {
            let id = format!("a-b.txt-3-{time}");
            check(id.as_bytes(), Some(("a-b.txt", 3, modified_ms)));
        }
    }

    #[test]
    fn any_other_id_declares_nothing() {
        for id in [
            "a.txt",
            "a-5",
            "a-x-1700000000000",
            "a--1700000000000",
            "a-5---1",
            "a-5-1.",
            "a-5-.5",
            "a-5-1.5.5",
            "a-5-+1",
            "a-5-1e3",
            "a-5-NaN",
            "a-5-",
            "a-5--",
            "a-5.0-1000",
            "a-12345678901234567890-1700000000000",
            "5-1000",
            "-",
            "--",
            "---",
            "",
        ] {
            check(id.as_bytes(), None);
        }
    }
}
