//! Uploads below `/up` of a rouille program.
//!
//! `cargo run --bin behind_rouille -- DIR ADDRESS`
//!
//! rouille uses `tiny_http`: the documentation of `resumed::tiny_http` names the limits of that server. Besides, a `HEAD`
//! for more than 32 KiB has no `Content-Length`; clients find the offset in `Upload-Offset`.

use std::error::Error;
use std::io::{self, Cursor, Read};

use resumed::{Head, Malformed, Options, Uploads};
use rouille::{Request, Response, ResponseBody, Server};

/// The path of the uploads in this program.
const PREFIX: &str = "/up";

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "uploads".into());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let uploads = Uploads::open(dir, Options::default().public_url(PREFIX))?;
    let server = Server::new(address, move |request| site(&uploads, request))?;
    println!("listening on http://{}", server.server_addr());
    server.run();
    Ok(())
}

fn site(uploads: &Uploads, request: &Request) -> Response {
    match request.raw_url().strip_prefix(PREFIX) {
        Some("") => return Response::redirect_301("/up/"),
        Some(target) if target.starts_with('/') => return answer(uploads, request, target),
        _ => {}
    }
    match request.url().as_str() {
        "/version" => Response::text(env!("CARGO_PKG_VERSION")),
        _ => Response::empty_404(),
    }
}

fn answer(uploads: &Uploads, request: &Request, target: &str) -> Response {
    let mut body: Box<dyn Read> = match request.data() {
        Some(body) => Box::new(body),
        None => Box::new(io::empty()),
    };
    let response = match head(request, target) {
        Ok(head) => uploads.handle(&head, &mut body),
        Err(malformed) => malformed.into(),
    };
    let parts = response.into_parts(request.method());
    // rouille offers no way to close the connection: `is_closing` has no effect.
    let fields = parts.fields.into_iter();
    let body = Cursor::new(parts.body);
    Response {
        status_code: parts.status,
        headers: fields
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        data: match parts
            .content_length
            .and_then(|length| usize::try_from(length).ok())
        {
            Some(length) => ResponseBody::from_reader_and_size(body, length),
            None => ResponseBody::from_reader(body),
        },
        upgrade: None,
    }
}

fn head(request: &Request, target: &str) -> Result<Head, Malformed> {
    let head = Head::from_parts(request.method(), target, request.headers())?;
    Ok(head.with_peer(request.remote_addr().ip().into()))
}
