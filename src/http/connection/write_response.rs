//! The states `Reply` and `Drain`: from a response to the next request, or to the end of the connection.

use std::time::Instant;

use super::state::{
    Connection, Next, OVER, QUANTUM_BYTES, Reply, Since, State, Step, TaskContext, Then, Until,
};
use crate::http::body_decoder::BodyDecoder;
use crate::http::handler::Handler;
use crate::http::read_buffer::{Fill, ReadBuffer};
use crate::http::response::unsent::Unsent;
use crate::http::response::{ReplyTo, Response};
use crate::http::socket::Socket;

/// The bytes that a refused connection may have sent, and that are read before it closes.
const REFUSED_READ_BYTES: usize = 16 * 1024;

impl Connection {
    /// Responds to a request. Skips the unread rest of its body first, if the read buffer has it.
    pub(super) fn answer(
        &self,
        response: Response,
        to: ReplyTo,
        mut unread: BodyDecoder,
        window: &mut ReadBuffer<'_>,
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

    /// Responds to bytes that are no valid request, and closes: the start of a next request is unknown. A response to
    /// `HEAD` has no body.
    pub(super) fn refuse(&self, response: Response, handler: &dyn Handler, head: &[u8]) -> State {
        handler.refused(response.status(), self.socket.peer());
        self.send(
            response,
            ReplyTo {
                head_only: head.trim_ascii_start().starts_with(b"HEAD "),
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

    pub(super) fn reply(
        &mut self,
        mut reply: Box<Reply>,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        match reply.unsent.send(&mut self.socket) {
            Ok(true) => self.after_reply(reply.then, context, window),
            Ok(false) => {
                // Pipelined requests of a client that does not read its responses are discarded. Otherwise they would
                // stay in memory as long as the client likes.
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

    fn after_reply(
        &mut self,
        then: Then,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        match then {
            Then::NextRequest if window.is_empty() => self.await_head(Since::silent()),
            Then::NextRequest => {
                let since = Since::FirstByte(Instant::now());
                let next = State::Head { since };
                if context.has_waiting() {
                    Step::Leave(next, Next::Requeue)
                } else {
                    Step::On(next)
                }
            }
            Then::Close => {
                // The end of a TLS stream is a record.
                let _ = self.socket.finish_writing();
                OVER
            }
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

    /// Reads and discards bytes. A close with unread bytes would reset the connection, and a browser would not show the
    /// response (RFC 9112, section 9.6).
    pub(super) fn drain(
        &mut self,
        mut left: u64,
        until: Instant,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        let park = Next::Park {
            until: Until::Readable,
            deadline: until,
        };
        let mut taken = 0;
        while left > 0 && Instant::now() < until && !context.is_stopping() {
            let drain = State::Drain { left, until };
            if !context.acquire_body_permit() || (taken >= QUANTUM_BYTES && context.has_waiting()) {
                return Step::Leave(drain, Next::Requeue);
            }
            match window.fill(&mut self.socket, left) {
                Ok(Fill::Bytes(count)) => {
                    left = left.saturating_sub(count as u64);
                    taken += count as u64;
                    window.clear();
                }
                Ok(Fill::WouldBlock) => return Step::Leave(drain, park),
                Ok(Fill::Eof) | Err(_) => return OVER,
            }
        }
        OVER
    }
}

/// Sends a short response to a new connection, and closes it. Never waits, and so sends none before a TLS handshake.
pub(crate) fn refuse_new(mut socket: Socket, response: Response) {
    let to = ReplyTo {
        head_only: false,
        keep_alive: false,
    };
    if socket.is_handshaking() {
        return;
    }
    // A close with unread bytes would reset the connection, and the client might lose the response.
    let _ = socket.receive(&mut [0; REFUSED_READ_BYTES], u64::MAX);
    if let Ok(true) = Unsent::new(response.encode(to)).send(&mut socket) {
        let _ = socket.finish_writing();
    }
}

/// Skips the rest of a body in the window. Returns whether the body ends there.
fn skip(unread: &mut BodyDecoder, window: &mut ReadBuffer<'_>) -> bool {
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
