//! The states `Head`, `Waiting` and `Blocking`: from the first byte of a request to its action.

use std::io::{self, Write};
use std::time::Instant;

use super::state::{
    Blocking, Body, Connection, Next, OVER, RequestInfo, Since, State, Step, TaskContext, Until,
    Waiting,
};
use crate::http::body_decoder::BodyDecoder;
use crate::http::handler::{Action, BodyEnd, Handler};
use crate::http::read_buffer::{Fill, ReadBuffer};
use crate::http::request::{Head, Version};
use crate::http::response::{Problem, ReplyTo, Response};

/// The size of a read before the end of a head, in bytes: a small upload fits into one read.
const HEAD_READ_BYTES: u64 = 32 * 1024;

/// The response to a request without TLS.
const PLAIN_HTTP: &str = "this port expects TLS: use an address that begins with https://\n";

impl Connection {
    pub(super) fn head(
        &mut self,
        since: Since,
        handler: &dyn Handler,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        if !window.is_empty() {
            match Head::parse(window.bytes(), &self.limits) {
                Ok(Some((head, consumed))) => {
                    window.consume(consumed);
                    let head = head.with_peer(self.socket.peer());
                    return Step::On(self.request(&head, handler, window));
                }
                Ok(None) => {}
                Err(malformed) => {
                    return Step::On(self.refuse(malformed.into(), handler, window.bytes()));
                }
            }
        }
        if context.is_stopping() {
            return OVER;
        }
        match window.fill(&mut self.socket, HEAD_READ_BYTES) {
            Ok(Fill::Bytes(_)) => Step::On(State::Head {
                since: since.or_first_byte(),
            }),
            Ok(Fill::WouldBlock) => self.await_head(since),
            Ok(Fill::Eof) | Err(_) => OVER,
        }
    }

    /// Moves a TLS handshake on. It costs much processor time, and so needs a permit.
    pub(super) fn handshake(
        &mut self,
        since: Option<Instant>,
        handler: &dyn Handler,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        if context.is_stopping() {
            return OVER;
        }
        if !context.acquire_handshake_permit() {
            return Step::Leave(State::Handshake { since }, Next::Requeue);
        }
        let since = since.unwrap_or_else(Instant::now);
        match window.fill(&mut self.socket, HEAD_READ_BYTES) {
            Ok(Fill::Bytes(_)) => Step::On(State::Head {
                since: Since::FirstByte(Instant::now()),
            }),
            Ok(Fill::WouldBlock) if self.socket.has_unsent() => {
                self.park_handshake(since, Until::Writable)
            }
            Ok(Fill::WouldBlock) if self.socket.is_handshaking() => {
                self.park_handshake(since, Until::Readable)
            }
            Ok(Fill::WouldBlock) => self.await_head(Since::silent()),
            Err(_) if self.socket.continue_plain() => {
                let response = Problem::BadRequest.response(400).text(PLAIN_HTTP);
                Step::On(self.refuse(response, handler, window.bytes()))
            }
            Ok(Fill::Eof) => OVER,
            Err(error) => {
                log::debug!("TLS handshake with {} failed: {error}", self.socket.peer());
                OVER
            }
        }
    }

    /// Parks the connection until the next byte of a head. An unfinished record has begun one.
    pub(super) fn await_head(&self, since: Since) -> Step {
        let since = match self.socket.partial_bytes() {
            0 => since,
            _ => since.or_first_byte(),
        };
        let park = Next::Park {
            until: Until::Readable,
            deadline: since.deadline(&self.limits),
        };
        Step::Leave(State::Head { since }, park)
    }

    fn park_handshake(&self, since: Instant, until: Until) -> Step {
        let deadline = since + self.limits.head_timeout;
        let since = Some(since);
        Step::Leave(State::Handshake { since }, Next::Park { until, deadline })
    }

    fn request(
        &mut self,
        head: &Head,
        handler: &dyn Handler,
        window: &mut ReadBuffer<'_>,
    ) -> State {
        let to = ReplyTo {
            head_only: head.method() == "HEAD",
            keep_alive: head.keep_alive(),
        };
        let request = RequestInfo {
            to,
            version: head.version(),
            expects_continue: head.expects_continue(),
            unread: BodyDecoder::from(head.framing()),
        };
        self.act(handler.handle(head), request, window)
    }

    fn act(&mut self, action: Action, request: RequestInfo, window: &mut ReadBuffer<'_>) -> State {
        match action {
            Action::Respond(response) => self.answer(response, request.to, request.unread, window),
            Action::Blocking(decide) => State::Blocking(Box::new(Blocking { decide, request })),
            Action::After(at, decide) => State::Waiting(Box::new(Waiting {
                at,
                decide,
                request,
            })),
            Action::Receive { interim, sink } => {
                let RequestInfo { to, unread, .. } = request;
                let awaited = request.expects_continue && window.is_empty() && !unread.is_done();
                let proceed = awaited.then(|| Response::new(100));
                let interim = interim.filter(|_| request.version == Version::Http11);
                let sent = self.send_interim(interim.into_iter().chain(proceed));
                let body = Box::new(Body::new(unread, sink, to));
                State::Body(match sent {
                    Ok(()) => body,
                    Err(_) => body.ended_by(BodyEnd::Cut),
                })
            }
        }
    }

    /// Sends interim responses. A full socket is an error, not a wait: this client does not read its responses.
    fn send_interim(&mut self, interim: impl Iterator<Item = Response>) -> io::Result<()> {
        for response in interim {
            self.socket.write_all(&response.encode_interim())?;
        }
        self.socket.flush()
    }

    pub(super) fn waiting(
        &mut self,
        waiting: Box<Waiting>,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        if context.is_stopping() {
            return OVER;
        }
        let at = waiting.at;
        if Instant::now() < at {
            // The deadline is the same time: it ends the wait, and not the connection.
            let park = Next::Park {
                until: Until::Time(at),
                deadline: at,
            };
            return Step::Leave(State::Waiting(waiting), park);
        }
        let Waiting {
            decide, request, ..
        } = *waiting;
        Step::On(self.act(decide(), request, window))
    }

    pub(super) fn blocking(
        &mut self,
        blocking: Box<Blocking>,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        if context.is_stopping() {
            return OVER;
        }
        if !context.enter_disk_wait() {
            return Step::Leave(State::Blocking(blocking), Next::Requeue);
        }
        let Blocking { decide, request } = *blocking;
        Step::On(self.act(decide(), request, window))
    }
}
