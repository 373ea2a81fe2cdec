//! What a connection is and can be, and what its turns are made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::body_decoder::BodyDecoder;
use crate::http::coalesce::ArrivalRate;
use crate::http::handler::{Action, BodySink, Handler};
use crate::http::limits::Limits;
use crate::http::request::Version;
use crate::http::response::ReplyTo;
use crate::http::response::unsent::Unsent;
use crate::http::socket::Socket;

/// After so many bytes of a body a connection goes to the back of the queue if somebody waits: a millisecond or two.
pub(super) const QUANTUM_BYTES: u64 = 1024 * 1024;

/// Why a connection is given a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// What it waited for is there, or its place in the queue has come.
    Ready,
    /// Its deadline has passed.
    Expired,
    /// It has been silent longest, and its descriptor is needed.
    Displaced,
}

/// What comes after a turn.
#[derive(Debug)]
pub(crate) enum Next {
    /// Wait for the network, without a thread.
    Park { until: Until, deadline: Instant },
    /// Back of the queue.
    Queue,
    /// Nothing: it is over.
    Close,
}

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// There is something to read: what was left of what is there, or what comes.
    Readable,
    /// Something comes: this turn has taken all that was there.
    More,
    Writable,
    /// Look again then: see `pace.rs`.
    Look(Instant),
}

/// What a turn asks of the crew that works it.
pub(crate) trait Crew {
    /// Takes one of the places for turns that move bodies or wait for the disk. One worker has
    /// none, so heads are always read. Once taken it lasts to the end of the turn, or until that
    /// waits for the disk.
    fn claim_place(&mut self) -> bool;
    /// Says that this turn will be long: it moves more than is there now, and looks by itself for what comes.
    fn settle_in(&mut self, socket: &mut Socket);
    /// Says that this turn waits for the disk from now on. Its place may then be another's.
    fn wait_for_disk(&mut self);
    /// Whether another connection waits for a worker.
    fn others_wait(&self) -> bool;
    /// Whether the server is being stopped.
    fn stopping(&self) -> bool;
    /// The longest that a slow body may be left before the next look.
    fn coalesce_max(&self) -> Duration;
}

/// What a turn has to work with.
pub(crate) struct Turn<'a> {
    pub(crate) handler: &'a dyn Handler,
    pub(crate) crew: &'a mut dyn Crew,
    pub(crate) buffer: &'a mut [u8],
}

/// A client, between its first byte and its last.
pub(crate) struct Connection {
    pub(super) socket: Socket,
    pub(super) limits: Arc<Limits>,
    pub(super) state: State,
    pub(super) left_over: Box<[u8]>,
    /// This is its last turn: it may take what is there, and not wait for more.
    pub(super) displaced: bool,
}

pub(super) enum State {
    /// Between requests, or inside a head that began then.
    Head {
        since: Option<Instant>,
    },
    Blocking(Box<Blocking>),
    Body(Box<Body>),
    Reply(Box<Reply>),
    Drain {
        left: u64,
        until: Instant,
    },
    Over,
}

pub(super) enum Step {
    On(State),
    Leave(State, Next),
}

pub(super) const OVER: Step = Step::Leave(State::Over, Next::Close);

/// A request that waits for the disk.
pub(super) struct Blocking {
    pub(super) decide: Box<dyn FnOnce() -> Action + Send>,
    pub(super) asked: Asked,
}

/// What is kept of a head until it is known what becomes of its request.
pub(super) struct Asked {
    pub(super) to: ReplyTo,
    pub(super) version: Version,
    pub(super) expects_continue: bool,
    pub(super) unread: BodyDecoder,
}

/// A body that is on its way.
pub(super) struct Body {
    pub(super) decoder: BodyDecoder,
    pub(super) sink: Box<dyn BodySink>,
    pub(super) to: ReplyTo,
    pub(super) last_byte: Instant,
    pub(super) rate: ArrivalRate,
}

/// An answer on its way, and what follows it.
pub(super) struct Reply {
    pub(super) unsent: Unsent,
    pub(super) then: Then,
    pub(super) until: Instant,
}

/// What follows an answer.
pub(super) enum Then {
    /// Where nothing of it is there yet, it is waited for until then.
    NextRequest(Until),
    Drain,
    Close,
}
