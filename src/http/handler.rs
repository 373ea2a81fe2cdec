//! The interface between connections and the code that gives requests a meaning.

use std::time::Instant;

use super::peer::Peer;
use super::peer_limit::PeerPermit;
use super::request::Head;
use super::response::Response;

/// The next step of a connection with a request.
pub(crate) enum Action {
    /// Sends this response. The body of the request, if any, is not read by the handler.
    Respond(Response),
    /// Runs this closure, which may wait for the disk, and then the action that it returns.
    Blocking(Box<dyn FnOnce() -> Action + Send>),
    /// Parks the connection until this time, then runs this closure, which must not block, and then the action that it
    /// returns.
    After(Instant, Box<dyn FnOnce() -> Action + Send>),
    /// Passes the body to the sink, one window after another.
    Receive {
        /// An informational response to send first (HTTP/1.1 only).
        interim: Option<Response>,
        /// The destination of the body.
        sink: Box<dyn BodySink>,
    },
}

/// The destination of one request body.
pub(crate) trait BodySink: Send {
    /// Returns whether [`write`](BodySink::write) may wait for the disk, with up to so many bytes.
    fn write_blocks(&self, bytes: usize) -> bool;
    /// Takes the next bytes of the body, in order. After a refusal no further byte is passed, and the body ends.
    fn write(&mut self, window: &[u8]) -> Result<(), Refused>;
    /// Returns whether [`end`](BodySink::end) waits for the disk.
    fn end_blocks(&self) -> bool;
    /// Takes the end of the body and returns the response.
    fn end(self: Box<Self>, end: BodyEnd) -> Response;
}

/// The refusal of a window. [`BodySink::end`] returns the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// The end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// All bytes that the framing announced have arrived.
    Complete,
    /// The sink has refused bytes.
    Refused,
    /// The connection ended first; the response cannot be delivered.
    Cut,
    /// No byte arrived for [`Limits::body_idle`](super::Limits::body_idle).
    TimedOut,
    /// The body was slower than this rate, [`Limits::min_rate`](super::Limits::min_rate).
    TooSlow { bytes_per_sec: u64 },
    /// The chunked framing is malformed. All bytes before the error were written.
    Malformed(&'static str),
}

/// The number of connections that wait for the network, and of those in a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionCounts {
    pub(crate) parked: usize,
    pub(crate) active: usize,
}

/// Handles the requests of all connections.
pub(crate) trait Handler: Send + Sync {
    /// Decides from the head alone. May read files; must not wait for a sync.
    fn handle(&self, head: &Head) -> Action;

    /// Reports a refusal with this status, of bytes of `peer` that are no request or came too late, or of its connection.
    fn refused(&self, _status: u16, _peer: Peer) {}

    /// Admits one more connection of `peer`. An error is the response to it.
    fn admit(&self, _peer: Peer) -> Result<PeerPermit, Response> {
        Ok(PeerPermit::default())
    }
}
