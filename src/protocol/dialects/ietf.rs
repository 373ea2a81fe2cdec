//! The dialect of the IETF draft "Resumable Uploads for HTTP"
//! (draft-ietf-httpbis-resumable-upload): interop version 9, which is its revision -12, and 8, 7, 6,
//! 5 and 3 before it. A client that announces none is taken to speak the coming RFC, as version 9.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /files` or `PUT /files/NAME`, `Upload-Complete` | `104` first, to who announced a version; then `201`, `Location`, `Upload-Limit` |
//! | `HEAD` or `GET /files/ID` | `204`, `Upload-Offset`, `Upload-Complete`, `Upload-Length`, `Upload-Limit`; who was writing writes no more |
//! | `PATCH /files/ID`, `Upload-Offset: N`, `Upload-Complete` | `204`, or `200` when that was all; `409` if the upload does not end at `N` |
//! | `DELETE /files/ID` | `204` |
//! | `OPTIONS /files` | `200`, `Upload-Limit` |
//!
//! What goes beyond the length invalidates the upload: it is forgotten, unless it is complete.
//!
//! Not spoken, none of which has to be:
//! - `104` with the progress of a body: a proxy that cannot pass one on gets only one to break on.
//! - Closing the line of a writer that is fenced: its next byte is refused instead, with `409`.
//! - `min-size`, `min-append-size` and `max-append-size` as limits: there are none.
//! - `OPTIONS *`: not all addresses here take uploads.
//! - Content codings: bytes are kept, and counted, as they come.
//! - The answer of a finished upload is not kept; it is said again as far as it is about the upload.

use crate::http::{Head, Response, Version as HttpVersion};
use crate::store::{
    self, AppendRequest, BodyLength, Completes, Finished, Precondition, Progress, Start, UploadInfo,
};

use crate::protocol::command::{Command, Excess, Outcome, Question, Refusal, Target, Verb};
use crate::protocol::parse::fields::{bad, incoming, media_type, sha256, whom_to_be, with_digest};
use crate::protocol::parse::filename;
use crate::protocol::parse::metadata::Metadata;
use crate::protocol::parse::structured::{boolean, integer};
use crate::protocol::parse::target::Place;
use crate::protocol::problem::{Problem, later, not_published};
use crate::protocol::terms::Terms;

/// The type of a body that is part of a file.
pub(crate) const PART: &str = "application/partial-upload";

const INTEROP: &str = "Upload-Draft-Interop-Version";

const OFFSET_DIFFERS: Problem = Problem {
    kind: "mismatching-upload-offset",
    title: "the upload does not end at this offset",
};
const LENGTH_DIFFERS: Problem = Problem {
    kind: "inconsistent-upload-length",
    title: "this is not the length of the upload",
};
const COMPLETED: Problem = Problem {
    kind: "completed-upload",
    title: "the upload is complete",
};

/// In what the revisions of the draft differ.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    /// The number that its clients announce.
    interop: &'static str,
    /// The field that says whether this is all, and what it says then.
    complete: (&'static str, bool),
    /// A part has to be said to be one.
    typed: bool,
    /// Limits are told, and in them the age under this name.
    age: Option<&'static str>,
    /// There is a word for what cannot be changed because it is complete.
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

/// What of a request decides how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    version: &'static Version,
    /// The client announced that version.
    announced: bool,
    /// It understands an interim answer, and has to send a body meanwhile.
    takes_interim: bool,
    /// Where it believes the upload to end.
    offset: Option<u64>,
}

/// Whether a request is meant for this dialect.
pub(crate) fn is_meant(head: &Head) -> bool {
    let flags = ["Upload-Complete", "Upload-Incomplete"];
    let has_flag = |name: &&str| head.field(name).and_then(boolean).is_some();
    head.field(INTEROP).is_some()
        || flags.iter().any(has_flag)
        || media_type(head).as_deref() == Some(PART)
}

impl Said {
    pub(crate) fn in_head(head: &Head) -> Said {
        let given = head.field(INTEROP);
        let is_given = |version: &&Version| given == Some(version.interop.as_bytes());
        let known = VERSIONS.iter().find(is_given);
        let announced = known.is_some();
        Said {
            version: known.unwrap_or(&VERSIONS[0]),
            announced,
            takes_interim: announced
                && head.version() == HttpVersion::Http11
                && incoming(head) != BodyLength::Nothing,
            offset: head.field("Upload-Offset").and_then(integer),
        }
    }

    /// Whether this request brings the last of the upload.
    fn completes(self, head: &Head) -> Result<bool, Response> {
        let (name, when_complete) = self.version.complete;
        let flag = head.field(name).and_then(boolean);
        flag.map(|flag| flag == when_complete)
            .ok_or_else(|| bad(&format!("{name} has to be ?0 or ?1")))
    }

