//! `/recent`: running uploads and recently finished files, for the page.
//!
//! ```json
//! {"under_way": [{"name": "film.mp4", "offset": 5, "length": 11, "idle_secs": 0, "publishing": null}],
//!  "arrived": [{"name": "a.jpg", "path": "a (1).jpg", "length": 7, "ago_secs": 60}], "free_bytes": 812000000000}
//! ```
//!
//! `free_bytes` is the number of bytes that the user can still send, or `null`.
//! `publishing` is the obstacle to the publishing of a full upload, or `null`. `name` is the name that the client gave,
//! or `null`; `path` is the path of the file. Times are durations, so that clocks need not agree.

use serde_json::{Value, json};

use crate::http::{Head, Response};
use crate::protocol::command::{Command, Operation, Target};
use crate::protocol::refusal::method_not_allowed;
use crate::store::UnderWay;

const PATH: &str = "/recent";

/// The maximum length of a name in the response: a client may choose a very long one.
const NAME_CHARS_MAX: usize = 500;

/// A recently finished file.
pub(crate) struct Arrived<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) length: u64,
    pub(crate) ago_secs: u64,
}

/// Returns `Some` for a request to `/recent`. An error is the response.
pub(crate) fn read(head: &Head) -> Option<Result<Command, Response>> {
    (head.path() == PATH).then(|| match head.method() {
        "GET" | "HEAD" => Ok(Command {
            target: Target::All,
            operation: Operation::List,
        }),
        _ => Err(method_not_allowed("GET, HEAD")),
    })
}

pub(crate) fn reply<'a>(
    under_way: impl Iterator<Item = UnderWay>,
    arrived: impl Iterator<Item = Arrived<'a>>,
    free_bytes: Option<u64>,
) -> Response {
    let under_way = under_way.map(|upload| {
        json!({
            "name": upload.name.as_deref().map(shortened),
            "offset": upload.offset,
            "length": upload.length,
            "idle_secs": upload.idle_secs,
            "publishing": upload.publishing,
        })
    });
    let arrived = arrived.map(|file| {
        json!({
            "name": file.name.map(shortened),
            "path": shortened(file.path),
            "length": file.length,
            "ago_secs": file.ago_secs,
        })
    });
    let (under_way, arrived): (Value, Value) = (under_way.collect(), arrived.collect());
    let list = json!({ "under_way": under_way, "arrived": arrived, "free_bytes": free_bytes });
    Response::new(200)
        .field("Cache-Control", "no-store")
        .body("application/json", list.to_string().into_bytes())
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}\u{2026}", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_name_is_cut_at_a_character() {
        let fits = "\u{d55c}".repeat(NAME_CHARS_MAX);
        assert_eq!(shortened(&fits), fits);
        assert_eq!(shortened(&format!("{fits}x")), format!("{fits}\u{2026}"));
    }
}
