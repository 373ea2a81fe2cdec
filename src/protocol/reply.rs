//! Response fields that the dialects share.

use crate::http::Response;
use crate::protocol::parse::fields::BASE64;
use crate::store::{Digest, Progress};
use base64::prelude::Engine;

/// Returns a response that states the progress in `Upload-Offset` and `Upload-Complete`.
pub(super) fn with_progress(response: Response, progress: Progress) -> Response {
    with_complete(with_offset(response, progress), progress.complete)
}

pub(super) fn with_offset(response: Response, progress: Progress) -> Response {
    response.field("Upload-Offset", progress.offset.to_string())
}

pub(super) fn with_complete(response: Response, complete: bool) -> Response {
    response.field("Upload-Complete", if complete { "?1" } else { "?0" })
}

/// Adds the SHA-256 of the whole file in `Repr-Digest` (RFC 9530), if it is known.
pub(super) fn with_digest(response: Response, digest: Option<Digest>) -> Response {
    match digest {
        Some(digest) => response.field(
            "Repr-Digest",
            format!("sha-256=:{}:", BASE64.encode(digest)),
        ),
        None => response,
    }
}