    /// Returns when this part completes the upload.
    ///
    /// After a resume, tus-js-client 4.3.1 in Node marks the last part as not the last (tus/tus-js-client#820).
    fn when_complete(self, is_last: bool) -> Completes {
        if is_last {
            Completes::AtEnd
        } else {
            Completes::AtLength
        }
    }

    fn complete(self, response: Response, complete: bool) -> Response {
        let (name, when_complete) = self.version.complete;
        response.field(
            name,
            if complete == when_complete {
                "?1"
            } else {
                "?0"
            },
        )
    }

    fn limit(self, response: Response, terms: &Terms, age_secs: u64) -> Response {
        let Some(age) = self.version.age else {
            return response;
        };
        let size = terms.max_size.map(|max| format!("max-size={max}, "));
        let size = size.unwrap_or_default();
        response.field(
            "Upload-Limit",
            format!("min-size=0, {size}{age}={age_secs}"),
        )
    }
}

/// What `OPTIONS` says of this dialect.
pub(crate) fn offer(said: Said, terms: &Terms, response: Response) -> Response {
    said.limit(response, terms, terms.expire_secs)
        .field("Accept-Patch", PART)
}

pub(crate) fn read(said: Said, head: &Head) -> Result<Command, Response> {
    let (target, verb) = match (head.method(), Place::of(head)) {
        (_, Some(Place::Nested) | None) => return Err(Response::new(404).text("nothing here\n")),
        ("POST" | "PUT", Some(place)) => (Target::New, read_creation(said, head, place)?),
        (_, Some(Place::All)) => {
            return Err(Response::method_not_allowed("POST, PUT, OPTIONS"));
        }
        ("HEAD" | "GET", Some(Place::One(id))) => {
            (Target::Named(id), Verb::Status(Question::Fence))
        }
        ("PATCH", Some(Place::One(id))) => (Target::Named(id), read_append(said, head)?),
        ("DELETE", Some(Place::One(id))) => (Target::Named(id), Verb::Cancel),
        (_, Some(Place::One(_))) => {
            return Err(Response::method_not_allowed(
                "HEAD, GET, PATCH, DELETE, OPTIONS",
            ));
        }
    };
    Ok(Command { target, verb })
}

fn read_creation(said: Said, head: &Head, place: Place) -> Result<Verb, Response> {
    let completes = said.completes(head)?;
    let in_address = match place {
        Place::One(name) => String::from_utf8(name).ok().as_deref().map(filename::flat),
        Place::All | Place::Nested => None,
    };
    let metadata = Metadata::read(head).unwrap_or_default();
    let name = filename::in_disposition(head)
        .or(metadata.name)
        .or(in_address);
    let intent = AppendRequest {
        existence: Precondition::Made,
        name: filename::of_type(name.as_deref(), media_type(head).as_deref()),
        metadata: metadata.as_sent,
        ..body(said, head, 0)?
    };
    Ok(appending(0, intent, said.when_complete(completes)))
}

fn read_append(said: Said, head: &Head) -> Result<Verb, Response> {
    if said.version.typed && media_type(head).as_deref() != Some(PART) {
        return Err(Response::new(415)
            .field("Accept-Patch", PART)
            .text(format!("a part of a file is {PART}\n")));
    }
    let start = said
        .offset
        .ok_or_else(|| bad("Upload-Offset has to be a count of bytes"))?;
    let completes = said.completes(head)?;
    let intent = AppendRequest {
        existence: Precondition::Known,
        ..body(said, head, start)?
    };
    Ok(appending(start, intent, said.when_complete(completes)))
}

fn appending(start: u64, intent: AppendRequest, completes: Completes) -> Verb {
    Verb::Append {
        start: Start::At(start),
        intent,
        completes,
        excess: Excess::Fatal,
    }
}

/// What a request says of the bytes that it brings; if they are the last, where they end is the
/// length.
fn body(said: Said, head: &Head, start: u64) -> Result<AppendRequest, Response> {
    let (incoming, completes) = (incoming(head), said.completes(head)?);
    let end = match incoming {
        _ if !completes => None,
        BodyLength::Nothing => Some(start),
        BodyLength::Exactly(bytes) => Some(start.saturating_add(bytes)),
        BodyLength::Unknown => None,
    };
    let length = head.field("Upload-Length").and_then(integer);
    if length.is_some() && end.is_some() && length != end {
        return Err(said.complete(LENGTH_DIFFERS.say(400, ""), false));
    }
    Ok(AppendRequest {
        length: length.or(end),
        digest: sha256(head, "Repr-Digest")?,
        body_digest: sha256(head, "Content-Digest")?,
        incoming,
        ..AppendRequest::default()
    })
}

