//! The dialect of tus.io, version 1.0.0: `Tus-Resumable`.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /files`, `Upload-Length: N` or `Upload-Defer-Length: 1` | `201`, `Location`; with a body, `Upload-Offset` |
//! | `HEAD /files/ID` | `200`, `Upload-Offset`, `Upload-Length` or `Upload-Defer-Length`, `Upload-Metadata` as sent; stops an earlier `PATCH` |
//! | `PATCH /files/ID`, `Upload-Offset: N` | `204`, `Upload-Offset`; `409` if the offset is not `N` |
//! | `DELETE /files/ID` | `204` |
//!
//! Supported: core, creation, creation-with-upload, creation-defer-length, termination, expiration.
//!
//! Not supported, and not announced:
//! - *checksum* and *checksum-trailer*: the server would have to truncate the file after a wrong part, and no client
//!   may make it truncate. `Upload-Checksum` is ignored; `Content-Digest` is checked.
//! - *concatenation*: it copies files. `Upload-Concat` gets a `400`: otherwise each part would become a file.
//!
//! An expired upload gets a `404`, never a `410`: the server keeps no trace of it.

use crate::http::{Head, Problem, Response};
use crate::store::{
    self, AppendRequest, BodyLength, Completes, Expiry, FileInfo, Finished, Precondition, Progress,
    Start, UploadInfo,
};

use crate::protocol::command::{AppendCommand, Command, Operation, Outcome, StatusQuery, Target};
use crate::protocol::parse::fields::{
    bad_request, body_length, common, media_type, number, single,
};
use crate::protocol::parse::files_path::FilesPath;
use crate::protocol::parse::metadata::Metadata;
use crate::protocol::refusal::{Refusal, method_not_allowed, not_found};
use crate::protocol::reply::{with_digest, with_offset};
use crate::protocol::server_info::ServerInfo;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,termination,expiration";

/// The media type of a body that is part of a file.
const BYTES: &str = "application/offset+octet-stream";

/// Returns whether a request names this dialect, in any version.
pub(crate) fn is_named(head: &Head) -> bool {
    let marks = ["Tus-Resumable", "X-HTTP-Method-Override"];
    marks
        .iter()
        .any(|name| head.fields_named(name).next().is_some())
}

/// Returns whether a request has the form of this dialect, without naming it.
pub(crate) fn is_likely(head: &Head) -> bool {
    match head.method() {
        "POST" => head.field("Upload-Complete").is_none(),
        "PATCH" => media_type(head).as_deref() == Some(BYTES),
        _ => false,
    }
}

/// Adds the fields of this dialect to the response of `OPTIONS`.
pub(crate) fn announce(server: &ServerInfo, response: Response) -> Response {
    let response = response
        .field("Tus-Resumable", VERSION)
        .field("Tus-Version", VERSION)
        .field("Tus-Extension", EXTENSIONS);
    match server.max_size {
        Some(max) => response.field("Tus-Max-Size", max.to_string()),
        None => response,
    }
}

pub(crate) fn read(head: &Head) -> Result<Command, Response> {
    read_command(head).map_err(|response| response.field("Tus-Resumable", VERSION))
}

fn read_command(head: &Head) -> Result<Command, Response> {
    if head.field("Tus-Resumable") != Some(VERSION.as_bytes()) {
        return Err(Problem::Unsupported
            .response(412)
            .field("Tus-Version", VERSION)
            .text("Tus-Resumable must be 1.0.0\n"));
    }
    let (target, operation) = match (method(head), FilesPath::of(head)) {
        (b"POST", Some(FilesPath::Collection)) => (Target::Generated, read_creation(head)?),
        (_, Some(FilesPath::Collection)) => {
            return Err(method_not_allowed("POST, OPTIONS"));
        }
        (b"HEAD", Some(FilesPath::Upload(id))) => {
            let (fence, tail) = (true, false);
            (
                Target::Id(id),
                Operation::Status(StatusQuery { fence, tail }),
            )
        }
        (b"PATCH", Some(FilesPath::Upload(id))) => (Target::Id(id), read_append(head)?),
        (b"DELETE", Some(FilesPath::Upload(id))) => (Target::Id(id), Operation::Cancel),
        (_, Some(FilesPath::Upload(_))) => {
            return Err(method_not_allowed("HEAD, PATCH, DELETE, OPTIONS"));
        }
        (_, Some(FilesPath::Nested) | None) => return Err(not_found()),
    };
    Ok(Command { target, operation })
}

/// Returns the method; clients without PATCH and DELETE send it in a field.
fn method(head: &Head) -> &[u8] {
    head.field("X-HTTP-Method-Override")
        .unwrap_or(head.method().as_bytes())
}

