//! Uploads behind a [`tiny_http::Server`].
//!
//! The protocols are the same. `tiny_http` 0.12 has faults that [`start`](crate::start) does not have:
//!
//! - A client that disconnects may end the process: the drop of a request allocates the missing part of its body.
//! - Heads have no maximum length. Heads, bodies and responses have no deadline. Each silent client occupies a thread.
//! - On a 32-bit machine, a body has at most 4 GiB.
//! - Fields other than ASCII are refused, so ids must be percent-encoded.
//!
//! Use it behind a proxy with limits, or in a trusted network.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use threadpool::ThreadPool;
use tiny_http::{Header, Request, Server};

use crate::http::{Head, Malformed, Peer, Response};
use crate::uploads::Uploads;

/// The bytes of a refused body to read: a connection that closes earlier may lose the response.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;

/// Answers every request of `server` in this number of `threads`, until [`Server::unblock`]. A client occupies a thread
/// until its request ends. Returns when all requests are answered: `tiny_http` sets no time
/// limit for a client that stops in a body.
pub fn serve(uploads: &Arc<Uploads>, server: &Server, threads: usize) {
    let pool = ThreadPool::new(threads.max(1));
    for request in server.incoming_requests() {
        let uploads = Arc::clone(uploads);
        pool.execute(move || {
            if let Err(error) = answer(&uploads, request) {
                log::debug!("cannot send the response: {error}");
            }
        });
    }
    pool.join();
}

/// Answers one request.
///
/// # Errors
///
/// The error of the socket, if the client does not receive the response.
pub fn answer(uploads: &Uploads, mut request: Request) -> io::Result<()> {
    let response = match head_of(&request) {
        Ok(head) => uploads.handle(&head, request.as_reader()),
        Err(malformed) => malformed.into(),
    };
    // tiny_http would read an unread rest into one allocation.
    if let Err(error) = io::copy(&mut request.as_reader().take(DRAIN_BYTES), &mut io::sink()) {
        log::debug!("cannot read the rest of the body: {error}");
    }
    let method = request.method().to_string();
    request.respond(convert(response, &method))
}

fn head_of(request: &Request) -> Result<Head, Malformed> {
    let fields = request.headers().iter();
    let fields = fields.map(|field| (field.field.as_str().as_str(), field.value.as_bytes()));
    let head = Head::from_parts(request.method().as_str(), request.url(), fields)?;
    // A Unix socket has no address.
    let peer = request
        .remote_addr()
        .map_or(Peer::Unix, |addr| addr.ip().into());
    Ok(head.with_peer(peer))
}

fn convert(response: Response, method: &str) -> tiny_http::Response<Cursor<Vec<u8>>> {
    // `tiny_http` states a length in a 304 too.
    let length = response.length(method == "HEAD" || response.status() == 304);
    let parts = response.into_parts(method);
    let headers = (parts.fields.iter())
        .filter_map(|(name, value)| Header::from_bytes(name.as_bytes(), value.as_bytes()).ok());
    tiny_http::Response::new(
        tiny_http::StatusCode(parts.status),
        headers.collect(),
        Cursor::new(parts.body.into_owned()),
        usize::try_from(length).ok(),
        None,
    )
    // `tiny_http` omits the length of a longer body, and for HEAD it is the offset.
    .with_chunked_threshold(usize::MAX)
}
