//! The state machine of one connection.
//!
//! ```text
//! (Handshake, with TLS)
//!          |
//!          +-------------------------- next request --------------------------+
//!          v                                                                  |
//!        Head --> Body (windows) ----------------> Reply (unsent bytes) ------+--> over
//!          |  \-> Blocking (waits for the disk) --^   |
//!          |                                          v
//!          +--- refused or malformed -------------> Drain (reads on, so that the response arrives)
//! ```
//!
//! A blocking action can end in a response or in a body. An action that waits for a time is parked in `Waiting`.
//!
//! A worker calls [`Connection::poll`]: the connection goes on as far as it can without waiting for the network, and
//! returns the next step. Between two polls it owns no buffer and no thread.

mod read_body;
mod read_head;
mod state;
mod write_response;

pub(crate) use state::{Connection, Needs, Next, TaskContext, Until, Wake};
pub(crate) use write_response::refuse_new;

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::handler::{BodyEnd, Handler};
use super::limits::Limits;
use super::read_buffer::ReadBuffer;
use super::response::Problem;
use super::socket::Socket;
use state::{OVER, Since, State, Step};

/// The `Retry-After` of an evicted head, in seconds.
const RETRY_SECS: &str = "5";

impl Connection {
    pub(crate) fn new(socket: Socket, limits: Arc<Limits>) -> Connection {
        let state = match socket.is_handshaking() {
            true => State::Handshake { since: None },
            false => State::Head {
                since: Since::silent(),
            },
        };
        Connection {
            socket,
            limits,
            state,
            left_over: Box::default(),
            displaced: false,
        }
    }

    /// Returns the permit that the next poll needs.
    pub(crate) fn needs(&self) -> Needs {
        match self.state {
            State::Handshake { .. } => Needs::Handshake,
            State::Body(_) | State::Blocking(_) | State::Drain { .. } => Needs::Body,
            State::Head { .. } | State::Waiting(_) | State::Reply(_) | State::Over => {
                Needs::NoPermit
            }
        }
    }

    /// Returns whether an action of the handler waits for a time.
    pub(crate) fn is_delayed(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Returns the deadline of the first request.
    pub(crate) fn first_deadline(&self) -> Instant {
        Instant::now() + self.limits.keep_alive_idle
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Returns the number of bytes of an unfinished head or handshake that the connection keeps.
    pub(crate) fn head_bytes(&self) -> usize {
        match self.state {
            State::Head { .. } | State::Handshake { .. } => {
                self.left_over.len() + self.socket.partial_bytes()
            }
            _ => 0,
        }
    }

    /// Notes that the connection is no longer parked. Later time is not the client's.
    pub(crate) fn unparked(&mut self) {
        if let State::Body(body) = &mut self.state {
            body.meter.stop(Instant::now());
        }
    }

    /// Goes on as far as possible without waiting for the network.
    pub(crate) fn poll(
        &mut self,
        wake: Wake,
        handler: &dyn Handler,
        context: &mut dyn TaskContext,
        buffer: &mut [u8],
    ) -> Next {
        let mut window = ReadBuffer::new(buffer, &mem::take(&mut self.left_over));
        let mut state = mem::replace(&mut self.state, State::Over);
        match wake {
            Wake::Ready => {}
            Wake::Expired => state = self.expire(state, handler, &window),
            Wake::Evicted => state = self.evict(state, handler, &window),
            Wake::Displaced => self.displaced = true,
        }
        loop {
            let step = match state {
                State::Handshake { since } => self.handshake(since, handler, context, &mut window),
                State::Head { since } => self.head(since, handler, context, &mut window),
                State::Waiting(waiting) => self.waiting(waiting, context, &mut window),
                State::Blocking(blocking) => self.blocking(blocking, context, &mut window),
                State::Body(body) => self.body(body, context, &mut window),
                State::Reply(reply) => self.reply(reply, context, &mut window),
                State::Drain { left, until } => self.drain(left, until, context, &mut window),
                State::Over => OVER,
            };
            match step {
                Step::On(next) => state = next,
                Step::Leave(State::Body(body), Next::Park { .. }) if self.displaced => {
                    state = State::Body(body.ended_by(BodyEnd::Cut));
                }
                Step::Leave(_, Next::Park { .. }) if self.displaced => return Next::Close,
                Step::Leave(rest, next) => {
                    self.state = rest;
                    self.left_over = window.bytes().into();
                    return next;
                }
            }
        }
    }

    /// Ends an unfinished head that takes too much memory.
    fn evict(&self, state: State, handler: &dyn Handler, window: &ReadBuffer<'_>) -> State {
        match state {
            State::Head { .. } => {
                let response = Problem::Busy
                    .response(503)
                    .field("Retry-After", RETRY_SECS)
                    .text("unfinished request heads take too much memory\n");
                self.refuse(response, handler, window.bytes())
            }
            State::Handshake { .. } => State::Over,
            other => other,
        }
    }

    /// Ends a state whose deadline has passed.
    fn expire(&self, state: State, handler: &dyn Handler, window: &ReadBuffer<'_>) -> State {
        match state {
            State::Body(body) if Instant::now() >= body.last_byte + self.limits.body_idle => {
                State::Body(body.ended_by(BodyEnd::TimedOut))
            }
            // The period of the minimum rate is over. The body is judged after its last bytes were read.
            State::Body(body) => State::Body(body),
            State::Head {
                since: Since::FirstByte(_),
            } => {
                let response = Problem::TooSlow.response(408);
                let response = response.text("the request head did not end in time\n");
                self.refuse(response, handler, window.bytes())
            }
            State::Waiting(waiting) => State::Waiting(waiting),
            _ => State::Over,
        }
    }
}
