//! Refusals that programs understand.

use crate::http::Response;

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
