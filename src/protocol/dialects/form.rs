//! Refuses requests that send a file in an unsupported way: as a form, as a `POST` of no dialect, or
//! to a wrong address. The response names a request that uploads.

use crate::http::{Head, Problem, Response};

use crate::protocol::dialects::x_file_id::{STATUS, UPLOAD};
use crate::protocol::pages::page;
use crate::protocol::parse::fields::media_type;
use crate::protocol::parse::files_path::FilesPath;
use crate::protocol::server_info::ServerInfo;

/// Request fields of the dialects: each of their clients sends at least one with a `POST`.
const MARKS: [&str; 12] = [
    "Tus-Resumable",
    "X-HTTP-Method-Override",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Offset",
    "Upload-Complete",
    "Upload-Incomplete",
    "Upload-Draft-Interop-Version",
    "X-Update-Range",
    "X-File-Id",
];

/// Returns the response to such a request; `None` for any other. A form gets a 415: its framing would become part of the file.
pub(crate) fn refuse(head: &Head, server: &ServerInfo) -> Option<Response> {
    let is_form = media_type(head).as_deref() == Some("multipart/form-data");
    let is_below_files = FilesPath::of(head).is_some();
    let (status, problem, what) = match (head.method(), head.path()) {
        ("PUT", UPLOAD) | (_, STATUS) => return None,
        ("POST" | "PUT", path) if is_form && (is_below_files || matches!(path, "/" | UPLOAD)) => {
            (415, Problem::Unsupported, "forms are not accepted")
        }
        ("POST" | "PUT", "/") => (
            400,
            Problem::BadRequest,
            "no file is accepted at this address",
        ),
        ("POST", _) if is_below_files && !is_marked(head) => (
            400,
            Problem::BadRequest,
            "a POST without fields of a protocol is not accepted",
        ),
        ("POST" | "PUT", path) if !is_below_files && path != UPLOAD && !page::has(path) => {
            (404, Problem::NotFound, "not found")
        }
        _ => return None,
    };
    let url = server.location(head, "");
    let line = format!("{what}; send a file with: curl -T FILE {url}\n");
    Some(problem.response(status).text(line))
}

fn is_marked(head: &Head) -> bool {
    let has = |name: &str| head.fields_named(name).next().is_some();
    let is_bytes = |media_type: String| media_type.starts_with("application/offset+");
    MARKS.iter().any(|name| has(name)) || media_type(head).is_some_and(is_bytes)
}
