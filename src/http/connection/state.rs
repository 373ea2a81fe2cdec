//! The states of a connection, and the types of its interface to the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::body_decoder::BodyDecoder;
use crate::http::coalesce::ArrivalRate;
use crate::http::handler::{Action, BodyEnd, BodySink};
use crate::http::limits::Limits;
use crate::http::min_rate::RateMeter;
use crate::http::request::Version;
use crate::http::response::ReplyTo;
use crate::http::response::unsent::Unsent;
use crate::http::socket::Socket;

/// The bytes of a body that one poll reads if another task waits: 1 to 2 ms.
pub(super) const QUANTUM_BYTES: u64 = 1024 * 1024;

/// The reason for which a task is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The socket is ready, the time has come, or a worker is free.
    Ready,
    /// The deadline has passed.
    Expired,
    /// Unfinished heads take too much memory, and that of this connection is the largest.
    Evicted,
    /// The table is full, and this connection has been silent longest. It takes the bytes that are there, and closes.
    Displaced,
}

/// The next step after a poll.
#[derive(Debug)]
pub(crate) enum Next {
    /// Park the connection.
    Park { until: Until, deadline: Instant },
    /// Put the task at the end of the run queue.
    Requeue,
    /// Close the connection.
    Close,
}

/// The event that ends the parking of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The socket is readable, also with bytes that this poll left unread.
    Readable,
    Writable,
    /// This time: the socket is not registered meanwhile (read coalescing, [`Action::After`]).
    Time(Instant),
}

/// The resources of the engine that a task uses while it is polled.
pub(crate) trait TaskContext {
    /// Acquires a body permit, if one is free. The task keeps it to the end of the poll, or to `enter_disk_wait`.
    fn acquire_body_permit(&mut self) -> bool;
    /// Acquires a handshake permit, if one is free. The task keeps it to the end of the poll, or to another permit.
    fn acquire_handshake_permit(&mut self) -> bool;
    /// Exchanges the body permit for a disk permit, before this poll waits for the disk. Acquires a body permit first if
    /// needed. Returns false if no body permit is free: the task must not wait for the disk. Without a free disk permit
    /// the task keeps its body permit, and may wait.
    #[must_use]
    fn enter_disk_wait(&mut self) -> bool;
    /// Returns whether another task waits for a worker.
    fn has_waiting(&self) -> bool;
    /// Returns whether the server is stopping.
    fn is_stopping(&self) -> bool;
    /// Returns the longest time that a slow body is not read.
    fn coalesce_max(&self) -> Duration;
}

/// The connection of one client, between two polls.
pub(crate) struct Connection {
    pub(super) socket: Socket,
    pub(super) limits: Arc<Limits>,
    pub(super) state: State,
    pub(super) left_over: Box<[u8]>,
    /// See [`Wake::Displaced`].
    pub(super) displaced: bool,
}

/// The permit that the next poll of a connection needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    NoPermit,
    /// It moves a body or waits for the disk.
    Body,
    Handshake,
}

pub(super) enum State {
    /// Before the first request, with TLS. The first byte arrived at `since`.
    Handshake {
        since: Option<Instant>,
    },
    /// Between two requests, or in a head.
    Head {
        since: Since,
    },
    Blocking(Box<Blocking>),
    Waiting(Box<Waiting>),
    Body(Box<Body>),
    Reply(Box<Reply>),
    Drain {
        left: u64,
        until: Instant,
    },
    Over,
}

/// The begin of the time of a head. Records without data do not move it.
#[derive(Clone, Copy)]
pub(super) enum Since {
    /// The connection is silent since this time.
    Silent(Instant),
    /// The first byte arrived at this time. With TLS it may be that of an unfinished record.
    FirstByte(Instant),
}

impl Since {
    pub(super) fn silent() -> Since {
        Since::Silent(Instant::now())
    }

    pub(super) fn or_first_byte(self) -> Since {
        match self {
            Since::Silent(_) => Since::FirstByte(Instant::now()),
            begun @ Since::FirstByte(_) => begun,
        }
    }

    pub(super) fn deadline(self, limits: &Limits) -> Instant {
        match self {
            Since::Silent(at) => at + limits.keep_alive_idle,
            Since::FirstByte(at) => at + limits.head_timeout,
        }
    }
}

pub(super) enum Step {
    On(State),
    Leave(State, Next),
}

pub(super) const OVER: Step = Step::Leave(State::Over, Next::Close);

/// A blocking action that waits for a body permit.
pub(super) struct Blocking {
    pub(super) decide: Box<dyn FnOnce() -> Action + Send>,
    pub(super) request: RequestInfo,
}

/// An action that waits for a time.
pub(super) struct Waiting {
    pub(super) at: Instant,
    pub(super) decide: Box<dyn FnOnce() -> Action + Send>,
    pub(super) request: RequestInfo,
}

/// The parts of a head that its action needs.
pub(super) struct RequestInfo {
    pub(super) to: ReplyTo,
    pub(super) version: Version,
    pub(super) expects_continue: bool,
    pub(super) unread: BodyDecoder,
}

/// A body of which bytes are missing.
pub(super) struct Body {
    pub(super) decoder: BodyDecoder,
    pub(super) sink: Box<dyn BodySink>,
    pub(super) to: ReplyTo,
    pub(super) last_byte: Instant,
    pub(super) rate: ArrivalRate,
    pub(super) meter: RateMeter,
    /// The end of a body that ends otherwise than by its framing. The sink gets it when the worker has a permit.
    pub(super) ended: Option<BodyEnd>,
}

/// A response of which bytes are unsent, and the step after it.
pub(super) struct Reply {
    pub(super) unsent: Unsent,
    pub(super) then: Then,
    pub(super) until: Instant,
}

/// The step after a response.
pub(super) enum Then {
    NextRequest,
    Drain,
    Close,
}
