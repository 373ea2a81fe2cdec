//! One connection's life as a small state machine.
//!
//! ```text
//!          +-------------------------- next request --------------------------+
//!          v                                                                  |
//!        Head --> Body (windows) ----------------> Reply (what is unsent) ----+--> over
//!          |  \-> Consult (asks the disk) --------^   |
//!          |                                          v
//!          +--- refused or malformed -------------> Drain (reads on, so that the answer arrives)
//! ```
//!
//! A worker calls [`Connection::turn`]: it goes on as far as it can without waiting for the
//! network, and says what is next. Between turns a connection owns no buffer and no thread.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::Decoder;
use super::head::{Head, Version};
use super::limits::Limits;
use super::pace::Pace;
use super::response::{ReplyTo, Response};
use super::service::{Action, Ended, Receiver, Service};
use super::socket::Socket;
use super::unsent::Unsent;
use super::window::{Fill, Window};

/// What a worker reads at once while it waits for a head: a small upload comes whole.
const HEAD_READ_BYTES: u64 = 32 * 1024;

/// After so many bytes of a body a connection goes to the back of the queue if somebody waits.
const QUANTUM_BYTES: u64 = 4 * 1024 * 1024;

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
    Readable,
    Writable,
    /// Look again then: see `pace.rs`.
    Look(Instant),
}

/// What a turn asks of the crew that works it.
pub(crate) trait Crew {
    /// Takes one of the places for turns that move bodies or wait for the disk. One worker has
    /// none, so heads are always read. Once taken it lasts to the end of the turn.
    fn claim_place(&mut self) -> bool;
    /// Whether another connection waits for a worker.
    fn others_wait(&self) -> bool;
    /// Whether the server is being stopped.
    fn stopping(&self) -> bool;
    /// The longest that a slow body may be left before the next look.
    fn longest_look(&self) -> Duration;
}

/// What a turn has to work with.
pub(crate) struct Turn<'a> {
    pub(crate) service: &'a dyn Service,
    pub(crate) crew: &'a mut dyn Crew,
    pub(crate) buffer: &'a mut [u8],
}

/// A client, between its first byte and its last.
pub(crate) struct Connection {
    socket: Socket,
    limits: Arc<Limits>,
    state: State,
    left_over: Box<[u8]>,
    /// This is its last turn: it may take what is there, and not wait for more.
    displaced: bool,
}

enum State {
    /// Between requests, or inside a head that began then.
    Head {
        since: Option<Instant>,
    },
    Consult(Box<Consult>),
    Body(Box<Body>),
    Reply(Box<Reply>),
    Drain {
        left: u64,
        until: Instant,
    },
    Over,
}

struct Consult {
    answer: Box<dyn FnOnce() -> Response + Send>,
    to: ReplyTo,
    unread: Decoder,
}

struct Body {
    decoder: Decoder,
    receiver: Box<dyn Receiver>,
    to: ReplyTo,
    last_byte: Instant,
    pace: Pace,
}

struct Reply {
    unsent: Unsent,
    then: Then,
    until: Instant,
}

/// What follows an answer.
enum Then {
    NextRequest,
    Drain,
    Close,
}

enum Step {
    On(State),
    Leave(State, Next),
}

