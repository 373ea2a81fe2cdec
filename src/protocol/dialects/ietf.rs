//! The dialect of the IETF draft "Resumable Uploads for HTTP"
//! (draft-ietf-httpbis-resumable-upload): interop version 9, which is its revision -12, and 8, 7, 6,
//! 5 and 3 before it. A client that announces no version gets version 9.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /files` or `PUT /files/NAME`, `Upload-Complete` | `104` to a client that announces a version; then `201`, `Location`, `Upload-Limit` |
//! | `HEAD` or `GET /files/ID` | `204`, `Upload-Offset`, `Upload-Complete`, `Upload-Length`, `Upload-Limit`; stops an earlier append |
//! | `PATCH /files/ID`, `Upload-Offset: N`, `Upload-Complete` | `204`, or `200` if that completes the upload; `409` if the offset is not `N` |
//! | `DELETE /files/ID` | `204` |
//! | `OPTIONS /files` | `200`, `Upload-Limit` |
//!
//! An append beyond the length removes the upload, unless it is complete.
//!
//! Not supported (all optional):
//! - `104` with the progress of a body: a proxy that cannot pass one on could break on each.
//! - Closing the connection of a fenced append: its next byte gets a `409` instead.
//! - `min-size`, `min-append-size` and `max-append-size` as limits: the server has none.
//! - `OPTIONS *`: not all paths take uploads.
//! - Content codings: bytes are counted and kept as sent.
//! - The original response of a complete upload: a repeated request gets a new one about the upload.

use crate::http::{Head, Problem, Response, Version as HttpVersion};
use crate::store::{
    self, AppendRequest, BodyLength, Completes, Expiry, FileInfo, Finished, Precondition, Progress,
    Start, UploadInfo,
};

use crate::protocol::command::{AppendCommand, Command, Operation, Outcome, StatusQuery, Target};
use crate::protocol::parse::fields::{bad_request, body_length, common, media_type};
use crate::protocol::parse::filename;
use crate::protocol::parse::files_path::FilesPath;
use crate::protocol::parse::metadata::Metadata;
use crate::protocol::parse::structured::{boolean, integer};
use crate::protocol::refusal::{Refusal, method_not_allowed, not_found};
use crate::protocol::reply::{with_digest, with_offset};
use crate::protocol::server_info::ServerInfo;

/// The media type of a body that is part of a file.
pub(crate) const PART: &str = "application/partial-upload";

const INTEROP: &str = "Upload-Draft-Interop-Version";

/// A problem type (RFC 9457).
struct ProblemType {
    problem: Problem,
    /// Its name in the registry of IANA.
    kind: &'static str,
    title: &'static str,
}

impl ProblemType {
    /// Returns the response; `members` are further JSON members, each after a comma.
    fn response(&self, status: u16, members: &str) -> Response {
        let ProblemType { kind, title, .. } = self;
        let kind = format!("https://iana.org/assignments/http-problem-types#{kind}");
        let json = format!("{{\"type\":\"{kind}\",\"title\":\"{title}\"{members}}}\n");
        self.problem
            .response(status)
            .body("application/problem+json", json.into_bytes())
    }
}

const OFFSET_DIFFERS: ProblemType = ProblemType {
    problem: Problem::Conflict,
    kind: "mismatching-upload-offset",
    title: "the offset does not match the upload",
};
const LENGTH_DIFFERS: ProblemType = ProblemType {
    problem: Problem::DifferentLength,
    kind: "inconsistent-upload-length",
    title: "the length does not match the upload",
};
const COMPLETED: ProblemType = ProblemType {
    problem: Problem::Conflict,
    kind: "completed-upload",
    title: "the upload is complete",
};

/// The differences between revisions of the draft.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    /// The number in `Upload-Draft-Interop-Version`.
    interop: &'static str,
    /// The field that marks the last part, and its value for the last part.
    complete: (&'static str, bool),
    /// True if a part must have the media type [`PART`].
    typed: bool,
    /// The name of the maximum age in `Upload-Limit`; `None` without that field.
    age: Option<&'static str>,
    /// True if the problem type `completed-upload` exists.
    completed: bool,
}

const NEWEST: Version = Version {
    interop: "9",
    complete: ("Upload-Complete", true),
    typed: true,
    age: Some("max-age"),
    completed: false,
};

const VERSIONS: [Version; 6] = [
    NEWEST,
    Version {
        interop: "8",
        completed: true,
        ..NEWEST
    },
    Version {
        interop: "7",
        completed: true,
        ..NEWEST
    },
    Version {
        interop: "6",
        completed: true,
        age: Some("expires"),
        ..NEWEST
    },
    Version {
        interop: "5",
        typed: false,
        age: None,
        ..NEWEST
    },
    Version {
        interop: "3",
        complete: ("Upload-Incomplete", false),
        typed: false,
        age: None,
        ..NEWEST
    },
];

/// The parts of a request that decide how the reply is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    version: &'static Version,
    /// True if the client announced that version.
    announced: bool,
    /// True if the client understands an interim response and sends a body.
    takes_interim: bool,
    /// The offset in the request.
    offset: Option<u64>,
}