/// What is sent before the body is read, so that a client whose line is cut knows where to go on.
pub(crate) fn interim(said: Said, terms: &Terms, location: &str) -> Option<Response> {
    (said.takes_interim && terms.interim).then(|| {
        let response = Response::new(104).field("Location", location.to_owned());
        said.limit(response, terms, terms.expire_secs)
            .field(INTEROP, said.version.interop)
    })
}

pub(crate) fn reply(
    said: Said,
    terms: &Terms,
    held: Progress,
    location: Option<&str>,
    result: Result<Outcome, Refusal>,
) -> Response {
    let response = match result {
        Ok(Outcome::About(Some(known))) => describe(said, terms, held, known),
        Ok(Outcome::Tail(_)) => said.complete(offset(held, Response::new(204)), held.complete),
        Ok(Outcome::Appended(finished)) => appended(said, terms, held, location, &finished),
        Ok(Outcome::Cancelled { was_known: true }) => Response::new(204),
        Ok(Outcome::About(None) | Outcome::Cancelled { was_known: false }) => {
            refuse(said, terms, held, store::Error::Unknown.into())
        }
        Err(refusal) => refuse(said, terms, held, refusal),
    };
    let response = response.field("Cache-Control", "no-store");
    if said.announced {
        response.field(INTEROP, said.version.interop)
    } else {
        response
    }
}

fn describe(said: Said, terms: &Terms, held: Progress, known: UploadInfo) -> Response {
    let response = said.complete(offset(held, Response::new(204)), held.complete);
    let response = match known.length {
        Some(length) => response.field("Upload-Length", length.to_string()),
        None => response,
    };
    let age = known
        .expires
        .map_or(terms.expire_secs, |expiry| expiry.left.as_secs());
    said.limit(response, terms, age)
}

fn appended(
    said: Said,
    terms: &Terms,
    held: Progress,
    location: Option<&str>,
    finished: &Finished,
) -> Response {
    let status = match (location, held.complete) {
        (Some(_), _) => 201,
        (None, true) => 200,
        (None, false) => 204,
    };
    let response = said.complete(offset(held, Response::new(status)), held.complete);
    let response = with_digest(response, finished.sha256);
    let age = finished
        .expires
        .map_or(terms.expire_secs, |expiry| expiry.left.as_secs());
    match location {
        Some(location) => said.limit(response.field("Location", location.to_owned()), terms, age),
        None => response,
    }
}

fn offset(held: Progress, response: Response) -> Response {
    response.field("Upload-Offset", held.offset.to_string())
}

/// A refusal comes from the upload, not from what it would have become: it completes nothing.
fn refuse(said: Said, terms: &Terms, held: Progress, refusal: Refusal) -> Response {
    let line = |status| Response::new(status).text(refusal.line());
    let known = |response| said.complete(offset(held, response), false);
    let is_final = held.complete && said.version.completed;
    match &refusal {
        Refusal::Unauthenticated => whom_to_be(line(401)),
        Refusal::Forbidden => line(403),
        Refusal::TimedOut => known(line(408)),
        Refusal::Malformed(_) => known(line(400)),
        Refusal::Store(error) => match error {
            store::Error::Unknown => line(404),
            store::Error::Mismatch | store::Error::Overshoot { .. } if is_final => {
                known(COMPLETED.say(400, ""))
            }
            store::Error::Mismatch | store::Error::Superseded => {
                let provided = said
                    .offset
                    .map(|offset| format!(",\"provided-offset\":{offset}"));
                let provided = provided.unwrap_or_default();
                let offsets = format!(",\"expected-offset\":{}{provided}", held.offset);
                known(OFFSET_DIFFERS.say(409, &offsets))
            }
            store::Error::LengthDiffers { .. } => known(LENGTH_DIFFERS.say(400, "")),
            store::Error::Overshoot { .. } => said.complete(LENGTH_DIFFERS.say(400, ""), false),
            store::Error::DigestDiffers => said.complete(line(400), false),
            store::Error::Differs(_) => known(line(412)),
            store::Error::FileTooLarge(_) => known(line(413)),
            store::Error::TooLarge { .. } => said.limit(known(line(413)), terms, terms.expire_secs),
            store::Error::HookDue => line(503).field("Retry-After", "1"),
            store::Error::Displaced(_) => later(error),
            store::Error::NotPublished(obstacle) => not_published(obstacle),
            store::Error::NoSpace | store::Error::StorageFull(_) => known(line(507)),
            store::Error::Poisoned | store::Error::Io(_) => line(500),
        },
    }
}
