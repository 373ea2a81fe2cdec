//! What an engine asks of those who know what a request means.

use super::request::Head;
use super::response::Response;

/// What a connection should do with a request, decided from its head alone.
pub(crate) enum Action {
    /// The answer is known; the body, if there is one, is not wanted.
    Respond(Response),
    /// What to do has to wait for the disk.
    Consult(Box<dyn FnOnce() -> Action + Send>),
    /// The body is wanted, window by window.
    Receive {
        /// An informational answer to send first (only to HTTP/1.1).
        interim: Option<Response>,
        /// Who takes the body.
        receiver: Box<dyn Receiver>,
    },
}

/// Takes a body window by window; owns no socket.
pub(crate) trait Receiver: Send {
    /// Takes the next bytes of the body, in order. An error is the answer: nothing more is wanted.
    fn write(&mut self, window: &[u8]) -> Result<(), Response>;
    /// Whether [`end`](Receiver::end) waits for the disk.
    fn end_waits(&self) -> bool;
    /// Is told how the body ended, and answers. A cut is not an error.
    fn end(self: Box<Self>, ended: Ended) -> Response;
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every byte that its framing announced has arrived.
    Whole,
    /// The connection ended first; nobody will read the answer.
    Cut,
    /// No byte came for the time that a silent body is given.
    TimedOut,
    /// Its chunked framing broke; what came before the break has been written.
    Malformed(&'static str),
}

/// How many clients there are: those that wait for the network, and those whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) parked: usize,
    pub(crate) active: usize,
}

/// Decides what becomes of a request. One for all connections.
pub(crate) trait Service: Send + Sync {
    /// Decides from the head alone; may look at files, must not wait for the disk.
    fn respond(&self, head: &Head) -> Action;

    /// Is told that what came was no request, or not in time, and how that was answered.
    fn refused(&self, _status: u16) {}
}
