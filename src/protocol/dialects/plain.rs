//! The dialect of clients that know HTTP and nothing more: `curl -T`, and scripts.
//!
//! | request | answer |
//! | --- | --- |
//! | `PUT /files/NAME` | `201` when all of it came; `409` if some of it is held from before |
//! | `PUT /files/NAME`, `Content-Range: bytes N-M/TOTAL` (`curl -C N -T`) | `201`, or `308` and `Range: bytes=0-M` while more is to come; `409` if the file does not end at `N` |
//! | `PUT /files/NAME`, `Content-Range: bytes */TOTAL` | `308` and `Range: bytes=0-M` (none, where nothing is held), or `200` |
//! | `HEAD /files/NAME` | `200`, `Content-Length` is what is held; `404` |
//! | `PATCH /files/NAME`, `X-Update-Range: append` or `bytes=N-M` | `204`; `200` or `201` when that was all |
//! | `DELETE /files/NAME` | `204`; what is held is gone, a finished file stays |
//!
//! The name is the id. A whole file may be put under the name of one that is finished: that begins
//! another upload, and what happens to a taken name is a setting. A `PUT` without a range never
//! continues: who repeats it may have another file in hand.
//!
//! What is appended with `X-Update-Range` has no end of its own: `X-File-Size: TOTAL` or
//! `Upload-Complete: ?1` says where it is. Until then the file is not among the finished ones.
//!
//! Not spoken: ranges in another order than that of their bytes, and changes inside of what is
//! held (a file here ends where it ends); `GET` (there are no downloads).

use crate::http::{Head, Response};
use crate::store::{self, AppendRequest, BodyLength, Completes, Finished, Progress, Start};

use crate::protocol::command::{Command, Excess, Outcome, Question, Refusal, Target, Verb};
use crate::protocol::parse::fields::{
    bad, digits, incoming, number, sha256, single, utf8_or_latin1, whom_to_be, with_digest,
};
use crate::protocol::parse::filename;
use crate::protocol::parse::structured::boolean;
use crate::protocol::parse::target::Place;
use crate::protocol::problem::{later, not_published};

/// What of a request decides how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Head,
    Put,
    /// Anything else.
    Other,
}

/// Whether a request is meant for this dialect.
pub(crate) fn is_meant(head: &Head) -> bool {
    head.fields_named("X-Update-Range").next().is_some()
}

impl Said {
    pub(crate) fn in_head(head: &Head) -> Said {
        match head.method() {
            "HEAD" => Said::Head,
            "PUT" => Said::Put,
            _ => Said::Other,
        }
    }
}

pub(crate) fn read(head: &Head) -> Result<Command, Response> {
    let name = match Place::of(head) {
        Some(Place::One(name)) => name,
        Some(Place::All) => return Err(bad("a name, please: PUT /files/NAME")),
        Some(Place::Nested) | None => return Err(bad("files lie side by side: a name has no /")),
    };
    let (target, verb) = match head.method() {
        "PUT" => read_put(head, name)?,
        "PATCH" => {
            let verb = read_patch(head, &name)?;
            (Target::Named(name), verb)
        }
        "HEAD" => (Target::Named(name), Verb::Status(Question::About)),
        "DELETE" => (Target::Named(name), Verb::Cancel),
        _ => {
            return Err(Response::method_not_allowed(
                "HEAD, PUT, PATCH, DELETE, OPTIONS",
            ));
        }
    };
    Ok(Command { target, verb })
}

fn read_put(head: &Head, name: Vec<u8>) -> Result<(Target, Verb), Response> {
    let intent = body(head, &name)?;
    let Some(range) = single(head, "Content-Range")? else {
        let length = match intent.incoming {
            BodyLength::Nothing => Some(0),
            BodyLength::Exactly(bytes) => Some(bytes),
            BodyLength::Unknown => None,
        };
        let intent = AppendRequest { length, ..intent };
        let verb = appending(Start::At(0), intent, Completes::AtEnd);
        return Ok((Target::Anew(name), verb));
    };
    match ContentRange::parse(range) {
        Some(ContentRange::Unsatisfied) if intent.incoming == BodyLength::Nothing => {
            Ok((Target::Named(name), Verb::Status(Question::About)))
        }
        Some(ContentRange::Part { first, last, total }) if fits(first, last, intent.incoming) => {
            let intent = AppendRequest {
                length: total,
                ..intent
            };
            let verb = appending(Start::At(first), intent, Completes::AtLength);
            let target = match first {
                0 => Target::Anew(name),
                _ => Target::Named(name),
            };
            Ok((target, verb))
        }
        Some(_) => Err(bad("Content-Range does not say what comes")),
        None => Err(bad("Content-Range is not bytes N-M/TOTAL or bytes */TOTAL")),
    }
}

