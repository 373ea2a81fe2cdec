//! Refusals: the reasons, and the response that the dialects share.

use std::fmt::{self, Display};

use crate::http::{Problem, Response};
use crate::store::{self, ObstacleKind, Size};

/// The reason why a command was refused, or carried out only in part.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No credentials, or wrong ones.
    Unauthenticated,
    /// Too many logins of this address failed or wait. The next one may come after this number of seconds.
    TooManyLogins { after_secs: u64 },
    /// The embedding program denies this command.
    Forbidden,
    /// The embedding program denies this command with a response of its own.
    Denied(Box<Response>),
    /// The address of the client has this many connections, the maximum.
    TooManyConnections(usize),
    /// No byte of the body arrived for too long. The received bytes are kept.
    TimedOut,
    /// The body was slower than this, in bytes per second. The received bytes are kept.
    TooSlow(u64),
    /// The framing of the body is malformed. The bytes before the error are kept.
    Malformed(&'static str),
    /// The store refused.
    Store(store::Error),
}

/// Returns a 404 (RFC 9110, section 15.5.5).
pub(crate) fn not_found() -> Response {
    Problem::NotFound.response(404).text("not found\n")
}

/// Returns a 405 with the allowed methods (RFC 9110, section 15.5.6).
pub(crate) fn method_not_allowed(allow: &'static str) -> Response {
    Problem::MethodNotAllowed
        .response(405)
        .field("Allow", allow)
        .text(format!("allowed methods: {allow}\n"))
}

/// Returns the 503 of `/health`.
pub(super) fn unavailable(reason: impl Display) -> Response {
    let response = Problem::Unavailable.response(503);
    response
        .field("Retry-After", RETRY_SECS)
        .text(format!("{reason}\n"))
}

/// The `Retry-After` of a client with too many partial uploads, in seconds: it can complete some meanwhile.
const PARTIALS_RETRY_SECS: &str = "60";

/// The `Retry-After` of an obstacle that may pass, in seconds.
const RETRY_SECS: &str = "5";

impl Refusal {
    /// Returns the response of all dialects that have no other one of their own. The match is exhaustive: a new reason
    /// compiles only with a status.
    pub(crate) fn response(&self) -> Response {
        let line = |status| self.respond(status).text(format!("{self}\n"));
        match self {
            Refusal::Unauthenticated => line(401).field(
                "WWW-Authenticate",
                "Basic realm=\"resumed\", charset=\"UTF-8\"",
            ),
            Refusal::TooManyLogins { after_secs } => {
                line(429).field("Retry-After", after_secs.to_string())
            }
            Refusal::Forbidden => line(403),
            Refusal::Denied(response) => (**response).clone(),
            Refusal::TooManyConnections(_) => line(503).field("Retry-After", RETRY_SECS),
            Refusal::TimedOut | Refusal::TooSlow(_) => line(408),
            Refusal::Malformed(_) => line(400),
            Refusal::Store(error) => match error {
                store::Error::Unknown => line(404),
                store::Error::Mismatch | store::Error::Superseded => line(409),
                store::Error::LengthDiffers { .. }
                | store::Error::Overshoot { .. }
                | store::Error::DigestDiffers => line(400),
                store::Error::Differs(_) => line(412),
                store::Error::TooLarge { .. } | store::Error::FileTooLarge(_) => line(413),
                store::Error::HookDue => line(503).field("Retry-After", "1"),
                store::Error::TooManyPartialsOfAccount { .. } => {
                    line(429).field("Retry-After", PARTIALS_RETRY_SECS)
                }
                store::Error::TooManyPartials { .. } | store::Error::OverQuota(_) => line(507),
                store::Error::NoSpace(_) | store::Error::StorageFull(_) => line(507),
                store::Error::Displaced(_) => line(503).field("Retry-After", RETRY_SECS),
                store::Error::NotPublished(obstacle) => match obstacle.kind {
                    ObstacleKind::Passing => line(503).field("Retry-After", RETRY_SECS),
                    ObstacleKind::Refused => line(403),
                    ObstacleKind::TooLarge => line(413),
                    ObstacleKind::NoSpace => line(507),
                },
                store::Error::Poisoned | store::Error::Io(_) => line(500),
            },
        }
    }

