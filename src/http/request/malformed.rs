//! Why a request was refused before anybody looked at what it asks for.

use std::error::Error;
use std::fmt;

use crate::http::response::Response;

/// A request head that this server does not take (RFC 9112, section 2.2): the status to answer
/// with, and why. Where such a request ends is anyone's guess, so its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    status: u16,
    reason: &'static str,
}

impl Malformed {
    /// 400: the head breaks the grammar.
    pub(super) const fn bad(reason: &'static str) -> Malformed {
        Malformed::new(400, reason)
    }

    /// The grammar is kept; what it says is beyond this server, or beyond its limits.
    pub(super) const fn new(status: u16, reason: &'static str) -> Malformed {
        Malformed { status, reason }
    }

    /// The status to answer with (RFC 9110, sections 15.5 and 15.6).
    pub fn status(&self) -> u16 {
        self.status
    }

    /// One line that says what is wrong; never repeats bytes of the request.
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
        Response::new(malformed.status)
            .text(format!("{}\n", malformed.reason))
            .closing()
    }
}