fn read_patch(head: &Head, name: &[u8]) -> Result<Verb, Response> {
    let intent = body(head, name)?;
    let range = single(head, "X-Update-Range")?.unwrap_or_default();
    let start = match update_range(range) {
        Some((start, None)) => start,
        Some((Start::At(first), Some(last))) if fits(first, last, intent.incoming) => {
            Start::At(first)
        }
        _ => {
            return Err(bad(
                "X-Update-Range is not append or bytes=N-M, where M is the last that comes",
            ));
        }
    };
    let completes = match head.field("Upload-Complete").and_then(boolean) {
        Some(true) => Completes::AtEnd,
        Some(false) | None => Completes::AtLength,
    };
    let length = number(head, "X-File-Size")?;
    Ok(appending(
        start,
        AppendRequest { length, ..intent },
        completes,
    ))
}

fn appending(start: Start, intent: AppendRequest, completes: Completes) -> Verb {
    Verb::Append {
        start,
        intent,
        completes,
        excess: Excess::Refused,
    }
}

/// What a request says of the bytes that it brings.
fn body(head: &Head, name: &[u8]) -> Result<AppendRequest, Response> {
    Ok(AppendRequest {
        name: Some(filename::flat(&utf8_or_latin1(name))),
        digest: sha256(head, "Repr-Digest")?,
        body_digest: sha256(head, "Content-Digest")?,
        incoming: incoming(head),
        ..AppendRequest::default()
    })
}

fn fits(first: u64, last: u64, incoming: BodyLength) -> bool {
    match incoming {
        BodyLength::Nothing => false,
        BodyLength::Exactly(bytes) => last.checked_sub(first) == bytes.checked_sub(1),
        BodyLength::Unknown => first <= last,
    }
}

/// `Content-Range` (RFC 9110, section 14.4).
#[derive(Debug, PartialEq, Eq)]
enum ContentRange {
    /// `bytes N-M/TOTAL`, or `*` for a total that is not known.
    Part {
        first: u64,
        last: u64,
        total: Option<u64>,
    },
    /// `bytes */TOTAL`: of what is held, not of what comes.
    Unsatisfied,
}

impl ContentRange {
    fn parse(value: &[u8]) -> Option<ContentRange> {
        let (unit, range) = value.split_at_checked(6)?;
        let slash = range.iter().position(|byte| *byte == b'/')?;
        let (part, total) = (&range[..slash], &range[slash + 1..]);
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        if part == b"*" {
            return digits(total).map(|_| ContentRange::Unsatisfied);
        }
        let (first, last) = pair(part)?;
        let (last, total) = match total {
            b"*" => (last?, None),
            total => (last?, Some(digits(total)?)),
        };
        let is_within = first <= last && total.is_none_or(|total| last < total);
        is_within.then_some(ContentRange::Part { first, last, total })
    }
}

fn update_range(value: &[u8]) -> Option<(Start, Option<u64>)> {
    if value == b"append" {
        return Some((Start::End, None));
    }
    let (first, last) = pair(value.strip_prefix(b"bytes=")?)?;
    Some((Start::At(first), last))
}

/// `N-M` or `N-`
fn pair(text: &[u8]) -> Option<(u64, Option<u64>)> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let first = digits(&text[..dash])?;
    match &text[dash + 1..] {
        b"" => Some((first, None)),
        last => Some((first, Some(digits(last)?))),
    }
}

pub(crate) fn reply(said: Said, held: Progress, result: Result<Outcome, Refusal>) -> Response {
    match result {
        Ok(Outcome::About(None)) if said != Said::Put => refuse(held, store::Error::Unknown.into()),
        Ok(Outcome::About(_) | Outcome::Tail(_)) => tell(said, held),
        Ok(Outcome::Appended(finished)) => appended(said, held, &finished),
        Ok(Outcome::Cancelled { was_known: true }) => about(held, 204),
        Ok(Outcome::Cancelled { was_known: false }) => refuse(held, store::Error::Unknown.into()),
        Err(refusal) => refuse(held, refusal),
    }
}