    /// Returns an empty response with the reason.
    pub(crate) fn respond(&self, status: u16) -> Response {
        self.problem().response(status)
    }

    /// Returns the reason as a code. The match is exhaustive: a new reason compiles only with a code.
    fn problem(&self) -> Problem {
        match self {
            Refusal::Unauthenticated => Problem::SignIn,
            Refusal::TooManyLogins { .. } => Problem::TooManyLogins,
            Refusal::Forbidden | Refusal::Denied(_) => Problem::Forbidden,
            Refusal::TooManyConnections(_) => Problem::TooManyConnections,
            Refusal::TimedOut | Refusal::TooSlow(_) => Problem::TooSlow,
            Refusal::Malformed(_) => Problem::BadRequest,
            Refusal::Store(error) => match error {
                store::Error::Unknown => Problem::NotFound,
                store::Error::Mismatch | store::Error::Superseded => Problem::Conflict,
                store::Error::LengthDiffers { .. } | store::Error::Overshoot { .. } => {
                    Problem::DifferentLength
                }
                store::Error::DigestDiffers | store::Error::Differs(_) => Problem::DifferentBytes,
                store::Error::TooLarge { .. } | store::Error::FileTooLarge(_) => Problem::TooLarge,
                store::Error::HookDue => Problem::Busy,
                store::Error::TooManyPartialsOfAccount { .. }
                | store::Error::TooManyPartials { .. } => Problem::TooManyPartials,
                store::Error::OverQuota(_) => Problem::QuotaFull,
                store::Error::NoSpace(_) | store::Error::StorageFull(_) => Problem::DiskFull,
                store::Error::Displaced(_) => Problem::Unavailable,
                store::Error::NotPublished(obstacle) => match obstacle.kind {
                    ObstacleKind::Passing => Problem::Busy,
                    ObstacleKind::Refused if obstacle.is_about_name() => Problem::BadName,
                    ObstacleKind::Refused => Problem::CannotStore,
                    ObstacleKind::TooLarge => Problem::TooLarge,
                    ObstacleKind::NoSpace => Problem::DiskFull,
                },
                store::Error::Poisoned | store::Error::Io(_) => Problem::DiskFailed,
            },
        }
    }

    /// Returns whether the response may state an offset. After a disk failure the offset is unknown. If a full upload
    /// cannot be published, a client that gets its length would treat the file as complete.
    pub(super) fn may_state_offset(&self) -> bool {
        use store::Error::{Displaced, Io, NotPublished, Poisoned};
        !matches!(
            self,
            Refusal::TooManyConnections(_)
                | Refusal::TooManyLogins { .. }
                | Refusal::Store(Displaced(_) | NotPublished(_) | Poisoned | Io(_))
        )
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::TooManyLogins { after_secs } => {
                return write!(f, "too many logins failed; retry in {after_secs} s");
            }
            Refusal::Unauthenticated => "authentication required",
            Refusal::Forbidden | Refusal::Denied(_) => "this request is not permitted",
            Refusal::TooManyConnections(max) => {
                return write!(f, "too many connections from this address: at most {max}");
            }
            Refusal::TimedOut => "no byte arrived for too long; the received bytes are kept",
            Refusal::TooSlow(bytes_per_sec) => {
                return write!(
                    f,
                    "the body was slower than {} a second; the received bytes are kept",
                    Size(*bytes_per_sec)
                );
            }
            Refusal::Malformed(reason) => reason,
            // The path and the system error are for the log only.
            Refusal::Store(store::Error::Poisoned | store::Error::Io(_)) => {
                "the disk has failed; see the server's log"
            }
            Refusal::Store(store::Error::StorageFull(_)) => "the disk is full",
            Refusal::Store(error) => return error.fmt(f),
        })
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        Refusal::Store(error)
    }
}
