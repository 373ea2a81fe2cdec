//! The browser page: the files of `demo/`, embedded in the binary.

use crate::http::{Head, Response};
use crate::protocol::refusal::{method_not_allowed, not_found};

/// Content Security Policy 3: only files of this server, and no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// HTTP Strict Transport Security (RFC 6797).
const HTTPS_FOR_A_YEAR: &str = "max-age=31536000";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

macro_rules! files {
    ($($path:literal $name:literal $type:ident,)*) => {
        &[$(File {
            path: $path,
            content_type: $type,
            content: include_bytes!(concat!("../../../demo/", $name)),
        },)*]
    };
}

const FILES: &[File] = files! {
    "/" "index.html" HTML,
    "/style.css" "style.css" CSS,
    "/announce.js" "announce.js" JS,
    "/awake.js" "awake.js" JS,
    "/begun.js" "begun.js" JS,
    "/contact.js" "contact.js" JS,
    "/crc32.js" "crc32.js" JS,
    "/folders.js" "folders.js" JS,
    "/gate.js" "gate.js" JS,
    "/grace.js" "grace.js" JS,
    "/job.js" "job.js" JS,
    "/list.js" "list.js" JS,
    "/names.js" "names.js" JS,
    "/notify.js" "notify.js" JS,
    "/options.js" "options.js" JS,
    "/outage.js" "outage.js" JS,
    "/page.js" "page.js" JS,
    "/plan.js" "plan.js" JS,
    "/problem.js" "problem.js" JS,
    "/proof.js" "proof.js" JS,
    "/reader.js" "reader.js" JS,
    "/reading.js" "reading.js" JS,
    "/recent.js" "recent.js" JS,
    "/row.js" "row.js" JS,
    "/sending.js" "sending.js" JS,
    "/tabs.js" "tabs.js" JS,
    "/thumbs.js" "thumbs.js" JS,
    "/unfinished.js" "unfinished.js" JS,
    "/uploader.js" "uploader.js" JS,
    "/watch.js" "watch.js" JS,
    "/wire.js" "wire.js" JS,
    "/words.js" "words.js" JS,
    "/worker.js" "worker.js" JS,
};

/// Returns whether a file of the page has this path.
pub(crate) fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

pub(crate) fn respond(head: &Head, with_hsts: bool) -> Response {
    let Some(file) = FILES.iter().find(|file| file.path == head.path()) else {
        return not_found();
    };
    match head.method() {
        "GET" | "HEAD" => {
            let response = Response::new(200)
                .field("Content-Security-Policy", POLICY)
                .field("Cache-Control", "no-cache")
                .body(file.content_type, file.content);
            match with_hsts {
                true => response.field("Strict-Transport-Security", HTTPS_FOR_A_YEAR),
                false => response,
            }
        }
        _ => method_not_allowed("GET, HEAD"),
    }
}
