//! The state `Body`: from the socket into the read buffer, and from there to the sink.

use std::mem;
use std::time::Instant;

use super::state::{Body, Connection, Next, OVER, QUANTUM_BYTES, State, Step, TaskContext, Until};
use crate::http::body_decoder::BodyDecoder;
use crate::http::coalesce::ArrivalRate;
use crate::http::handler::{BodyEnd, BodySink};
use crate::http::min_rate::RateMeter;
use crate::http::read_buffer::{Fill, ReadBuffer};
use crate::http::response::{ReplyTo, Response};

impl Connection {
    pub(super) fn body(
        &mut self,
        mut body: Box<Body>,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        let mut taken = 0;
        loop {
            match body.take(window) {
                Ok(()) => {}
                Err(response) => {
                    return Step::On(self.answer(response, body.to, body.decoder, window));
                }
            }
            if context.is_stopping() {
                return OVER;
            }
            let is_done = body.decoder.is_done();
            let is_short = is_done && !body.sink.end_blocks();
            if !is_short && !context.acquire_body_permit() {
                return Step::Leave(State::Body(body), Next::Requeue);
            }
            if is_done {
                return Step::On(self.end_body(*body, context, window));
            }
            if let Some(after) = body.next_read(window.drained(), context) {
                return self.park_body(body, Until::Time(after), context, window);
            }
            if taken >= QUANTUM_BYTES && context.has_waiting() {
                return Step::Leave(State::Body(body), Next::Requeue);
            }
            if taken > 0 {
                context.deregister(&mut self.socket);
            }
            match window.fill(&mut self.socket, body.decoder.wanted().unwrap_or(u64::MAX)) {
                Ok(Fill::Bytes(count)) => {
                    taken += count as u64;
                    body.record(count);
                }
                Ok(Fill::WouldBlock) => return self.park_body(body, Until::More, context, window),
                Ok(Fill::Eof) | Err(_) => {
                    end(body.sink, BodyEnd::Cut, context);
                    return OVER;
                }
            }
        }
    }

    fn end_body(
        &self,
        body: Body,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> State {
        let response = end(body.sink, BodyEnd::Complete, context);
        self.answer(response, body.to, body.decoder, window)
    }

    /// Parks a body whose socket is empty, or ends it if it is too slow.
    fn park_body(
        &self,
        mut body: Box<Body>,
        until: Until,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        let min_rate = self.limits.min_rate;
        if body.meter.is_too_slow(min_rate) {
            let bytes_per_sec = min_rate.bytes_per_sec;
            let response = end(body.sink, BodyEnd::TooSlow { bytes_per_sec }, context);
            return Step::On(self.answer(response.closing(), body.to, body.decoder, window));
        }
        let now = Instant::now();
        body.meter.start(now);
        let silent = body.last_byte + self.limits.body_idle;
        let rest = body.meter.rest(min_rate);
        // A period beyond the clock never ends.
        let period_end = rest.and_then(|rest| now.checked_add(rest));
        let deadline = period_end.map_or(silent, |end| silent.min(end));
        Step::Leave(State::Body(body), Next::Park { until, deadline })
    }
}

/// Tells the sink the end of the body. Exchanges the body permit for a disk permit first, if the sink waits for the disk.
pub(super) fn end(
    sink: Box<dyn BodySink>,
    ended: BodyEnd,
    context: &mut dyn TaskContext,
) -> Response {
    if sink.end_blocks() {
        context.enter_disk_wait();
    }
    sink.end(ended)
}

impl Body {
    pub(super) fn new(decoder: BodyDecoder, sink: Box<dyn BodySink>, to: ReplyTo) -> Body {
        Body {
            decoder,
            sink,
            to,
            last_byte: Instant::now(),
            rate: ArrivalRate::default(),
            meter: RateMeter::default(),
        }
    }

    /// Returns the time of the next read of a slow body, if the last read has drained the socket.
    fn next_read(&self, is_drained: bool, context: &dyn TaskContext) -> Option<Instant> {
        let longest = context.coalesce_max();
        let wait = self.rate.wait(self.decoder.wanted(), longest)?;
        is_drained.then(|| self.last_byte + wait)
    }

    fn record(&mut self, bytes: usize) {
        self.last_byte = Instant::now();
        self.rate.record(bytes, self.last_byte);
        self.meter.record(bytes);
    }

    /// Passes the bytes in the window to the sink. An error is the response to send.
    fn take(&mut self, window: &mut ReadBuffer<'_>) -> Result<(), Response> {
        while !window.is_empty() && !self.decoder.is_done() {
            let decoded = match self.decoder.decode(window.bytes()) {
                Ok(decoded) => decoded,
                Err(reason) => return Err(self.give_up(BodyEnd::Malformed(reason))),
            };
            let written = match decoded.data {
                [] => Ok(()),
                data => self.sink.write(data),
            };
            let consumed = decoded.consumed;
            // The decoder is past these bytes, also if the sink refused them: they are no next request.
            window.consume(consumed);
            written?;
        }
        Ok(())
    }

    fn give_up(&mut self, ended: BodyEnd) -> Response {
        let sink = mem::replace(&mut self.sink, Box::new(Spent));
        sink.end(ended).closing()
    }
}

/// A sink that has ended already.
struct Spent;

impl BodySink for Spent {
    fn write(&mut self, _: &[u8]) -> Result<(), Response> {
        Ok(())
    }

    fn end_blocks(&self) -> bool {
        false
    }

    fn end(self: Box<Self>, _: BodyEnd) -> Response {
        Response::new(400)
    }
}
