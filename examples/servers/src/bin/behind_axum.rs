//! Uploads below `/up` of an axum program, over HTTP/1.1 and HTTP/2.
//!
//! `cargo run --bin behind_axum -- DIR ADDRESS`

use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Version};
use axum::response::{Redirect, Response};
use axum::routing::{any, get};
use resumed::{Head, Malformed, Options, ResponseParts, Uploads};
use tokio::net::TcpListener;
use tokio::task;
use tokio_stream::StreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// The path of the uploads in this program.
const PREFIX: &str = "/up";

/// The time between two bytes of a body.
const BODY_IDLE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "uploads".into());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let uploads = Arc::new(Uploads::open(dir, Options::default().public_url(PREFIX))?);
    let app = Router::new()
        .route("/version", get(async || env!("CARGO_PKG_VERSION")))
        .route("/up", get(async || Redirect::permanent("/up/")))
        .route("/up/", any(answer))
        .route("/up/{*path}", any(answer))
        .with_state(uploads);
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

async fn answer(
    State(uploads): State<Arc<Uploads>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    as_http1(&mut parts, &body);
    let bytes = body.into_data_stream().timeout(BODY_IDLE);
    let bytes = bytes.map(|read| read.map_err(io::Error::other)?.map_err(io::Error::other));
    let mut reader = SyncIoBridge::new(StreamReader::new(Box::pin(bytes)));
    // The upload waits for the disk and for the client: each body occupies a thread, of 512 by default.
    let handled = task::spawn_blocking(move || handle(&uploads, &parts, peer, &mut reader));
    to_axum(handled.await.expect("the uploads do not panic"))
}

/// Adds the fields that HTTP/2 replaces: the host, and the framing of a body without a length.
fn as_http1(parts: &mut Parts, body: &Body) {
    if parts.version < Version::HTTP_2 {
        return;
    }
    let authority = parts.uri.authority();
    if let Some(Ok(host)) = authority.map(|authority| HeaderValue::from_str(authority.as_str())) {
        parts.headers.insert(HOST, host);
    }
    if !body.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH) {
        let chunked = HeaderValue::from_static("chunked");
        parts.headers.insert(TRANSFER_ENCODING, chunked);
    }
}

fn handle(
    uploads: &Uploads,
    parts: &Parts,
    peer: SocketAddr,
    body: &mut dyn Read,
) -> ResponseParts {
    let response = match head(parts) {
        Ok(head) => uploads.handle(&head.with_peer(peer.ip().into()), body),
        Err(malformed) => malformed.into(),
    };
    response.into_parts(parts.method.as_str())
}

fn head(parts: &Parts) -> Result<Head, Malformed> {
    let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let target = target.strip_prefix(PREFIX).unwrap_or(target);
    Head::from_parts(parts.method.as_str(), target, &parts.headers)
}

fn to_axum(parts: ResponseParts) -> Response {
    let mut response = Response::builder().status(parts.status);
    for (name, value) in parts.fields {
        response = response.header(name, value);
    }
    if let Some(length) = parts.content_length {
        response = response.header(CONTENT_LENGTH, length);
    }
    if parts.is_closing {
        response = response.header(CONNECTION, "close"); // hyper leaves it out of HTTP/2
    }
    let response = response.body(Body::from(parts.body));
    response.expect("the fields are valid")
}
