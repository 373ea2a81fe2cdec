//! The same uploads behind a [`tiny_http::Server`] that a program runs already.
//!
//! The dialect is the same; the limits are those of `tiny_http` 0.12, and they are the reason why
//! [`start`](crate::start) drives sockets itself:
//!
//! - a client that vanishes with more of its body outstanding than the machine can allocate ends
//!   the process: the request allocates the rest when it is dropped;
//! - a head may grow without end, there is no deadline for heads, bodies or answers, and each silent
//!   client holds a thread;
//! - a body of more than 4 GiB cannot be announced on a 32-bit machine;
//! - fields that are not ASCII are refused, so ids have to be percent-encoded.
//!
//! Use it behind a proxy that buffers and limits, or among friends.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use threadpool::ThreadPool;
use tiny_http::{Header, Method, Request, Server};

use crate::http::{Head, Malformed, Response};
use crate::uploads::Uploads;

/// What is read of a body that nobody wants, so that the client gets to read the answer.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;

/// Answers every request of `server` in `pool`, until the server is unblocked. A worker is held for
/// as long as its client takes.
pub fn serve(uploads: &Arc<Uploads>, server: &Server, pool: &ThreadPool) {
    for request in server.incoming_requests() {
        let uploads = Arc::clone(uploads);
        pool.execute(move || {
            if let Err(error) = answer(&uploads, request) {
                log::debug!("an answer was not taken: {error}");
            }
        });
    }
}

/// Answers one request.
///
/// # Errors
///
/// When the client does not take the answer.
pub fn answer(uploads: &Uploads, mut request: Request) -> io::Result<()> {
    let response = match head_of(&request) {
        Ok(head) => uploads.handle(&head, request.as_reader()),
        Err(malformed) => malformed.into(),
    };
    // What is left unread here, tiny_http would read into one allocation of that size.
    if let Err(error) = io::copy(&mut request.as_reader().take(DRAIN_BYTES), &mut io::sink()) {
        log::debug!("the rest of a body did not come: {error}");
    }
    let head_only = *request.method() == Method::Head;
    request.respond(translated(&response, head_only))
}

fn head_of(request: &Request) -> Result<Head, Malformed> {
    let fields = request.headers().iter();
    let fields = fields.map(|field| (field.field.as_str().as_str(), field.value.as_bytes()));
    Head::from_parts(request.method().as_str(), request.url(), fields)
}

fn translated(response: &Response, head_only: bool) -> tiny_http::Response<Cursor<Vec<u8>>> {
    let body = response.body_bytes().to_vec();
    let length = usize::try_from(response.content_length(head_only)).ok();
    let headers = response
        .fields()
        .filter_map(|(name, value)| Header::from_bytes(name, value).ok());
    let status = tiny_http::StatusCode(response.status());
    tiny_http::Response::new(status, headers.collect(), Cursor::new(body), length, None)
}
