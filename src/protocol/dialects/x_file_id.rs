//! The dialect of the javascript.info article "Resuming file upload": `X-File-Id`.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /status`, `HEAD /status` | `200`, the offset |
//! | `POST /upload`, `X-Start-Byte: N` | `200` and the new offset, or `200` and `Success LENGTH`; `409` and the offset if it is not `N` |
//! | `DELETE /upload` | `204` |
//!
//! `X-File-Size`, `X-File-Name` (percent-encoded UTF-8) and `X-File-Modified` (ms since 1970)
//! declare the file. The article's client sends none of them, but its ids are
//! `name-size-lastModified`: an id that ends in `-<digits>-<number>` declares the same. A fraction
//! of a millisecond is dropped. A time before 1970 is ignored.

use crate::http::{Head, Response};
use crate::store::{self, AppendRequest, Completes, Crc32, FileInfo, Progress, Start, Tail};

use crate::protocol::command::{AppendCommand, Command, Operation, Outcome, StatusQuery, Target};
use crate::protocol::parse::fields::{bad_request, common, digits, number, single, text};
use crate::protocol::refusal::{Refusal, method_not_allowed};
use crate::protocol::reply::{with_complete, with_digest, with_progress};

pub(crate) const STATUS: &str = "/status";
pub(crate) const UPLOAD: &str = "/upload";

const CRC32: &str = "X-File-CRC32";
const TAIL: &str = "X-Tail-Digest";

pub(crate) fn read(head: &Head) -> Result<Command, Response> {
    let operation = match (head.path(), head.method()) {
        (STATUS, "GET" | "HEAD") => Operation::Status(StatusQuery {
            fence: false,
            tail: true,
        }),
        (STATUS, _) => return Err(method_not_allowed("GET, HEAD")),
        (_, "POST") => Operation::Append(read_append(head)?),
        (_, "DELETE") => Operation::Cancel,
        _ => return Err(method_not_allowed("POST, DELETE")),
    };
    Ok(Command {
        target: Target::Id(id(head)?.to_vec()),
        operation,
    })
}

fn read_append(head: &Head) -> Result<AppendCommand, Response> {
    let from_id = FromId::in_id(id(head)?);
    let name = single(head, "X-File-Name")?.map(text).or(from_id.name);
    Ok(AppendCommand {
        start: Start::At(number(head, "X-Start-Byte")?.unwrap_or(0)),
        request: AppendRequest {
            length: number(head, "X-File-Size")?.or(from_id.length),
            file: FileInfo {
                name: name.map(Into::into),
                modified_ms: number(head, "X-File-Modified")?.or(from_id.modified_ms),
                metadata: None,
            },
            crc32: crc32(head)?,
            tail: tail(head)?,
            ..common(head)?
        },
        completes: Completes::AtLength,
        discard_on_overflow: false,
    })
}

pub(crate) fn reply(progress: Progress, result: Result<Outcome, Refusal>) -> Response {
    let count = |response| with_progress(response, progress).text(progress.offset.to_string());
    match result {
        Ok(Outcome::Tail(Some(tail))) => count(Response::new(200)).field(TAIL, digest(tail)),
        Ok(Outcome::Tail(None) | Outcome::Info(_)) => count(Response::new(200)),
        Ok(Outcome::Appended(finished)) if progress.complete => {
            let response =
                with_digest(with_progress(Response::new(200), progress), finished.sha256);
            let response = match finished.is_compared {
                Some(true) => response.field(CRC32, "?1"),
                Some(false) => response.field(CRC32, "?0"),
                None => response,
            };
            response.text(format!("Success {}", progress.offset))
        }
        Ok(Outcome::Appended(_)) => count(Response::new(200)),
        Ok(Outcome::Cancelled { .. }) => with_progress(Response::new(204), progress),
        Err(refusal @ Refusal::Store(store::Error::Mismatch | store::Error::Superseded)) => {
            count(refusal.respond(409))
        }
        Err(refusal) if refusal.may_state_offset() => with_progress(refusal.response(), progress),
        // The page takes a refusal without `Upload-Complete` for the response of a proxy.
        Err(refusal) => with_complete(refusal.response(), false),
    }
}

/// Reads `X-File-CRC32`, the CRC-32 of the whole file: `?` to request it, or eight lower-case hexadecimal digits.
fn crc32(head: &Head) -> Result<Option<Crc32>, Response> {
    let wrong = || bad_request("X-File-CRC32 is neither ? nor 8 lower-case hexadecimal digits");
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
    let wrong = || bad_request("X-Tail-Digest is not crc32=HEX; length=N, with N from 1 to 65536");
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
        _ => Err(bad_request("X-File-Id is missing")),
    }
}

/// The declarations in an id of the form `name-size-lastModified`. Only the time may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
struct FromId {
    name: Option<String>,
    length: Option<u64>,
    modified_ms: Option<u64>,
}

impl FromId {
    fn in_id(id: &[u8]) -> FromId {
        FromId::split(id).unwrap_or_default()
    }

    /// Reads `name-<digits>-<number>`. The time may be short, negative or have a fraction.
    fn split(id: &[u8]) -> Option<FromId> {
        let (rest, modified) = split_at_last_dash(id)?;
        // A second dash is the sign of the time.
        let (rest, is_negative) = match rest.strip_suffix(b"-") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (name, length) = split_at_last_dash(rest)?;
        let modified_ms = digits(whole_part(modified)?);
        Some(FromId {
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
        let FromId {
            name,
            length,
            modified_ms,
        } = FromId::in_id(id);
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
