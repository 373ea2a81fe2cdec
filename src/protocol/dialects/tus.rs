//! The dialect of tus.io, version 1.0.0: `Tus-Resumable`.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /files`, `Upload-Length: N` or `Upload-Defer-Length: 1` | `201`, `Location`; with a body, `Upload-Offset` |
//! | `HEAD /files/ID` | `200`, `Upload-Offset`, `Upload-Length` or `Upload-Defer-Length`, `Upload-Metadata` as it came; an earlier `PATCH` is stopped |
//! | `PATCH /files/ID`, `Upload-Offset: N` | `204`, `Upload-Offset`; `409` if the upload does not end at `N` |
//! | `DELETE /files/ID` | `204` |
//!
//! Spoken: core, creation, creation-with-upload, creation-defer-length, termination, expiration.
//!
//! Not spoken, and not announced:
//! - *checksum* and *checksum-trailer*: the server would have to cut a wrong part off the file, and it
//!   never does so for a client. `Upload-Checksum` is ignored; `Content-Digest` is checked.
//! - *concatenation*: files would be copied, and parts of one upload are better sent in order.
//!   `Upload-Concat` is refused with `400`: without it, each part would become a file.
//!
//! An upload that has expired is `404`: what was once there is not remembered. `Upload-Checksum`
//! algorithms are not announced, and `410` is never said.

use crate::http::{Head, Response};
use crate::store::{
    self, AppendRequest, Completes, Finished, Precondition, Progress, Start, UploadInfo,
};

use crate::protocol::command::{Command, Excess, Outcome, Question, Refusal, Target, Verb};
use crate::protocol::parse::fields::{
    bad, incoming, media_type, number, sha256, single, whom_to_be, with_digest,
};
use crate::protocol::parse::metadata::Metadata;
use crate::protocol::parse::target::Place;
use crate::protocol::problem::{later, not_published};
use crate::protocol::terms::Terms;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,termination,expiration";

/// The type of a body that is bytes of a file.
const BYTES: &str = "application/offset+octet-stream";

/// Whether a request is meant for this dialect, in this version or another.
pub(crate) fn is_meant(head: &Head) -> bool {
    let marks = ["Tus-Resumable", "X-HTTP-Method-Override"];
    marks
        .iter()
        .any(|name| head.fields_named(name).next().is_some())
}

/// Whether a request can only be meant for this dialect, though it does not say so.
pub(crate) fn is_like(head: &Head) -> bool {
    match head.method() {
        "POST" => head.field("Upload-Complete").is_none(),
        "PATCH" => media_type(head).as_deref() == Some(BYTES),
        _ => false,
    }
}

/// What `OPTIONS` says of this dialect.
pub(crate) fn offer(terms: &Terms, response: Response) -> Response {
    let response = response
        .field("Tus-Resumable", VERSION)
        .field("Tus-Version", VERSION)
        .field("Tus-Extension", EXTENSIONS);
    match terms.max_size {
        Some(max) => response.field("Tus-Max-Size", max.to_string()),
        None => response,
    }
}

pub(crate) fn read(head: &Head) -> Result<Command, Response> {
    read_command(head).map_err(|response| response.field("Tus-Resumable", VERSION))
}

fn read_command(head: &Head) -> Result<Command, Response> {
    if head.field("Tus-Resumable") != Some(VERSION.as_bytes()) {
        return Err(Response::new(412)
            .field("Tus-Version", VERSION)
            .text("Tus-Resumable: 1.0.0 is what is spoken here\n"));
    }
    let (target, verb) = match (method(head), Place::of(head)) {
        (b"POST", Some(Place::All)) => (Target::New, read_creation(head)?),
        (_, Some(Place::All)) => return Err(Response::method_not_allowed("POST, OPTIONS")),
        (b"HEAD", Some(Place::One(id))) => (Target::Named(id), Verb::Status(Question::Fence)),
        (b"PATCH", Some(Place::One(id))) => (Target::Named(id), read_append(head)?),
        (b"DELETE", Some(Place::One(id))) => (Target::Named(id), Verb::Cancel),
        (_, Some(Place::One(_))) => {
            return Err(Response::method_not_allowed("HEAD, PATCH, DELETE, OPTIONS"));
        }
        (_, Some(Place::Nested) | None) => return Err(Response::new(404).text("nothing here\n")),
    };
    Ok(Command { target, verb })
}

/// For clients whose surroundings know neither PATCH nor DELETE.
fn method(head: &Head) -> &[u8] {
    head.field("X-HTTP-Method-Override")
        .unwrap_or(head.method().as_bytes())
}

