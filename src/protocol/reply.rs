//! Response fields that the dialects share.

use crate::http::Response;
use crate::protocol::parse::fields::BASE64;
use crate::store::{Digest, Progress};
use base64::prelude::Engine;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that `encodeURIComponent` escapes (ECMA-262, "Encode"), without the slash between folders.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'/');

/// The maximum length of `X-File-Name` in bytes. The head of a response has to fit into the buffer of a proxy, which is
/// 4 KiB in nginx.
const NAME_BYTES_MAX: usize = 2048;

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

/// Adds the `path` of a published file in `X-File-Name`, percent-encoded. Omits a path that is too long.
pub(super) fn with_name(response: Response, path: &str) -> Response {
    let name = utf8_percent_encode(path, ESCAPED).to_string();
    if name.len() <= NAME_BYTES_MAX {
        response.field("X-File-Name", name)
    } else {
        response
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let response = with_name(Response::new(200), path);
        assert_eq!(response.get("X-File-Name"), expected);
    }

    #[test]
    fn path_is_percent_encoded() {
        check("trip/a (1).jpg", Some("trip/a%20(1).jpg"));
        check("\u{d55c}.txt", Some("%ED%95%9C.txt"));
        check("a\r\nSet-Cookie: b", Some("a%0D%0ASet-Cookie%3A%20b"));
    }

    #[test]
    fn too_long_path_is_omitted() {
        let longest = "a".repeat(NAME_BYTES_MAX);
        check(&longest, Some(&longest));
        check(&format!("{longest}a"), None);
    }
}
