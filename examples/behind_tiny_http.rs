//! Uploads beside the routes of a program with its own `tiny_http` server.
//!
//! `cargo run --example behind_tiny_http --features tiny_http -- DIR ADDRESS`

use std::error::Error;
use std::thread;

use resumed::{Options, Uploads};
use tiny_http::{Request, Response, Server};

/// The threads of the server. Each body occupies one.
const THREADS: usize = 8;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "uploads".into());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let uploads = Uploads::open(dir, Options::default())?;
    let server = Server::http(address)?;
    println!("listening on http://{}", server.server_addr());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for request in server.incoming_requests() {
                    if let Err(error) = answer(&uploads, request) {
                        eprintln!("cannot send the response: {error}");
                    }
                }
            });
        }
    });
    Ok(())
}

/// Answers a route of the program, or leaves the request to the uploads. Without routes, `resumed::tiny_http::serve` is
/// enough.
fn answer(uploads: &Uploads, request: Request) -> std::io::Result<()> {
    let (path, _query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    match path {
        "/version" => request.respond(Response::from_string(env!("CARGO_PKG_VERSION"))),
        _ => resumed::tiny_http::answer(uploads, request),
    }
}