pub(crate) fn is_named(head: &Head) -> bool {
    let flags = ["Upload-Complete", "Upload-Incomplete"];
    let has_flag = |name: &&str| head.field(name).and_then(boolean).is_some();
    head.field(INTEROP).is_some()
        || flags.iter().any(has_flag)
        || media_type(head).as_deref() == Some(PART)
}

impl Reply {
    pub(crate) fn to(head: &Head) -> Reply {
        let given = head.field(INTEROP);
        let is_given = |version: &&Version| given == Some(version.interop.as_bytes());
        let known = VERSIONS.iter().find(is_given);
        let announced = known.is_some();
        Reply {
            version: known.unwrap_or(&VERSIONS[0]),
            announced,
            takes_interim: announced
                && head.version() == HttpVersion::Http11
                && body_length(head) != BodyLength::Nothing,
            offset: head.field("Upload-Offset").and_then(integer),
        }
    }

    fn with_complete(self, response: Response, complete: bool) -> Response {
        let (name, when_complete) = self.version.complete;
        let value = if complete == when_complete {
            "?1"
        } else {
            "?0"
        };
        response.field(name, value)
    }

    fn with_progress(self, response: Response, progress: Progress) -> Response {
        self.with_complete(with_offset(response, progress), progress.complete)
    }

    fn with_limit(self, response: Response, server: &ServerInfo, age_secs: u64) -> Response {
        let Some(age) = self.version.age else {
            return response;
        };
        let size = server.max_size.map(|max| format!("max-size={max}, "));
        let size = size.unwrap_or_default();
        response.field(
            "Upload-Limit",
            format!("min-size=0, {size}{age}={age_secs}"),
        )
    }
}

/// Adds the fields of this dialect to the response of `OPTIONS`.
pub(crate) fn announce(reply: Reply, server: &ServerInfo, response: Response) -> Response {
    reply
        .with_limit(response, server, server.expire_secs)
        .field("Accept-Patch", PART)
}

pub(crate) fn read(reply: Reply, head: &Head) -> Result<Command, Response> {
    let (target, operation) = match (head.method(), FilesPath::of(head)) {
        (_, Some(FilesPath::Nested) | None) => return Err(not_found()),
        ("POST" | "PUT", Some(path)) => (Target::Generated, read_creation(reply, head, path)?),
        (_, Some(FilesPath::Collection)) => {
            return Err(method_not_allowed("POST, PUT, OPTIONS"));
        }
        ("HEAD" | "GET", Some(FilesPath::Upload(id))) => {
            let (fence, tail) = (true, false);
            (
                Target::Id(id),
                Operation::Status(StatusQuery { fence, tail }),
            )
        }
        ("PATCH", Some(FilesPath::Upload(id))) => (Target::Id(id), read_append(reply, head)?),
        ("DELETE", Some(FilesPath::Upload(id))) => (Target::Id(id), Operation::Cancel),
        (_, Some(FilesPath::Upload(_))) => {
            return Err(method_not_allowed("HEAD, GET, PATCH, DELETE, OPTIONS"));
        }
    };
    Ok(Command { target, operation })
}

fn read_creation(reply: Reply, head: &Head, path: FilesPath) -> Result<Operation, Response> {
    let in_path = match path {
        FilesPath::Upload(name) => String::from_utf8(name).ok().as_deref().map(filename::flat),
        FilesPath::Collection | FilesPath::Nested => None,
    };
    let metadata = Metadata::read(head).unwrap_or_default();
    let in_metadata = metadata.name.map(String::from);
    let name = filename::in_disposition(head).or(in_metadata).or(in_path);
    let metadata = Metadata {
        name: filename::of_type(name.as_deref(), media_type(head).as_deref()).map(Into::into),
        as_sent: metadata.as_sent,
    };
    append(reply, head, 0, Precondition::New, metadata)
}

fn read_append(reply: Reply, head: &Head) -> Result<Operation, Response> {
    if reply.version.typed && media_type(head).as_deref() != Some(PART) {
        return Err(Problem::Unsupported
            .response(415)
            .field("Accept-Patch", PART)
            .text(format!("Content-Type must be {PART}\n")));
    }
    let start = reply.offset;
    let start = start.ok_or_else(|| bad_request("Upload-Offset must be a number of bytes"))?;
    append(
        reply,
        head,
        start,
        Precondition::Exists,
        Metadata::default(),
    )
}

/// Reads the properties of the body. The end of the last part is the length of the upload.
fn append(
    reply: Reply,
    head: &Head,
    start: u64,
    precondition: Precondition,
    metadata: Metadata,
) -> Result<Operation, Response> {
    let (body_length, is_last) = (body_length(head), is_last_part(reply, head)?);
    let end = match body_length {
        _ if !is_last => None,
        BodyLength::Nothing => Some(start),
        BodyLength::Exactly(bytes) => Some(start.saturating_add(bytes)),
        BodyLength::Unknown => None,
    };
    let length = head.field("Upload-Length").and_then(integer);
    if length.is_some() && end.is_some() && length != end {
        return Err(reply.with_complete(LENGTH_DIFFERS.response(400, ""), false));
    }
    Ok(Operation::Append(AppendCommand {
        start: Start::At(start),
        request: AppendRequest {
            precondition,
            length: length.or(end),
            file: FileInfo {
                name: metadata.name,
                modified_ms: None,
                metadata: metadata.as_sent,
            },
            ..common(head)?
        },
        // After a resume, tus-js-client 4.3.1 in Node marks the last part as not the last (tus/tus-js-client#820).
        completes: if is_last {
            Completes::AtEnd
        } else {
            Completes::AtLength
        },
        discard_on_overflow: true,
    }))
}