fn read_creation(head: &Head) -> Result<Operation, Response> {
    if head.field("Upload-Concat").is_some() {
        return Err(bad_request("the concatenation extension is not supported"));
    }
    let deferred = single(head, "Upload-Defer-Length")?;
    let length = match (number(head, "Upload-Length")?, deferred) {
        (Some(length), None) => Some(length),
        (None, Some(b"1")) => None,
        (None, Some(_)) => return Err(bad_request("Upload-Defer-Length must be 1")),
        _ => {
            return Err(bad_request(
                "exactly one of Upload-Length and Upload-Defer-Length is required",
            ));
        }
    };
    append(head, 0, Precondition::New, length, Metadata::read(head)?)
}

fn read_append(head: &Head) -> Result<Operation, Response> {
    if media_type(head).as_deref() != Some(BYTES) {
        return Err(wrong_type());
    }
    let start = number(head, "Upload-Offset")?;
    let start = start.ok_or_else(|| bad_request("Upload-Offset is missing"))?;
    let length = number(head, "Upload-Length")?;
    append(
        head,
        start,
        Precondition::Exists,
        length,
        Metadata::default(),
    )
}

fn append(
    head: &Head,
    start: u64,
    precondition: Precondition,
    length: Option<u64>,
    metadata: Metadata,
) -> Result<Operation, Response> {
    if body_length(head) != BodyLength::Nothing && media_type(head).as_deref() != Some(BYTES) {
        return Err(wrong_type());
    }
    Ok(Operation::Append(AppendCommand {
        start: Start::At(start),
        request: AppendRequest {
            precondition,
            length,
            file: FileInfo {
                name: metadata.name,
                modified_ms: None,
                metadata: metadata.as_sent,
            },
            ..common(head)?
        },
        completes: Completes::AtLength,
        discard_on_overflow: false,
    }))
}

fn wrong_type() -> Response {
    Problem::Unsupported
        .response(415)
        .text(format!("Content-Type must be {BYTES}\n"))
}

pub(crate) fn reply(
    progress: Progress,
    location: Option<&str>,
    result: Result<Outcome, Refusal>,
) -> Response {
    let response = match result {
        Ok(Outcome::Info(Some(info))) => describe(progress, info),
        Ok(Outcome::Tail(_)) => with_offset(Response::new(200), progress),
        Ok(Outcome::Appended(finished)) => appended(progress, location, &finished),
        Ok(Outcome::Cancelled { existed: true }) => Response::new(204),
        Ok(Outcome::Info(None) | Outcome::Cancelled { existed: false }) => {
            refuse(progress, &store::Error::Unknown.into())
        }
        Err(refusal) => refuse(progress, &refusal),
    };
    response.field("Tus-Resumable", VERSION)
}

fn describe(progress: Progress, info: UploadInfo) -> Response {
    let response = with_offset(Response::new(200), progress);
    let response = match info.length {
        Some(length) => response.field("Upload-Length", length.to_string()),
        None => response.field("Upload-Defer-Length", "1"),
    };
    let response = match info.metadata {
        Some(metadata) => response.field("Upload-Metadata", String::from(metadata)),
        None => response,
    };
    with_expiry(response, info.expires)
}

fn appended(progress: Progress, location: Option<&str>, finished: &Finished) -> Response {
    let response = match location {
        Some(location) => Response::new(201).field("Location", location.to_owned()),
        None => Response::new(204),
    };
    let response = with_digest(with_offset(response, progress), finished.sha256);
    with_expiry(response, finished.expires)
}

fn with_expiry(response: Response, expires: Option<Expiry>) -> Response {
    match expires {
        Some(expiry) => response.field("Upload-Expires", httpdate::fmt_http_date(expiry.at)),
        None => response,
    }
}

fn refuse(progress: Progress, refusal: &Refusal) -> Response {
    let response = refusal.response();
    let response = match refusal {
        // Clients of tus give up after a 4xx other than 409 and 423.
        Refusal::TimedOut
        | Refusal::TooSlow(_)
        | Refusal::TooManyLogins { .. }
        | Refusal::Store(store::Error::TooManyPartialsOfAccount { .. }) => {
            response.with_status(503)
        }
        Refusal::Store(store::Error::Overshoot { .. }) => response.with_status(413),
        _ => response,
    };
    match refusal {
        Refusal::TimedOut
        | Refusal::TooSlow(_)
        | Refusal::Malformed(_)
        | Refusal::Store(
            store::Error::Mismatch
            | store::Error::Superseded
            | store::Error::Differs(_)
            | store::Error::Overshoot { .. },
        ) => with_offset(response, progress),
        _ => response,
    }
}
