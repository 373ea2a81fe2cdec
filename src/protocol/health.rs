//! Whether the server answers and has its directory: for whoever starts it again when it does not.

use crate::http::{Head, Response};
use crate::store;

use super::problem::later;

/// The answer, where that is the question; `check` finds it. It needs no user: it tells no path and no name.
pub(crate) fn respond(
    head: &Head,
    check: impl FnOnce() -> Result<(), store::Error>,
) -> Option<Response> {
    (head.path() == "/health").then(|| match (head.method(), check()) {
        ("GET" | "HEAD", Ok(())) => Response::new(200)
            .field("Cache-Control", "no-store")
            .text("ok\n"),
        ("GET" | "HEAD", Err(error)) => later(error),
        _ => Response::method_not_allowed("GET, HEAD"),
    })
}
