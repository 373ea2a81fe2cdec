//! Inside a body: from the socket into the buffer, from the buffer to its receiver.

use std::mem;
use std::time::{Duration, Instant};

use super::state::{Body, Connection, Crew, Next, OVER, QUANTUM_BYTES, State, Step, Until};
use crate::http::body_decoder::Decoder;
use crate::http::coalesce::{Lull, Pace};
use crate::http::handler::{Ended, Receiver};
use crate::http::read_buffer::{Fill, Window};
use crate::http::response::{ReplyTo, Response};

/// The longest that a worker waits for a body that comes fast, while nobody else wants it.
const LINGER: Duration = Duration::from_millis(1);

impl Connection {
    pub(super) fn body(
        &mut self,
        mut body: Box<Body>,
        crew: &mut dyn Crew,
        window: &mut Window<'_>,
    ) -> Step {
        let mut taken = 0;
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
            let is_done = body.decoder.is_done();
            let is_short = is_done && !body.receiver.end_waits();
            if !is_short && !crew.claim_place() {
                return Step::Leave(State::Body(body), Next::Queue);
            }
            if is_done {
                return Step::On(self.end_body(*body, crew, window));
            }
            if let Some(after) = body.look_after(window.took_all(), crew) {
                return self.park_body(body, Until::Look(after));
            }
            if taken >= QUANTUM_BYTES && crew.others_wait() {
                return Step::Leave(State::Body(body), Next::Queue);
            }
            if taken > 0 {
                crew.settle_in(&mut self.socket);
            }
            match window.fill(&mut self.socket, body.decoder.wanted().unwrap_or(u64::MAX)) {
                Ok(Fill::Bytes(count)) => {
                    taken += count as u64;
                    body.saw(count);
                }
                Ok(Fill::Nothing) if body.may_linger(crew) && self.socket.linger(LINGER) => {}
                Ok(Fill::Nothing) => return self.park_body(body, Until::More),
                Ok(Fill::Ended) | Err(_) => {
                    end(body.receiver, Ended::Cut, crew);
                    return OVER;
                }
            }
        }
    }

    fn end_body(&self, body: Body, crew: &mut dyn Crew, window: &mut Window<'_>) -> State {
        let response = end(body.receiver, Ended::Whole, crew);
        self.answer(response, body.to, body.decoder, window)
    }

    fn park_body(&self, body: Box<Body>, until: Until) -> Step {
        let deadline = body.last_byte + self.limits.body_idle;
        Step::Leave(State::Body(body), Next::Park { until, deadline })
    }
}

/// Ends a body, however it ended. Nobody else has to wait for what the disk does then.
pub(super) fn end(receiver: Box<dyn Receiver>, ended: Ended, crew: &mut dyn Crew) -> Response {
    if receiver.end_waits() {
        crew.wait_for_disk();
    }
    receiver.end(ended)
}

impl Body {
    pub(super) fn new(decoder: Decoder, receiver: Box<dyn Receiver>, to: ReplyTo) -> Body {
        let (last_byte, pace) = (Instant::now(), Pace::default());
        Body {
            decoder,
            receiver,
            to,
            last_byte,
            pace,
        }
    }

    /// When a slow body is worth a look again, if the last read has taken all there was.
    fn look_after(&self, was_all: bool, crew: &dyn Crew) -> Option<Instant> {
        let longest = crew.longest_look();
        match self.pace.lull(self.decoder.wanted(), longest) {
            Lull::Look(after) if was_all => Some(self.last_byte + after),
            _ => None,
        }
    }

    /// A fast body is waited for where it is: parking and waking would cost more than the lull.
    fn may_linger(&self, crew: &dyn Crew) -> bool {
        let lull = self.pace.lull(self.decoder.wanted(), crew.longest_look());
        lull == Lull::Short && crew.may_linger()
    }

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
            let written = match decoded.data {
                [] => Ok(()),
                data => self.receiver.write(data),
            };
            let consumed = decoded.consumed;
            // Refused or not: the decoder is past these bytes, and they are no next request.
            window.consume(consumed);
            written?;
        }
        Ok(())
    }

    fn give_up(&mut self, ended: Ended) -> Response {
        let receiver = mem::replace(&mut self.receiver, Box::new(Spent));
        receiver.end(ended).closing()
    }
}

/// Stands where a receiver was that has answered already.
struct Spent;

impl Receiver for Spent {
    fn write(&mut self, _: &[u8]) -> Result<(), Response> {
        Ok(())
    }

    fn end_waits(&self) -> bool {
        false
    }

    fn end(self: Box<Self>, _: Ended) -> Response {
        Response::new(400)
    }
}
