//! Between requests, inside a head, and what becomes of a request.

use std::io::{self, Write};
use std::time::Instant;

use super::state::{Asked, Body, Connection, Consult, Crew, Next, OVER, State, Step, Until};
use crate::http::body_decoder::Decoder;
use crate::http::handler::{Action, Ended, Service};
use crate::http::read_buffer::{Fill, Window};
use crate::http::request::{Head, Version};
use crate::http::response::{ReplyTo, Response};

/// What a worker reads at once while it waits for a head: a small upload comes whole.
const HEAD_READ_BYTES: u64 = 32 * 1024;

impl Connection {
    pub(super) fn head(
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
                Err(malformed) => {
                    return Step::On(self.refuse(malformed.into(), service, window.bytes()));
                }
            }
        }
        if crew.stopping() {
            return OVER;
        }
        let filled = window.fill(&mut self.socket, HEAD_READ_BYTES);
        self.filled(since, filled, window)
    }

    fn filled(
        &self,
        since: Option<Instant>,
        filled: io::Result<Fill>,
        window: &Window<'_>,
    ) -> Step {
        match filled {
            Ok(Fill::Bytes(_)) => Step::On(State::Head {
                since: since.or(Some(Instant::now())),
            }),
            Ok(Fill::Nothing) => self.await_head(since, until_more(window)),
            Ok(Fill::Ended) | Err(_) => OVER,
        }
    }

    /// Nothing of it is there yet.
    pub(super) fn next_request(
        &mut self,
        until: Until,
        crew: &mut dyn Crew,
        window: &mut Window<'_>,
    ) -> Step {
        let Some(longest) = crew.stays(&mut self.socket).filter(|_| !self.displaced) else {
            return self.await_head(None, until);
        };
        let began = Instant::now();
        loop {
            let filled = window.fill(&mut self.socket, HEAD_READ_BYTES);
            let is_nothing = matches!(filled, Ok(Fill::Nothing));
            if is_nothing && began.elapsed() < longest {
                continue;
            }
            if is_nothing {
                crew.stayed_in_vain();
            }
            return self.filled(None, filled, window);
        }
    }

    fn await_head(&self, since: Option<Instant>, until: Until) -> Step {
        let deadline = match since {
            Some(first_byte) => first_byte + self.limits.head_timeout,
            None => Instant::now() + self.limits.keep_alive_idle,
        };
        Step::Leave(State::Head { since }, Next::Park { until, deadline })
    }

    fn request(&mut self, head: &Head, service: &dyn Service, window: &mut Window<'_>) -> State {
        let to = ReplyTo {
            head_only: head.method() == "HEAD",
            keep_alive: head.keep_alive(),
        };
        let asked = Asked {
            to,
            version: head.version(),
            expects_continue: head.expects_continue(),
            unread: Decoder::from(head.framing()),
        };
        self.act(service.respond(head), asked, window)
    }

    fn act(&mut self, action: Action, asked: Asked, window: &mut Window<'_>) -> State {
        match action {
            Action::Respond(response) => self.answer(response, asked.to, asked.unread, window),
            Action::Consult(decide) => State::Consult(Box::new(Consult { decide, asked })),
            Action::Receive { interim, receiver } => {
                let Asked { to, unread, .. } = asked;
                let awaited = asked.expects_continue && window.is_empty() && !unread.is_done();
                let proceed = awaited.then(|| Response::new(100));
                let interim = interim.filter(|_| asked.version == Version::Http11);
                if self
                    .send_interim(interim.into_iter().chain(proceed))
                    .is_err()
                {
                    receiver.end(Ended::Cut);
                    return State::Over;
                }
                State::Body(Box::new(Body::new(unread, receiver, to)))
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

    pub(super) fn consult(
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
        crew.wait_for_disk();
        let Consult { decide, asked } = *consult;
        Step::On(self.act(decide(), asked, window))
    }
}

/// What ends a wait for something to read.
pub(super) fn until_more(window: &Window<'_>) -> Until {
    match window.took_all() {
        true => Until::More,
        false => Until::Readable,
    }
}
