//! The subset of HTTP/1.1 that this server speaks, stated and strict (RFC 9110, RFC 9112).
//!
//! - Heads: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS; origin-form, absolute-form and `*`; lines end
//!   in CRLF; no folded lines, no white space before a colon, one Host. HTTP/1.0 is answered and closed.
//! - Bodies: `Content-Length` once, in digits; or `Transfer-Encoding: chunked` and no other coding;
//!   never both. Chunk extensions and trailers are passed over, within limits.
//! - `Expect: 100-continue` is answered when the head has been judged. Requests may be pipelined.
//! - A refusal that leaves a body unread closes: answer, half-close, a bounded drain.
//! - Not spoken: content codings, upgrades, `CONNECT`, `TRACE`, trailers' meaning, HTTP/2.
//!
//! What is taken here is taken by everybody; what anybody might read differently is refused.

pub(crate) mod body_decoder;
mod coalesce;
pub(crate) mod connection;
mod handler;
mod limits;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod read_buffer;
mod request;
mod response;
pub(crate) mod socket;

pub(crate) use handler::{Action, BodyEnd, BodySink, ConnectionCounts, Handler};
pub(crate) use limits::Limits;
pub use request::{Framing, Head, Malformed, Version};
pub use response::Response;