const OVER: Step = Step::Leave(State::Over, Next::Close);

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
            State::Body(_) | State::Consult(_) | State::Drain { .. }
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
            service,
            crew,
            buffer,
        } = turn;
        let mut window = Window::new(buffer, &mem::take(&mut self.left_over));
        let mut state = mem::replace(&mut self.state, State::Over);
        match wake {
            Wake::Ready => {}
            Wake::Expired => state = self.expire(state, &mut window),
            Wake::Displaced => self.displaced = true,
        }
        loop {
            let step = match state {
                State::Head { since } => self.head(since, service, crew, &mut window),
                State::Consult(consult) => self.consult(consult, crew, &mut window),
                State::Body(body) => self.body(body, crew, &mut window),
                State::Reply(reply) => self.reply(reply, crew, &mut window),
                State::Drain { left, until } => self.drain(left, until, crew, &mut window),
                State::Over => OVER,
            };
            match step {
                Step::On(next) => state = next,
                Step::Leave(State::Body(body), Next::Park { .. }) if self.displaced => {
                    body.receiver.end(Ended::Cut);
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
    fn expire(&mut self, state: State, window: &mut Window<'_>) -> State {
        match state {
            State::Body(body) => {
                let response = body.receiver.end(Ended::TimedOut).closing();
                self.answer(response, body.to, body.decoder, window)
            }
            State::Head { since: Some(_) } => {
                self.refuse(Response::new(408).text("the request head did not end in time\n"))
            }
            _ => State::Over,
        }
    }

    fn head(
        &mut self,
        since: Option<Instant>,
        service: &dyn Service,
        crew: &mut dyn Crew,
        window: &mut Window<'_>,
    ) -> Step {
        if !window.is_empty() {
            match Head::parse(window.bytes(), &self.limits) {
                Ok(Some((head, consumed))) => {
                    window.consume(consumed);
                    return Step::On(self.request(&head, service, window));
                }
                Ok(None) => {}
                Err(malformed) => return Step::On(self.refuse(malformed.into())),
            }
        }
        if crew.stopping() {
            return OVER;
        }
        match window.fill(&mut self.socket, HEAD_READ_BYTES) {
            Ok(Fill::Bytes { .. }) => Step::On(State::Head {
                since: since.or(Some(Instant::now())),
            }),
            Ok(Fill::Nothing) => self.await_head(since),
            Ok(Fill::Ended) | Err(_) => OVER,
        }
    }

    fn await_head(&self, since: Option<Instant>) -> Step {
        let deadline = match since {
            Some(first_byte) => first_byte + self.limits.head_timeout,
            None => Instant::now() + self.limits.keep_alive_idle,
        };
        Step::Leave(
            State::Head { since },
            Next::Park {
                until: Until::Readable,
                deadline,
            },
        )
    }

    fn request(&mut self, head: &Head, service: &dyn Service, window: &mut Window<'_>) -> State {
        let to = ReplyTo {
            head_only: head.method() == "HEAD",
            keep_alive: head.keep_alive(),
        };
        let decoder = Decoder::from(head.framing());
        match service.respond(head) {
            Action::Respond(response) => self.answer(response, to, decoder, window),
            Action::Consult(answer) => State::Consult(Box::new(Consult {
                answer,
                to,
                unread: decoder,
            })),
            Action::Receive { interim, receiver } => {
                let awaited = head.expects_continue() && window.is_empty() && !decoder.is_done();
                let proceed = awaited.then(|| Response::new(100));
                let interim = interim.filter(|_| head.version() == Version::Http11);
                if self
                    .send_interim(interim.into_iter().chain(proceed))
                    .is_err()
                {
                    receiver.end(Ended::Cut);
                    return State::Over;
                }
                let (last_byte, pace) = (Instant::now(), Pace::default());
                State::Body(Box::new(Body {
                    decoder,
                    receiver,
                    to,
                    last_byte,
                    pace,
                }))
            }
        }
    }

    /// A socket that cannot take these few bytes belongs to a client that reads none of its
    /// answers: an error, not a wait.
    fn send_interim(&mut self, interim: impl Iterator<Item = Response>) -> io::Result<()> {
        for response in interim {
            self.socket.write_all(&response.encode_interim())?;
        }
        Ok(())
    }

    fn consult(
        &mut self,
        consult: Box<Consult>,
        crew: &mut dyn Crew,
        window: &mut Window<'_>,
    ) -> Step {
        if crew.stopping() {
            return OVER;
        }
        if !crew.claim_place() {
            return Step::Leave(State::Consult(consult), Next::Queue);
        }
        let Consult { answer, to, unread } = *consult;
        Step::On(self.answer(answer(), to, unread, window))
    }

    fn body(&mut self, mut body: Box<Body>, crew: &mut dyn Crew, window: &mut Window<'_>) -> Step {
        let (mut lull, mut taken) = (false, 0);
        loop {
            match body.take(window) {
                Ok(()) => {}
                Err(response) => {
                    return Step::On(self.answer(response, body.to, body.decoder, window));
                }
            }
            if crew.stopping() {
                return OVER;
            }
            if !crew.claim_place() {
                return Step::Leave(State::Body(body), Next::Queue);
            }
            if body.decoder.is_done() {
                let Body {
                    receiver,
                    to,
                    decoder,
                    ..
                } = *body;
                let response = receiver.end(Ended::Whole);
                return Step::On(self.answer(response, to, decoder, window));
            }
            if lull {
                return self.await_body(body, crew.longest_look());
            }
            if taken >= QUANTUM_BYTES && crew.others_wait() {
                return Step::Leave(State::Body(body), Next::Queue);
            }
            match window.fill(&mut self.socket, body.decoder.wanted().unwrap_or(u64::MAX)) {
                Ok(Fill::Bytes {
                    count,
                    lull: no_more,
                }) => {
                    lull = no_more;
                    taken += count as u64;
                    body.saw(count);
                }
                Ok(Fill::Nothing) => {
                    body.pace.paused();
                    return self.await_body(body, Duration::ZERO);
                }
                Ok(Fill::Ended) | Err(_) => {
                    body.receiver.end(Ended::Cut);
                    return OVER;
                }
            }
        }
    }

    fn await_body(&self, body: Box<Body>, longest_look: Duration) -> Step {
        let deadline = body.last_byte + self.limits.body_idle;
        let until = match body.pace.look_after(body.decoder.wanted(), longest_look) {
            Some(after) => Until::Look(body.last_byte + after),
            None => Until::Readable,
        };
        Step::Leave(State::Body(body), Next::Park { until, deadline })
    }

    /// Answers a request; what is unread of its body has to be got out of the way first.
    fn answer(
        &self,
        response: Response,
        to: ReplyTo,
        mut unread: Decoder,
        window: &mut Window<'_>,
    ) -> State {
        let all_read = skip(&mut unread, window);
        let keep_alive = to.keep_alive && all_read && !response.is_closing();
        let then = match keep_alive {
            true => Then::NextRequest,
            false if all_read && window.is_empty() => Then::Close,
            false => Then::Drain,
        };
        self.send(response, ReplyTo { keep_alive, ..to }, then)
    }

    /// Answers what is not a request that we understand: nothing after it can be trusted.
    fn refuse(&self, response: Response) -> State {
        self.send(
            response,
            ReplyTo {
                head_only: false,
                keep_alive: false,
            },
            Then::Drain,
        )
    }

    fn send(&self, response: Response, to: ReplyTo, then: Then) -> State {
        let unsent = Unsent::new(response.encode(to));
        let until = Instant::now() + self.limits.reply_timeout;
        State::Reply(Box::new(Reply {
            unsent,
            then,
            until,
        }))
    }

    fn reply(
        &mut self,
        mut reply: Box<Reply>,
        crew: &mut dyn Crew,
        window: &mut Window<'_>,
    ) -> Step {
        match reply.unsent.send(&mut self.socket) {
            Ok(true) => self.after_reply(reply.then, crew, window),
            Ok(false) => {
                // Who sends requests ahead and leaves the answers lying is not remembered: those
                // bytes would be held for as long as the client likes.
                if !window.is_empty() {
                    window.clear();
                    reply.then = Then::Drain;
                }
                let park = Next::Park {
                    until: Until::Writable,
                    deadline: reply.until,
                };
                Step::Leave(State::Reply(reply), park)
            }
            Err(_) => OVER,
        }
    }

    fn after_reply(&mut self, then: Then, crew: &mut dyn Crew, window: &mut Window<'_>) -> Step {
        match then {
            Then::NextRequest if window.is_empty() => self.await_head(None),
            Then::NextRequest => {
                let next = State::Head {
                    since: Some(Instant::now()),
                };
                if crew.others_wait() {
                    Step::Leave(next, Next::Queue)
                } else {
                    Step::On(next)
                }
            }
            Then::Close => OVER,
            Then::Drain => {
                window.clear();
                if self.socket.finish_writing().is_err() {
                    return OVER;
                }
                let until = Instant::now() + self.limits.drain_timeout;
                Step::On(State::Drain {
                    left: self.limits.drain_bytes,
                    until,
                })
            }
        }
    }

    /// Reads on and throws away: closing with unread bytes would reset the connection, and a
    /// browser would never show the answer (RFC 9112, section 9.6).
    fn drain(
        &mut self,
        mut left: u64,
        until: Instant,
        crew: &mut dyn Crew,
        window: &mut Window<'_>,
    ) -> Step {
        let park = Next::Park {
            until: Until::Readable,
            deadline: until,
        };
        let mut taken = 0;
        while left > 0 && Instant::now() < until && !crew.stopping() {
            let drain = State::Drain { left, until };
            if !crew.claim_place() || (taken >= QUANTUM_BYTES && crew.others_wait()) {
                return Step::Leave(drain, Next::Queue);
            }
            match window.fill(&mut self.socket, left) {
                Ok(Fill::Bytes { count, .. }) => {
                    left -= count as u64;
                    taken += count as u64;
                    window.clear();
                }
                Ok(Fill::Nothing) => return Step::Leave(drain, park),
                Ok(Fill::Ended) | Err(_) => return OVER,
            }
        }
        OVER
    }
}

impl Body {
    fn saw(&mut self, bytes: usize) {
        self.last_byte = Instant::now();
        self.pace.saw(bytes, self.last_byte);
    }

    /// Gives what is in the window to the receiver. An error is the answer to send.
    fn take(&mut self, window: &mut Window<'_>) -> Result<(), Response> {
        while !window.is_empty() && !self.decoder.is_done() {
            let decoded = match self.decoder.decode(window.bytes()) {
                Ok(decoded) => decoded,
                Err(reason) => return Err(self.give_up(Ended::Malformed(reason))),
            };
            if !decoded.data.is_empty() {
                self.receiver.write(decoded.data)?;
            }
            let consumed = decoded.consumed;
            window.consume(consumed);
        }
        Ok(())
    }

    fn give_up(&mut self, ended: Ended) -> Response {
        mem::replace(&mut self.receiver, Box::new(Spent))
            .end(ended)
            .closing()
    }
}

/// Stands where a receiver was that has answered already.
struct Spent;

impl Receiver for Spent {
    fn write(&mut self, _: &[u8]) -> Result<(), Response> {
        Ok(())
    }

    fn end(self: Box<Self>, _: Ended) -> Response {
        Response::new(400)
    }
}

/// Passes over the rest of a body if it is in the window already.
fn skip(unread: &mut Decoder, window: &mut Window<'_>) -> bool {
    while !unread.is_done() && !window.is_empty() {
        match unread.decode(window.bytes()) {
            Ok(decoded) => {
                let consumed = decoded.consumed;
                window.consume(consumed);
            }
            Err(_) => return false,
        }
    }
    unread.is_done()
}
