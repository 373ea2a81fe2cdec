//! The dialect of clients that know HTTP and nothing more: `curl -T`, and scripts.
//!
//! | request | answer |
//! | --- | --- |
//! | `PUT /files/NAME` | `201`; `409` if an earlier request left a part of it |
//! | `PUT /files/NAME`, `Content-Range: bytes N-M/TOTAL` (`curl -C N -T`) | `201`, or `308` and `Range: bytes=0-M` before the last part; `409` if the offset is not `N` |
//! | `PUT /files/NAME`, `Content-Range: bytes */TOTAL` | `308` and `Range: bytes=0-M` (none at offset 0), or `200` |
//! | `HEAD /files/NAME` | `200`, `Content-Length` is the offset; `404` |
//! | `PATCH /files/NAME`, `X-Update-Range: append` or `bytes=N-M` | `204`; `200` or `201` if that completes the upload |
//! | `DELETE /files/NAME` | `204`; removes a partial upload, not a complete file |
//!
//! The name is the id. A `PUT` of a whole file under the name of a complete upload begins another upload; a setting
//! decides about a name that is taken. A `PUT` without a range never continues a partial upload: the client may send
//! another file.
//!
//! An append with `X-Update-Range` does not end the upload. `X-File-Size: TOTAL` or `Upload-Complete: ?1` gives its
//! length.
//!
//! Not supported: ranges out of order, changes to received bytes, and `GET` (the server has no downloads).

use crate::http::{Head, Response};
use crate::store::{
    self, AppendRequest, BodyLength, Completes, FileInfo, Finished, Progress, Size, Start,
};

use crate::protocol::command::{AppendCommand, Command, Operation, Outcome, StatusQuery, Target};
use crate::protocol::parse::fields::{
    bad_request, body_length, common, digits, number, single, utf8_or_latin1,
};
use crate::protocol::parse::filename;
use crate::protocol::parse::files_path::FilesPath;
use crate::protocol::parse::structured::boolean;
use crate::protocol::refusal::{Refusal, method_not_allowed};
use crate::protocol::reply::{with_digest, with_progress};

/// The method of a request, as far as the reply depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Head,
    Put,
    Other,
}

pub(crate) fn is_named(head: &Head) -> bool {
    head.fields_named("X-Update-Range").next().is_some()
}

impl Method {
    pub(crate) fn of(head: &Head) -> Method {
        match head.method() {
            "HEAD" => Method::Head,
            "PUT" => Method::Put,
            _ => Method::Other,
        }
    }
}

pub(crate) fn read(head: &Head) -> Result<Command, Response> {
    let name = match FilesPath::of(head) {
        Some(FilesPath::Upload(name)) => name,
        Some(FilesPath::Collection) => {
            return Err(bad_request("the name is missing: PUT /files/NAME"));
        }
        Some(FilesPath::Nested) | None => return Err(bad_request("a name must not contain /")),
    };
    let (target, operation) = match head.method() {
        "PUT" => read_put(head, name)?,
        "PATCH" => {
            let operation = read_patch(head, &name)?;
            (Target::Id(name), operation)
        }
        "HEAD" => (Target::Id(name), INFO),
        "DELETE" => (Target::Id(name), Operation::Cancel),
        _ => {
            return Err(method_not_allowed("HEAD, PUT, PATCH, DELETE, OPTIONS"));
        }
    };
    Ok(Command { target, operation })
}

const INFO: Operation = Operation::Status(StatusQuery {
    fence: false,
    tail: false,
});

fn read_put(head: &Head, name: Vec<u8>) -> Result<(Target, Operation), Response> {
    let body_length = body_length(head);
    let Some(range) = single(head, "Content-Range")? else {
        let length = match body_length {
            BodyLength::Nothing => Some(0),
            BodyLength::Exactly(bytes) => Some(bytes),
            BodyLength::Unknown => None,
        };
        let operation = append(head, &name, Start::At(0), length, Completes::AtEnd)?;
        return Ok((Target::Restart(name), operation));
    };
    match ContentRange::parse(range) {
        Some(ContentRange::Unsatisfied) if body_length == BodyLength::Nothing => {
            Ok((Target::Id(name), INFO))
        }
        Some(ContentRange::Part { first, last, total }) if fits(first, last, body_length) => {
            let operation = append(head, &name, Start::At(first), total, Completes::AtLength)?;
            let target = match first {
                0 => Target::Restart(name),
                _ => Target::Id(name),
            };
            Ok((target, operation))
        }
        Some(_) => Err(bad_request("Content-Range does not match the body")),
        None => Err(bad_request(
            "Content-Range must be bytes N-M/TOTAL or bytes */TOTAL",
        )),
    }
}

