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
        .field("Retry-After", RETRY_SECS.to_string())
        .text(format!("{reason}\n"))
}

/// The `Retry-After` of a client with too many partial uploads, in seconds: it can complete some meanwhile.
const PARTIALS_RETRY_SECS: u64 = 60;

/// The `Retry-After` of an obstacle that may pass, in seconds.
const RETRY_SECS: u64 = 5;

impl Refusal {
    /// Returns the response of all dialects that have no other one of their own.
    pub(crate) fn response(&self) -> Response {
        let (status, problem, retry_secs) = self.terms();
        let line = problem.response(status).text(format!("{self}\n"));
        match (self, retry_secs) {
            (Refusal::Denied(response), _) => (**response).clone(),
            (Refusal::Unauthenticated, _) => line.field(
                "WWW-Authenticate",
                "Basic realm=\"resumed\", charset=\"UTF-8\"",
            ),
            (_, Some(secs)) => line.field("Retry-After", secs.to_string()),
            (_, None) => line,
        }
    }

    /// Returns an empty response with the code of the reason.
    pub(crate) fn respond(&self, status: u16) -> Response {
        self.terms().1.response(status)
    }

    /// Returns the status, the code, and the `Retry-After` in seconds. The match is exhaustive: a new reason compiles only
    /// with all of them.
    fn terms(&self) -> (u16, Problem, Option<u64>) {
        match self {
            Refusal::Unauthenticated => (401, Problem::SignIn, None),
            Refusal::TooManyLogins { after_secs } => {
                (429, Problem::TooManyLogins, Some(*after_secs))
            }
            Refusal::Forbidden | Refusal::Denied(_) => (403, Problem::Forbidden, None),
            Refusal::TooManyConnections(_) => (503, Problem::TooManyConnections, Some(RETRY_SECS)),
            Refusal::TimedOut | Refusal::TooSlow(_) => (408, Problem::TooSlow, None),
            Refusal::Malformed(_) => (400, Problem::BadRequest, None),
            Refusal::Store(error) => match error {
                store::Error::Unknown => (404, Problem::NotFound, None),
                store::Error::Mismatch | store::Error::Superseded => (409, Problem::Conflict, None),
                store::Error::LengthDiffers { .. } | store::Error::Overshoot { .. } => {
                    (400, Problem::DifferentLength, None)
                }
                store::Error::DigestDiffers => (400, Problem::DifferentBytes, None),
                store::Error::Differs(_) => (412, Problem::DifferentBytes, None),
                store::Error::TooLarge { .. } | store::Error::FileTooLarge(_) => {
                    (413, Problem::TooLarge, None)
                }
                store::Error::HookDue => (503, Problem::Busy, Some(1)),
                store::Error::TooManyPartialsOfAccount { .. } => {
                    (429, Problem::TooManyPartials, Some(PARTIALS_RETRY_SECS))
                }
                store::Error::TooManyPartials { .. } => (507, Problem::TooManyPartials, None),
                store::Error::OverQuota(_) => (507, Problem::QuotaFull, None),
                store::Error::NoSpace(_) | store::Error::StorageFull(_) => {
                    (507, Problem::DiskFull, None)
                }
                store::Error::Displaced(_) => (503, Problem::Unavailable, Some(RETRY_SECS)),
                store::Error::NotPublished(obstacle) => match obstacle.kind {
                    ObstacleKind::Passing => (503, Problem::Busy, Some(RETRY_SECS)),
                    ObstacleKind::Refused if obstacle.is_about_name() => {
                        (403, Problem::BadName, None)
                    }
                    ObstacleKind::Refused => (403, Problem::CannotStore, None),
                    ObstacleKind::TooLarge => (413, Problem::TooLarge, None),
                    ObstacleKind::NoSpace => (507, Problem::DiskFull, None),
                },
                store::Error::Poisoned | store::Error::Io(_) => (500, Problem::DiskFailed, None),
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
