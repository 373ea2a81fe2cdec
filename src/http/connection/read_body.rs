//! The state `Body`: from the socket into the read buffer, and from there to the sink.

use std::time::Instant;

use super::state::{Body, Connection, Next, OVER, QUANTUM_BYTES, State, Step, TaskContext, Until};
use crate::http::body_decoder::BodyDecoder;
use crate::http::coalesce::ArrivalRate;
use crate::http::handler::{BodyEnd, BodySink, Refused};
use crate::http::min_rate::RateMeter;
use crate::http::read_buffer::{Fill, ReadBuffer};
use crate::http::response::ReplyTo;

impl Connection {
    pub(super) fn body(
        &mut self,
        mut body: Box<Body>,
        context: &mut dyn TaskContext,
        window: &mut ReadBuffer<'_>,
    ) -> Step {
        let mut taken = 0;
        loop {
            if body.write_blocks(window) {
                if context.is_stopping() {
                    return OVER;
                }
                if !context.enter_disk_wait() {
                    return Step::Leave(State::Body(body), Next::Requeue);
                }
            }
            body.take(window);
            if context.is_stopping() {
                return OVER;
            }
            if let Some(ended) = body.end() {
                if body.sink.end_blocks() && !context.enter_disk_wait() {
                    return Step::Leave(State::Body(body), Next::Requeue);
                }
                return self.end_body(*body, ended, window);
            }
            if !context.acquire_body_permit() {
                return Step::Leave(State::Body(body), Next::Requeue);
            }
            if taken >= QUANTUM_BYTES && context.has_waiting() {
                return Step::Leave(State::Body(body), Next::Requeue);
            }
            match window.fill(&mut self.socket, body.decoder.wanted().unwrap_or(u64::MAX)) {
                Ok(Fill::Bytes(count)) => {
                    taken += count as u64;
                    body.record(count);
                }
                Ok(Fill::WouldBlock) => {
                    // After a poll without bytes the rate is out of date: only an event tells of the next ones.
                    let until = match body.next_read(context) {
                        Some(at) if taken > 0 => Until::Time(at),
                        _ => Until::Readable,
                    };
                    return self.park_body(body, until);
                }
                Ok(Fill::Eof) | Err(_) => body = body.ended_by(BodyEnd::Cut),
            }
        }
    }

    /// Passes the end of the body to the sink, and sends the response.
    fn end_body(&self, body: Body, ended: BodyEnd, window: &mut ReadBuffer<'_>) -> Step {
        let response = body.sink.end(ended);
        let response = match ended {
            BodyEnd::Cut => return OVER,
            BodyEnd::Complete | BodyEnd::Refused => response,
            BodyEnd::TimedOut | BodyEnd::TooSlow { .. } | BodyEnd::Malformed(_) => {
                response.closing()
            }
        };
        Step::On(self.answer(response, body.to, body.decoder, window))
    }

    /// Parks a body whose socket is empty, or ends it if it is too slow.
    fn park_body(&self, mut body: Box<Body>, until: Until) -> Step {
        let min_rate = self.limits.min_rate;
        if body.meter.is_too_slow(min_rate) {
            let bytes_per_sec = min_rate.bytes_per_sec;
            let too_slow = BodyEnd::TooSlow { bytes_per_sec };
            return Step::On(State::Body(body.ended_by(too_slow)));
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

impl Body {
    pub(super) fn new(decoder: BodyDecoder, sink: Box<dyn BodySink>, to: ReplyTo) -> Body {
        Body {
            decoder,
            sink,
            to,
            last_byte: Instant::now(),
            rate: ArrivalRate::default(),
            meter: RateMeter::default(),
            ended: None,
        }
    }

    pub(super) fn ended_by(mut self: Box<Body>, end: BodyEnd) -> Box<Body> {
        self.ended = Some(end);
        self
    }

    /// Returns the end of the body, if it has ended.
    fn end(&self) -> Option<BodyEnd> {
        let complete = || self.decoder.is_done().then_some(BodyEnd::Complete);
        self.ended.or_else(complete)
    }

    /// Returns whether the sink may wait for the disk when it takes the bytes in the window.
    fn write_blocks(&self, window: &ReadBuffer<'_>) -> bool {
        let bytes = window.bytes().len();
        bytes > 0 && self.end().is_none() && self.sink.write_blocks(bytes)
    }

    /// Returns the time of the next read of a slow body.
    fn next_read(&self, context: &dyn TaskContext) -> Option<Instant> {
        let longest = context.coalesce_max();
        let wait = self.rate.wait(self.decoder.wanted(), longest)?;
        Some(self.last_byte + wait)
    }

    fn record(&mut self, bytes: usize) {
        self.last_byte = Instant::now();
        self.rate.record(bytes, self.last_byte);
        self.meter.record(bytes);
    }

    /// Passes the bytes in the window to the sink, up to the end of the body.
    fn take(&mut self, window: &mut ReadBuffer<'_>) {
        while !window.is_empty() && self.end().is_none() {
            let decoded = match self.decoder.decode(window.bytes()) {
                Ok(decoded) => decoded,
                Err(reason) => {
                    self.ended = Some(BodyEnd::Malformed(reason));
                    return;
                }
            };
            let written = match decoded.data {
                [] => Ok(()),
                data => self.sink.write(data),
            };
            if let Err(Refused) = written {
                self.ended = Some(BodyEnd::Refused);
            }
            let consumed = decoded.consumed;
            // The decoder is past these bytes, also if the sink refused them: they are no next request.
            window.consume(consumed);
        }
    }
}