fn is_last_part(reply: Reply, head: &Head) -> Result<bool, Response> {
    let (name, when_complete) = reply.version.complete;
    let flag = head.field(name).and_then(boolean);
    flag.map(|flag| flag == when_complete)
        .ok_or_else(|| bad_request(&format!("{name} must be ?0 or ?1")))
}

/// Returns the interim response, which gives a client the address before its body can be cut.
pub(crate) fn interim(reply: Reply, server: &ServerInfo, location: &str) -> Option<Response> {
    (reply.takes_interim && server.interim).then(|| {
        let response = Response::new(104).field("Location", location.to_owned());
        reply
            .with_limit(response, server, server.expire_secs)
            .field(INTEROP, reply.version.interop)
    })
}

pub(crate) fn reply(
    reply: Reply,
    server: &ServerInfo,
    progress: Progress,
    location: Option<&str>,
    result: Result<Outcome, Refusal>,
) -> Response {
    let response = match result {
        Ok(Outcome::Info(Some(info))) => describe(reply, server, progress, &info),
        Ok(Outcome::Tail(_)) => reply.with_progress(Response::new(204), progress),
        Ok(Outcome::Appended(finished)) => appended(reply, server, progress, location, &finished),
        Ok(Outcome::Cancelled { existed: true }) => Response::new(204),
        Ok(Outcome::Info(None) | Outcome::Cancelled { existed: false }) => {
            refuse(reply, server, progress, &store::Error::Unknown.into())
        }
        Err(refusal) => refuse(reply, server, progress, &refusal),
    };
    if reply.announced {
        response.field(INTEROP, reply.version.interop)
    } else {
        response
    }
}

fn describe(reply: Reply, server: &ServerInfo, progress: Progress, info: &UploadInfo) -> Response {
    let response = reply.with_progress(Response::new(204), progress);
    let response = match info.length {
        Some(length) => response.field("Upload-Length", length.to_string()),
        None => response,
    };
    reply.with_limit(response, server, age_secs(server, info.expires))
}

fn appended(
    reply: Reply,
    server: &ServerInfo,
    progress: Progress,
    location: Option<&str>,
    finished: &Finished,
) -> Response {
    let status = match (location, progress.complete) {
        (Some(_), _) => 201,
        (None, true) => 200,
        (None, false) => 204,
    };
    let response = reply.with_progress(Response::new(status), progress);
    let response = with_digest(response, finished.sha256);
    match location {
        Some(location) => reply.with_limit(
            response.field("Location", location.to_owned()),
            server,
            age_secs(server, finished.expires),
        ),
        None => response,
    }
}

fn age_secs(server: &ServerInfo, expires: Option<Expiry>) -> u64 {
    expires.map_or(server.expire_secs, |expiry| expiry.left.as_secs())
}

/// A refusal is about the request, not about the complete file: `Upload-Complete` is false.
fn refuse(reply: Reply, server: &ServerInfo, progress: Progress, refusal: &Refusal) -> Response {
    use store::Error::*;
    let with_state = |response| reply.with_complete(with_offset(response, progress), false);
    let is_final = progress.complete && reply.version.completed;
    match refusal {
        Refusal::TimedOut | Refusal::TooSlow(_) | Refusal::Malformed(_) => {
            with_state(refusal.response())
        }
        Refusal::Store(error) => match error {
            Mismatch | Overshoot { .. } if is_final => with_state(COMPLETED.response(400, "")),
            Mismatch | Superseded => {
                let provided = match reply.offset {
                    Some(offset) => format!(",\"provided-offset\":{offset}"),
                    None => String::new(),
                };
                let offsets = format!(",\"expected-offset\":{}{provided}", progress.offset);
                with_state(OFFSET_DIFFERS.response(409, &offsets))
            }
            LengthDiffers { .. } => with_state(LENGTH_DIFFERS.response(400, "")),
            Overshoot { .. } => reply.with_complete(LENGTH_DIFFERS.response(400, ""), false),
            DigestDiffers => reply.with_complete(refusal.response(), false),
            TooLarge { .. } => {
                reply.with_limit(with_state(refusal.response()), server, server.expire_secs)
            }
            Differs(_)
            | FileTooLarge(_)
            | TooManyPartialsOfAccount { .. }
            | TooManyPartials { .. }
            | OverQuota(_)
            | NoSpace(_)
            | StorageFull(_) => with_state(refusal.response()),
            _ => refusal.response(),
        },
        _ => refusal.response(),
    }
}
