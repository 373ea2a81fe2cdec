//! A strict subset of HTTP/1.1 (RFC 9110, RFC 9112).
//!
//! - Heads: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS; origin-form, absolute-form and `*`. Lines end in CRLF. No folded
//!   line, no space before a colon, exactly one Host. After an HTTP/1.0 response the connection closes.
//! - Bodies: one `Content-Length` in digits, or `Transfer-Encoding: chunked` and no other coding, never both. Chunk
//!   extensions and trailers are skipped, within limits.
//! - `Expect: 100-continue` gets a 100 once the handler accepts the head. Requests may be pipelined.
//! - A refusal before the end of a body closes the connection: response, half-close, bounded drain.
//! - Not supported: content codings, upgrades, `CONNECT`, `TRACE`, the meaning of trailers, HTTP/2.
//!
//! The parser refuses any head that two servers could read differently: request smuggling depends on such heads.

pub(crate) mod body_decoder;
mod coalesce;
pub(crate) mod connection;
mod handler;
mod limits;
mod min_rate;
mod peer;
mod peer_limit;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod read_buffer;
mod request;
mod response;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod tls;

pub(crate) use handler::{Action, BodyEnd, BodySink, ConnectionCounts, Handler, Refused};
pub(crate) use limits::Limits;
pub use peer::Peer;
pub(crate) use peer_limit::{PeerLimit, PeerPermit};
pub use request::{Framing, Head, Malformed, Version};
pub(crate) use response::Problem;
pub use response::{Response, ResponseParts};
