//! From an answer to the next request, or to the end.

use std::time::Instant;

use super::reading::until_more;
use super::state::{Connection, Crew, Next, OVER, QUANTUM_BYTES, Reply, State, Step, Then, Until};
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
            is_due: false,
        }))
    }

    pub(super) fn reply(
        &mut self,
        mut reply: Box<Reply>,
        crew: &mut dyn Crew,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        if !reply.is_due && crew.holds_answers() {
            reply.is_due = true;
            return Step::Leave(State::Reply(reply), Next::Answer);
        }
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

    fn after_reply(
        &mut self,
        then: Then,
        crew: &mut dyn Crew,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        match then {
            Then::NextRequest(until) if window.is_empty() => self.next_request(until, crew, window),
            Then::NextRequest(_) => {
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
    pub(super) fn drain(
        &mut self,
        mut left: u64,
        until: Instant,
        crew: &mut dyn Crew,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        let park = Next::Park {
            until: Until::More,
            deadline: until,
        };
        let mut taken = 0;
        while left > 0 && Instant::now() < until && !crew.stopping() {
            let drain = State::Drain { left, until };
            if !crew.claim_place() || (taken >= QUANTUM_BYTES && crew.others_wait()) {
                return Step::Leave(drain, Next::Queue);
            }
            if taken > 0 {
                crew.settle_in(&mut self.socket);
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::http::connection::{Turn, Wake};
    use crate::http::handler::{Action, BodyEnd, BodySink};
    use crate::http::limits::Limits;
    use crate::http::properties::connection::Alone;
    use crate::http::request::Head;
    use crate::http::socket::Socket;

    /// A handler that answers each body with one byte.
    struct Answering;

    impl Handler for Answering {
        fn handle(&self, _: &Head) -> Action {
            Action::Receive {
                interim: None,
                sink: Box::new(Answering),
            }
        }
    }

    impl BodySink for Answering {
        fn write(&mut self, _: &[u8]) -> Result<(), Response> {
            Ok(())
        }

        fn end_blocks(&self) -> bool {
            false
        }

        fn end(self: Box<Self>, _: BodyEnd) -> Response {
            Response::new(200).body("text/plain", b"a".to_vec())
        }
    }

    const BODY: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1";
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Runs one turn of a connection that has received a body, while `client_does` runs. Returns the worker too.
    fn turn(
        stays: Option<Duration>,
        client_does: impl FnOnce(&mut UnixStream) + Send,
    ) -> (Next, Alone) {
        let (mut client, socket) = UnixStream::pair().unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = Socket::Unix(mio::net::UnixStream::from_std(socket));
        let limits = Arc::new(Limits::default());
        let mut buffer = vec![0; 4 * limits.head_bytes];
        let mut connection = Connection::new(socket, limits);
        client.write_all(BODY).unwrap();
        let mut crew = Alone {
            stays,
            ..Alone::default()
        };
        let next = thread::scope(|scope| {
            let meanwhile = scope.spawn(move || {
                client_does(&mut client);
                client
            });
            let turn = Turn {
                handler: &Answering,
                crew: &mut crew,
                buffer: &mut buffer,
            };
            let next = connection.turn(Wake::Ready, turn);
            meanwhile.join().unwrap();
            next
        });
        (next, crew)
    }

    fn read_answer(client: &mut UnixStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\na") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
    }

    #[test]
    fn worker_that_waits_for_next_request_takes_it_at_once() {
        let (next, crew) = turn(Some(PATIENCE), |client| {
            read_answer(client);
            client.write_all(BODY).unwrap();
            read_answer(client);
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert!(matches!(next, Next::Close), "{next:?}");
        assert!(!crew.stayed_in_vain);
    }

    #[test]
    fn who_stays_in_vain_waits_like_everybody_else() {
        let (next, crew) = turn(Some(Duration::ZERO), |_| {});
        let until = Until::More;
        assert!(matches!(next, Next::Park { until: now, .. } if now == until));
        assert!(crew.stayed_in_vain);
    }
}
