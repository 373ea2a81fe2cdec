//! From an answer to the next request, or to the end.

use std::time::Instant;

use super::read_head::until_more;
use super::state::{
    Connection, Next, OVER, QUANTUM_BYTES, Reply, State, Step, TaskContext, Then, Until,
};
use crate::http::body_decoder::BodyDecoder;
use crate::http::handler::Handler;
use crate::http::read_buffer::{Fill, ReadBuffer};
use crate::http::response::unsent::Unsent;
use crate::http::response::{ReplyTo, Response};

impl Connection {
    /// Answers a request; what is unread of its body has to be got out of the way first.
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
            true => Then::NextRequest(until_more(window)),
            false if all_read && window.is_empty() => Then::Close,
            false => Then::Drain,
        };
        self.send(response, ReplyTo { keep_alive, ..to }, then)
    }

    /// Answers what is not a request that we understand: nothing after it can be trusted. But that it asks for no
    /// body shows at its beginning.
    pub(super) fn refuse(&self, response: Response, handler: &dyn Handler, head: &[u8]) -> State {
        handler.refused(response.status());
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

    fn after_reply(
        &mut self,
        then: Then,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        match then {
            Then::NextRequest(until) if window.is_empty() => self.await_head(None, until),
            Then::NextRequest(_) => {
                let next = State::Head {
                    since: Some(Instant::now()),
                };
                if context.has_waiting() {
                    Step::Leave(next, Next::Requeue)
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
    pub(super) fn drain(
        &mut self,
        mut left: u64,
        until: Instant,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        let park = Next::Park {
            until: Until::More,
            deadline: until,
        };
        let mut taken = 0;
        while left > 0 && Instant::now() < until && !context.is_stopping() {
            let drain = State::Drain { left, until };
            if !context.acquire_body_permit() || (taken >= QUANTUM_BYTES && context.has_waiting()) {
                return Step::Leave(drain, Next::Requeue);
            }
            if taken > 0 {
                context.deregister(&mut self.socket);
            }
            match window.fill(&mut self.socket, left) {
                Ok(Fill::Bytes(count)) => {
                    left -= count as u64;
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

/// Passes over the rest of a body if it is in the window already.
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
