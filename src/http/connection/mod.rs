//! One connection's life as a small state machine.
//!
//! ```text
//!          +-------------------------- next request --------------------------+
//!          v                                                                  |
//!        Head --> Body (windows) ----------------> Reply (what is unsent) ----+--> over
//!          |  \-> Blocking (waits for the disk) ----^   |
//!          |                                          v
//!          +--- refused or malformed -------------> Drain (reads on, so that the answer arrives)
//! ```
//!
//! What a consultation finds may also be that the body is wanted.
//!
//! A worker calls [`Connection::turn`]: it goes on as far as it can without waiting for the
//! network, and says what is next. Between turns a connection owns no buffer and no thread.

mod answering;
mod reading;
mod receiving;
mod state;

pub(crate) use state::{Connection, Crew, Next, Turn, Until, Wake};

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::handler::{BodyEnd, Handler};
use super::limits::Limits;
use super::read_buffer::ReadBuffer;
use super::response::Response;
use super::socket::Socket;
use state::{OVER, State, Step};

impl Connection {
    pub(crate) fn new(socket: Socket, limits: Arc<Limits>) -> Connection {
        let state = State::Head { since: None };
        Connection {
            socket,
            limits,
            state,
            left_over: Box::default(),
            displaced: false,
        }
    }

    /// Whether its next turn moves a body or waits for the disk, so that it needs a place.
    pub(crate) fn needs_place(&self) -> bool {
        matches!(
            self.state,
            State::Body(_) | State::Blocking(_) | State::Drain { .. }
        )
    }

    /// When it gives up waiting for a first request.
    pub(crate) fn first_deadline(&self) -> Instant {
        Instant::now() + self.limits.keep_alive_idle
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Goes on as far as it can without waiting for the network.
    pub(crate) fn turn(&mut self, wake: Wake, turn: Turn<'_>) -> Next {
        let Turn {
            handler,
            crew,
            buffer,
        } = turn;
        let mut window = ReadBuffer::new(buffer, &mem::take(&mut self.left_over));
        let mut state = mem::replace(&mut self.state, State::Over);
        match wake {
            Wake::Ready => {}
            Wake::Expired => state = self.expire(state, handler, crew, &mut window),
            Wake::Displaced => self.displaced = true,
        }
        loop {
            let step = match state {
                State::Head { since } => self.head(since, handler, crew, &mut window),
                State::Blocking(consult) => self.consult(consult, crew, &mut window),
                State::Body(body) => self.body(body, crew, &mut window),
                State::Reply(reply) => self.reply(reply, crew, &mut window),
                State::Drain { left, until } => self.drain(left, until, crew, &mut window),
                State::Over => OVER,
            };
            match step {
                Step::On(next) => state = next,
                Step::Leave(State::Body(body), Next::Park { .. }) if self.displaced => {
                    receiving::end(body.sink, BodyEnd::Cut, crew);
                    return Next::Close;
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

    /// A deadline has passed.
    fn expire(
        &mut self,
        state: State,
        handler: &dyn Handler,
        crew: &mut dyn Crew,
        window: &mut ReadBuffer<'_>,
    ) -> State {
        match state {
            State::Body(body) => {
                let response = receiving::end(body.sink, BodyEnd::TimedOut, crew);
                self.answer(response.closing(), body.to, body.decoder, window)
            }
            State::Head { since: Some(_) } => {
                let response = Response::new(408).text("the request head did not end in time\n");
                self.refuse(response, handler, window.bytes())
            }
            _ => State::Over,
        }
    }
}
