//! The refusal of a request head.

use std::error::Error;
use std::fmt;

use crate::http::response::{Problem, Response};

/// A refused request head (RFC 9112, section 2.2): a status and a reason. The end of such a request is unknown, so its
/// connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    status: u16,
    reason: &'static str,
}

impl Malformed {
    /// Returns a 400: the head does not match the grammar.
    pub(super) const fn bad(reason: &'static str) -> Malformed {
        Malformed::new(400, reason)
    }

    /// Returns a refusal with another status: unsupported, or beyond a limit.
    pub(super) const fn new(status: u16, reason: &'static str) -> Malformed {
        Malformed { status, reason }
    }

    /// Returns the status of the response (RFC 9110, sections 15.5 and 15.6).
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the reason, one line. It never contains bytes of the request.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for Malformed {}

impl From<Malformed> for Response {
    fn from(malformed: Malformed) -> Response {
        Problem::BadRequest
            .response(malformed.status)
            .text(format!("{}\n", malformed.reason))
            .closing()
    }
}