fn read_patch(head: &Head, name: &[u8]) -> Result<Operation, Response> {
    let range = single(head, "X-Update-Range")?.unwrap_or_default();
    let start = match update_range(range) {
        Some((start, None)) => start,
        Some((Start::At(first), Some(last))) if fits(first, last, body_length(head)) => {
            Start::At(first)
        }
        _ => {
            return Err(bad_request(
                "X-Update-Range must be append or bytes=N-M, where M is the last byte of the body",
            ));
        }
    };
    let completes = match head.field("Upload-Complete").and_then(boolean) {
        Some(true) => Completes::AtEnd,
        Some(false) | None => Completes::AtLength,
    };
    let length = number(head, "X-File-Size")?;
    append(head, name, start, length, completes)
}

fn append(
    head: &Head,
    name: &[u8],
    start: Start,
    length: Option<u64>,
    completes: Completes,
) -> Result<Operation, Response> {
    Ok(Operation::Append(AppendCommand {
        start,
        request: AppendRequest {
            length,
            file: FileInfo {
                name: Some(filename::flat(&utf8_or_latin1(name)).into()),
                modified_ms: None,
                metadata: None,
            },
            ..common(head)?
        },
        completes,
        discard_on_overflow: false,
    }))
}

/// Returns whether the body has the length of the range.
fn fits(first: u64, last: u64, body_length: BodyLength) -> bool {
    match body_length {
        BodyLength::Nothing => false,
        BodyLength::Exactly(bytes) => last.checked_sub(first) == bytes.checked_sub(1),
        BodyLength::Unknown => first <= last,
    }
}

/// `Content-Range` (RFC 9110, section 14.4).
#[derive(Debug, PartialEq, Eq)]
enum ContentRange {
    /// `bytes N-M/TOTAL`, or `*` for an unknown total.
    Part {
        first: u64,
        last: u64,
        total: Option<u64>,
    },
    /// `bytes */TOTAL`: a request for the received range.
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

pub(crate) fn reply(
    method: Method,
    progress: Progress,
    result: Result<Outcome, Refusal>,
) -> Response {
    match result {
        Ok(Outcome::Info(None)) if method != Method::Put => {
            refuse(progress, &store::Error::Unknown.into())
        }
        Ok(Outcome::Info(_) | Outcome::Tail(_)) => status(method, progress),
        Ok(Outcome::Appended(finished)) => appended(method, progress, &finished),
        Ok(Outcome::Cancelled { existed: true }) => with_progress(Response::new(204), progress),
        Ok(Outcome::Cancelled { existed: false }) => {
            refuse(progress, &store::Error::Unknown.into())
        }
        Err(refusal) => refuse(progress, &refusal),
    }
}

fn status(method: Method, progress: Progress) -> Response {
    let response = with_progress(Response::new(200), progress);
    match method {
        Method::Put if !progress.complete => incomplete(progress),
        Method::Put | Method::Other => response,
        Method::Head => response.head_length(progress.offset),
    }
}

fn appended(method: Method, progress: Progress, finished: &Finished) -> Response {
    let status = match (method, progress.complete) {
        (_, true) if finished.published.is_some() => 201,
        (_, true) => 200,
        (Method::Put, false) => return incomplete(progress),
        (Method::Head | Method::Other, false) => 204,
    };
    let response = with_progress(Response::new(status), progress);
    with_digest(response, finished.sha256)
}

/// Returns a 308 with the received range, as object stores do.
fn incomplete(progress: Progress) -> Response {
    let response = with_progress(Response::new(308), progress);
    match progress.offset.checked_sub(1) {
        Some(last) => response.field("Range", format!("bytes=0-{last}")),
        None => response,
    }
}

fn refuse(progress: Progress, refusal: &Refusal) -> Response {
    use store::Error::{LengthDiffers, Mismatch, Overshoot, Superseded};
    let response = match refusal {
        Refusal::Store(Mismatch | Superseded | Overshoot { .. }) => {
            refusal.respond(409).text(next_step(progress))
        }
        Refusal::Store(LengthDiffers { declared }) => refusal.respond(409).text(format!(
            "the server has {} of this file, whose length was declared as {}: curl -X DELETE removes them\n",
            Size(progress.offset),
            Size(*declared)
        )),
        _ => refusal.response(),
    };
    if refusal.may_state_offset() {
        with_progress(response, progress)
    } else {
        response
    }
}

/// Returns the next step for a user of curl.
fn next_step(progress: Progress) -> String {
    match progress {
        Progress { complete: true, .. } => "this file is complete\n".to_owned(),
        Progress { offset: 0, .. } => {
            "the server has no byte of this file: start at 0\n".to_owned()
        }
        Progress { offset, .. } => format!(
            "the server has {} of this file: curl -C {offset} -T FILE sends the rest, \
             curl -X DELETE removes them\n",
            Size(offset)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_parsed_strictly() {
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
    fn update_range_is_parsed_strictly() {
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
