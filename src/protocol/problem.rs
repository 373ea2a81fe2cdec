//! Refusals that several dialects share.

use std::fmt::Display;

use crate::http::Response;
use crate::store::{Obstacle, ObstacleKind};

/// A kind of refusal that programs understand (RFC 9457).
pub(super) struct Problem {
    /// As it is registered.
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
}

impl Problem {
    /// The answer that says so; `members` are more of its JSON, each with a comma before it.
    pub(super) fn say(&self, status: u16, members: &str) -> Response {
        let Problem { kind, title } = self;
        let kind = format!("https://iana.org/assignments/http-problem-types#{kind}");
        let json = format!("{{\"type\":\"{kind}\",\"title\":\"{title}\"{members}}}\n");
        Response::new(status).body("application/problem+json", json.into_bytes())
    }
}

/// The `Retry-After` of an obstacle that may pass, in seconds.
const RETRY_SECS: u64 = 5;

/// Returns a 503 without an offset, for a time when the server cannot know it.
pub(super) fn later(reason: impl Display) -> Response {
    Response::new(503)
        .field("Cache-Control", "no-store")
        .field("Retry-After", RETRY_SECS.to_string())
        .text(format!("{reason}\n"))
}

/// Returns the answer for a full upload that cannot be published. It has no offset: a client that gets the full length
/// sends nothing more, and treats the file as complete.
pub(super) fn not_published(obstacle: &Obstacle) -> Response {
    let status = match obstacle.kind {
        ObstacleKind::Passing => 503,
        ObstacleKind::Refused => 403,
        ObstacleKind::TooLarge => 413,
        ObstacleKind::NoSpace => 507,
    };
    let response = Response::new(status)
        .field("Cache-Control", "no-store")
        .text(format!("{obstacle}\n"));
    match obstacle.kind {
        ObstacleKind::Passing => response.field("Retry-After", RETRY_SECS.to_string()),
        ObstacleKind::Refused | ObstacleKind::TooLarge | ObstacleKind::NoSpace => response,
    }
}