fn read_creation(head: &Head) -> Result<Verb, Response> {
    if head.field("Upload-Concat").is_some() {
        return Err(bad("concatenation is not spoken here"));
    }
    let deferred = single(head, "Upload-Defer-Length")?;
    let length = match (number(head, "Upload-Length")?, deferred) {
        (Some(length), None) => Some(length),
        (None, Some(b"1")) => None,
        (None, Some(_)) => return Err(bad("Upload-Defer-Length can only be 1")),
        _ => return Err(bad("either Upload-Length or Upload-Defer-Length, please")),
    };
    let metadata = Metadata::read(head)?;
    let intent = AppendRequest {
        existence: Precondition::Made,
        length,
        name: metadata.name,
        metadata: metadata.as_sent,
        ..body(head)?
    };
    Ok(appending(0, intent))
}

fn read_append(head: &Head) -> Result<Verb, Response> {
    if media_type(head).as_deref() != Some(BYTES) {
        return Err(wrong_type());
    }
    let start = number(head, "Upload-Offset")?.ok_or_else(|| bad("Upload-Offset is missing"))?;
    let intent = AppendRequest {
        existence: Precondition::Known,
        length: number(head, "Upload-Length")?,
        ..body(head)?
    };
    Ok(appending(start, intent))
}

fn appending(start: u64, intent: AppendRequest) -> Verb {
    Verb::Append {
        start: Start::At(start),
        intent,
        completes: Completes::AtLength,
        excess: Excess::Refused,
    }
}

/// What a request says of the bytes that it brings.
fn body(head: &Head) -> Result<AppendRequest, Response> {
    let incoming = incoming(head);
    if incoming != store::BodyLength::Nothing && media_type(head).as_deref() != Some(BYTES) {
        return Err(wrong_type());
    }
    Ok(AppendRequest {
        digest: sha256(head, "Repr-Digest")?,
        body_digest: sha256(head, "Content-Digest")?,
        incoming,
        ..AppendRequest::default()
    })
}

fn wrong_type() -> Response {
    Response::new(415).text(format!("the bytes of a file are {BYTES}\n"))
}

pub(crate) fn reply(
    held: Progress,
    location: Option<&str>,
    result: Result<Outcome, Refusal>,
) -> Response {
    let response = match result {
        Ok(Outcome::About(Some(known))) => describe(held, known),
        Ok(Outcome::Tail(_)) => offset(held, Response::new(200)),
        Ok(Outcome::Appended(finished)) => appended(held, location, &finished),
        Ok(Outcome::Cancelled { was_known: true }) => Response::new(204),
        Ok(Outcome::About(None) | Outcome::Cancelled { was_known: false }) => {
            refuse(held, store::Error::Unknown.into())
        }
        Err(refusal) => refuse(held, refusal),
    };
    response
        .field("Tus-Resumable", VERSION)
        .field("Cache-Control", "no-store")
}

fn describe(held: Progress, known: UploadInfo) -> Response {
    let response = offset(held, Response::new(200));
    let response = match known.length {
        Some(length) => response.field("Upload-Length", length.to_string()),
        None => response.field("Upload-Defer-Length", "1"),
    };
    let response = match known.metadata {
        Some(metadata) => response.field("Upload-Metadata", metadata),
        None => response,
    };
    match known.expires {
        Some(expiry) => response.field("Upload-Expires", httpdate::fmt_http_date(expiry.at)),
        None => response,
    }
}

fn appended(held: Progress, location: Option<&str>, finished: &Finished) -> Response {
    let response = match location {
        Some(location) => Response::new(201).field("Location", location.to_owned()),
        None => Response::new(204),
    };
    let response = with_digest(offset(held, response), finished.sha256);
    match finished.expires {
        Some(expiry) => response.field("Upload-Expires", httpdate::fmt_http_date(expiry.at)),
        None => response,
    }
}

fn offset(held: Progress, response: Response) -> Response {
    response.field("Upload-Offset", held.offset.to_string())
}

fn refuse(held: Progress, refusal: Refusal) -> Response {
    let line = |status| Response::new(status).text(refusal.line());
    match &refusal {
        Refusal::Unauthenticated => whom_to_be(line(401)),
        Refusal::Forbidden => line(403),
        // Not 408: its clients take any 4xx but 409 and 423 for final, and this one may go on.
        Refusal::TimedOut => offset(held, line(503)),
        Refusal::Malformed(_) => offset(held, line(400)),
        Refusal::Store(error) => match error {
            store::Error::Unknown => line(404),
            store::Error::Mismatch | store::Error::Superseded => offset(held, line(409)),
            store::Error::LengthDiffers { .. } | store::Error::DigestDiffers => line(400),
            store::Error::Differs(_) => offset(held, line(412)),
            store::Error::Overshoot { .. } => offset(held, line(413)),
            store::Error::TooLarge { .. } | store::Error::FileTooLarge(_) => line(413),
            store::Error::HookDue => line(503).field("Retry-After", "1"),
            store::Error::Displaced(_) => later(error),
            store::Error::NotPublished(obstacle) => not_published(obstacle),
            store::Error::NoSpace | store::Error::StorageFull(_) => line(507),
            store::Error::Poisoned | store::Error::Io(_) => line(500),
        },
    }
}
