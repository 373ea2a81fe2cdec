//! `/health`: the state of the server, and of its directory.

use crate::http::{Head, Response};
use crate::store;

use crate::protocol::refusal::{method_not_allowed, unavailable};

/// Answers a request for `/health` with the result of `check`. Needs no user: the answer has no path and no name.
pub(crate) fn respond(
    head: &Head,
    check: impl FnOnce() -> Result<(), store::Error>,
) -> Option<Response> {
    (head.path() == "/health").then(|| match (head.method(), check()) {
        ("GET" | "HEAD", Ok(())) => Response::new(200)
            .field("Cache-Control", "no-store")
            .text("ok\n"),
        ("GET" | "HEAD", Err(error)) => unavailable(error).field("Cache-Control", "no-store"),
        _ => method_not_allowed("GET, HEAD"),
    })
}