fn tell(said: Said, held: Progress) -> Response {
    match said {
        Said::Put if !held.complete => more(held),
        Said::Put | Said::Other => about(held, 200),
        Said::Head => about(held, 200).standing_for(held.offset),
    }
}

fn appended(said: Said, held: Progress, finished: &Finished) -> Response {
    let complete = |status| with_digest(about(held, status), finished.sha256);
    match (said, held.complete) {
        (_, true) if finished.published.is_some() => complete(201),
        (_, true) => complete(200),
        (Said::Put, false) => more(held),
        (Said::Head | Said::Other, false) => about(held, 204),
    }
}

/// So much is held, more is to come: said as stores of objects say it.
fn more(held: Progress) -> Response {
    let response = about(held, 308);
    match held.offset.checked_sub(1) {
        Some(last) => response.field("Range", format!("bytes=0-{last}")),
        None => response,
    }
}

fn refuse(held: Progress, refusal: Refusal) -> Response {
    let line = |status| about(held, status).text(refusal.line());
    match &refusal {
        Refusal::Unauthenticated => whom_to_be(line(401)),
        Refusal::Forbidden => line(403),
        Refusal::TimedOut => line(408),
        Refusal::Malformed(_) => line(400),
        Refusal::Store(error) => match error {
            store::Error::Unknown => line(404),
            store::Error::Mismatch | store::Error::Superseded | store::Error::Overshoot { .. } => {
                about(held, 409).text(way_on(held))
            }
            store::Error::LengthDiffers { declared } => about(held, 409).text(format!(
                "{} of {declared} bytes of this file are held: curl -X DELETE forgets them\n",
                held.offset
            )),
            store::Error::DigestDiffers => line(400),
            store::Error::Differs(_) => line(412),
            store::Error::TooLarge { .. } | store::Error::FileTooLarge(_) => line(413),
            store::Error::HookDue => line(503).field("Retry-After", "1"),
            store::Error::Displaced(_) => later(error),
            store::Error::NotPublished(obstacle) => not_published(obstacle),
            store::Error::NoSpace | store::Error::StorageFull(_) => line(507),
            // Nothing is believed now: no offset is told.
            store::Error::Poisoned | store::Error::Io(_) => Response::new(500).text(refusal.line()),
        },
    }
}

/// Who is refused here sits before a terminal, and wants to know what to type.
fn way_on(held: Progress) -> String {
    match held {
        Progress { complete: true, .. } => "this file is complete\n".to_owned(),
        Progress { offset: 0, .. } => "nothing of this file is held: begin at 0\n".to_owned(),
        Progress { offset, .. } => format!(
            "{offset} bytes of this file are held: curl -C {offset} -T FILE sends the rest of it, \
             curl -X DELETE forgets them\n"
        ),
    }
}

fn about(held: Progress, status: u16) -> Response {
    Response::new(status)
        .field("Cache-Control", "no-store")
        .field("Upload-Offset", held.offset.to_string())
        .field("Upload-Complete", if held.complete { "?1" } else { "?0" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_or_it_is_none() {
        let part = |first, last, total| Some(ContentRange::Part { first, last, total });
        for (text, range) in [
            ("bytes 0-0/1", part(0, 0, Some(1))),
            ("Bytes 5-9/10", part(5, 9, Some(10))),
            ("bytes 5-9/*", part(5, 9, None)),
            ("bytes */10", Some(ContentRange::Unsatisfied)),
            ("bytes 5-9/9", None),
            ("bytes 9-5/10", None),
            ("bytes 5-/10", None),
            ("bytes -5/10", None),
            ("bytes */*", None),
            ("bytes 5-9", None),
            ("bytes=5-9/10", None),
            ("lines 5-9/10", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(text.as_bytes()), range, "{text}");
        }
    }

    #[test]
    fn an_update_range_is_read_or_it_is_none() {
        for (text, range) in [
            ("append", Some((Start::End, None))),
            ("bytes=5-9", Some((Start::At(5), Some(9)))),
            ("bytes=5-", Some((Start::At(5), None))),
            ("bytes=-5", None),
            ("bytes 5-9", None),
            ("Append", None),
            ("", None),
        ] {
            assert_eq!(update_range(text.as_bytes()), range, "{text}");
        }
    }
}
