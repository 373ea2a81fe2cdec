//! Whether the server answers: for whoever starts it again when it does not.

use crate::http::{Head, Response};

/// The answer, where that is the question. It needs no user: it tells nothing.
pub(crate) fn respond(head: &Head) -> Option<Response> {
    (head.path() == "/health").then(|| match head.method() {
        "GET" | "HEAD" => Response::new(200)
            .field("Cache-Control", "no-store")
            .text("ok\n"),
        _ => Response::method_not_allowed("GET, HEAD"),
    })
}
