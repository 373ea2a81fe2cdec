//! The driver of one upload: it asks, sends and retries until the server holds all bytes.

use std::io::{self, Read};
use std::mem;
use std::time::{Duration, Instant};

use super::Client;
use super::backoff::Backoff;
use super::cancel::CancelToken;
use super::error::{Error, Scope};
use super::identity::Identity;
use super::request_size::{Guess, SMALL_FILE_MAX};
use super::requests::{Held, Part, Posted, Proof, Requests};
use super::source::Source;

/// The longest time that a request is sent for. The driver ends it then, before a proxy does.
const REQUEST_MAX: Duration = Duration::from_secs(45);
/// Conflicts in a row that are no failure: the rest of a cut request may still arrive. More of them come from another
/// client that sends the same file.
const CONFLICTS_NORMAL: u32 = 5;
/// The length of the last part, which is sent after all checks have passed.
const LAST_MAX: u64 = 64 * 1024;
const TOO_MANY_REQUESTS: u16 = 429;
const NO_TLS: &str = "it sent bytes that are not TLS";

/// A finished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The length of the upload in bytes.
    pub bytes: u64,
    /// The path of the file below the upload directory of the server. `None` if the server does not state it.
    pub saved_as: Option<String>,
    /// True if `saved_as` is not the name that was sent.
    pub is_renamed: bool,
    /// The time at which the server received it.
    pub arrival: Arrival,
}

/// The time at which the server received an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an upload arrives during the call or before it"
)]
pub enum Arrival {
    /// During this call: at least the last bytes.
    Now,
    /// Before this call.
    Before {
        /// True if the server compared the checksum of the whole file.
        compared: bool,
    },
}

/// A step of an upload.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The file is open, and the first request follows.
    Started {
        /// The length of the file in bytes. `None` for a stream.
        total: Option<u64>,
    },
    /// Bytes were handed to the network, or the server has answered with its offset.
    Progress {
        /// The number of bytes from the start of the file that were handed to the network. After a failure it goes
        /// back to `confirmed`.
        sent: u64,
        /// The number of bytes from the start of the file that the server has confirmed: they are on its disk.
        confirmed: u64,
        /// The length of the file in bytes. `None` for a stream.
        total: Option<u64>,
    },
    /// An attempt failed, and the next one follows after a pause.
    Retry {
        /// The failure.
        error: &'a Error,
        /// The time until the next attempt.
        pause: Duration,
    },
    /// The server has a complete file of this id. The client reads the whole file to compare the checksums.
    Comparing,
    /// The file is sent again from its first byte.
    Restarted {
        /// The reason, in one line.
        reason: &'static str,
    },
}

/// The callback and the cancellation of one upload.
pub(crate) struct Events<'a> {
    callback: Box<dyn FnMut(Event<'_>) + 'a>,
    cancel: CancelToken,
    total: Option<u64>,
    confirmed: u64,
}

impl<'a> Events<'a> {
    pub(crate) fn new(callback: Box<dyn FnMut(Event<'_>) + 'a>, cancel: CancelToken) -> Events<'a> {
        Events {
            callback,
            cancel,
            total: None,
            confirmed: 0,
        }
    }

    fn progress(&mut self, sent: u64) {
        let (confirmed, total) = (self.confirmed, self.total);
        (self.callback)(Event::Progress {
            sent,
            confirmed,
            total,
        });
    }
}

/// The next request of an upload.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A question for the offset of the server.
    Ask,
    /// A comparison of the complete file, without a question before it.
    Compare,
    /// The bytes from this offset on.
    Send(u64),
}

/// The state of one upload.
pub(crate) struct Driver<'a> {
    pub(crate) client: &'a Client,
    requests: Requests<'a>,
    events: Events<'a>,
    backoff: Backoff,
    next: Step,
    /// The highest offset of the server so far.
    reached: u64,
    conflicts: u32,
    took_part: bool,
    /// True if `next` is a guess.
    guesses: bool,
    /// True if the server sent no checksum of its last bytes: it has to compare them before it accepts more.
    sends_tail: bool,
    /// True if all bytes were sent once, and their checksum did not match.
    restarted: bool,
    /// True if the last attempt met bytes that are not TLS.
    met_no_tls: bool,
    /// The start of the attempt, or the time of the last success.
    quiet_since: Instant,
    /// The uploads of the client that had ended before the attempt.
    ended_before: u64,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        client: &'a Client,
        requests: Requests<'a>,
        events: Events<'a>,
    ) -> Driver<'a> {
        Driver {
            client,
            requests,
            events,
            backoff: Backoff::new(client.give_up_after),
            next: Step::Ask,
            reached: 0,
            conflicts: 0,
            took_part: false,
            guesses: false,
            sends_tail: false,
            restarted: false,
            met_no_tls: false,
            quiet_since: Instant::now(),
            ended_before: 0,
        }
    }

    /// Reports the start of an upload of `total` bytes.
    pub(crate) fn started(&mut self, total: Option<u64>) {
        self.events.total = total;
        (self.events.callback)(Event::Started { total });
    }

    /// Chooses the first request of a file of `bytes`. A wrong guess is a conflict.
    pub(crate) fn guess(&mut self, bytes: u64) {
        self.next = match self.client.request_size().guess(bytes) {
            Guess::New => Step::Send(0),
            Guess::Complete if self.client.checks => Step::Compare,
            Guess::Complete | Guess::Unknown => Step::Ask,
        };
        self.guesses = !matches!(self.next, Step::Ask);
    }

    /// Sends until the server holds all bytes that the source has now.
    pub(crate) fn deliver(&mut self, source: &mut dyn Source) -> Result<Uploaded, Error> {
        loop {
            match self.step(source) {
                Ok(Some(uploaded)) => return Ok(uploaded),
                Ok(None) => self.met_no_tls = false,
                Err(error) => self.retry(error)?,
            }
        }
    }

    /// Makes one request. Returns `None` if more are needed.
    fn step(&mut self, source: &mut dyn Source) -> Result<Option<Uploaded>, Error> {
        self.wait_for_throttle()?;
        self.quiet_since = Instant::now();
        self.ended_before = self.client.places.ended();
        let held = match self.next {
            Step::Ask => {
                let held = self.ask(source)?;
                if held.complete && !self.took_part {
                    self.client.request_size().found(true);
                }
                match held.complete && source.proves() {
                    true => {
                        (self.events.callback)(Event::Comparing);
                        self.compare(source)?
                    }
                    false => Some(held),
                }
            }
            Step::Compare => self.compare(source)?,
            Step::Send(start) => self.send(source, start)?,
        };
        Ok(held
            .filter(|held| is_all(source, held))
            .map(|held| self.uploaded(held, source.identity())))
    }

    /// Waits for the end of a pause that a 429 asked all uploads of the client to make.
    fn wait_for_throttle(&self) -> Result<(), Error> {
        loop {
            if self.events.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            match self.client.throttle.left() {
                Duration::ZERO => return Ok(()),
                left => self.events.cancel.sleep(left),
            }
        }
    }

    fn uploaded(&self, held: Held, identity: &Identity) -> Uploaded {
        let compared = held.compared;
        let is_sent_name = |path: &str| identity.has_name(path);
        Uploaded {
            bytes: held.offset,
            is_renamed: held.name.as_deref().is_some_and(|path| !is_sent_name(path)),
            saved_as: held.name,
            arrival: match self.took_part {
                true => Arrival::Now,
                false => Arrival::Before { compared },
            },
        }
    }

    fn ask(&mut self, source: &mut dyn Source) -> Result<Held, Error> {
        let within = self.backoff.answer_max();
        let held = self.requests.status(&source.identity().id, within)?;
        source.check(&held)?;
        self.sends_tail = held.offset > 0 && !held.complete && held.tail.is_none();
        // While somebody else sends it, bytes arrive that are not ours.
        if held.offset > self.reached && self.conflicts == 0 {
            self.backoff.reset();
        }
        self.moved_to(held.offset);
        Ok(held)
    }

    /// Sends the next part. Returns `None` if the driver has to ask for the offset before it sends more.
    fn send(&mut self, source: &mut dyn Source, start: u64) -> Result<Option<Held>, Error> {
        let guesses = mem::take(&mut self.guesses);
        let (length, proof) = self.next_part(source, start)?;
        let tail = match mem::take(&mut self.sends_tail) && source.proves() {
            true => source.tail(start)?,
            false => None,
        };
        // The computation of a checksum may have taken long.
        self.quiet_since = Instant::now();
        let identity = source.identity().clone();
        let mut piece = Piece {
            source,
            events: &mut self.events,
            at: start,
            end: start + length,
            began: Instant::now(),
            moved: self.quiet_since,
            ended: None,
        };
        let within = self.backoff.answer_max();
        let part = Part {
            start,
            length,
            body: &mut piece,
            proof,
            at_once: guesses,
            tail,
        };
        let posted = self.requests.post(&identity, part, within);
        let (sent, began, ended) = (piece.at - start, piece.began, piece.ended);
        let took = began.elapsed();
        self.quiet_since = piece.moved;
        self.took_part |= sent > 0 || length == 0;
        match (posted, ended) {
            (Ok(Posted::Conflict(_)), _) if guesses => {
                (self.next, self.took_part) = (Step::Ask, false);
                Ok(None)
            }
            (Ok(Posted::Conflict(_)), _) => self.give_way(),
            (Ok(Posted::Differs(held)), _) => self.restart(source, &held),
            (Ok(Posted::Taken(held)), _) => {
                // The server has every byte and yet does not call it all, or takes none.
                if held.offset < start + length || length == 0 && !held.complete {
                    return Err(Error::NoUploadServer);
                }
                self.client.request_size().succeeded(length, took);
                self.conflicts = 0;
                self.moved_to(held.offset);
                self.backoff.reset();
                Ok(Some(held))
            }
            (Err(error), ended) => self.failed(error, ended, length, sent, began),
        }
    }

    /// Handles a request of `length` bytes that failed after the connection had read some of them.
    fn failed(
        &mut self,
        error: Error,
        ended: Option<Ended>,
        length: u64,
        sent: u64,
        began: Instant,
    ) -> Result<Option<Held>, Error> {
        match (error, ended) {
            (_, Some(Ended::OutOfTime)) => {
                self.client.request_size().ended(sent, began.elapsed());
                self.next = Step::Ask;
                Ok(None)
            }
            (_, Some(Ended::Failed(error))) => Err(error),
            (Error::ProxyLimit, None) if self.client.request_size().refused(length) => {
                // The proxy has closed, and ureq hears an answer instead of a `100` at once only on a connection that
                // has carried one before: a question opens it.
                self.next = Step::Ask;
                Ok(None)
            }
            (error, None) => {
                if sent > 0 && matches!(error, Error::Unreachable(_)) {
                    self.client.request_size().reset(began);
                }
                Err(error)
            }
        }
    }

    /// Returns the length of the next part, and its proof. Holds back the last bytes until all checks have passed.
    fn next_part(&self, source: &mut dyn Source, start: u64) -> Result<(u64, Proof), Error> {
        let (rest, most) = (
            source.end().saturating_sub(start),
            self.client.request_size().size(),
        );
        if !source.proves() {
            return Ok((most.min(rest), Proof::None));
        }
        if source.identity().size.is_none() {
            return Ok((most.min(rest), Proof::Announced));
        }
        let is_last = rest <= LAST_MAX || start == 0 && rest <= SMALL_FILE_MAX.min(most);
        match is_last {
            true => Ok((rest, Proof::Whole(source.seal(start, &self.events.cancel)?))),
            false => Ok((most.min(rest - LAST_MAX), Proof::Announced)),
        }
    }

    /// Asks the server to compare the checksum of its complete upload with that of this file.
    fn compare(&mut self, source: &mut dyn Source) -> Result<Option<Held>, Error> {
        let guesses = mem::take(&mut self.guesses);
        let end = source.end();
        // The bytes of a small file are kept: the server may not have them.
        let kept_from = if guesses { 0 } else { end };
        let part = Part {
            start: end,
            length: 0,
            body: &mut io::empty(),
            proof: Proof::Whole(source.seal(kept_from, &self.events.cancel)?),
            at_once: true,
            tail: None,
        };
        self.quiet_since = Instant::now();
        let within = self.backoff.answer_max();
        match self.requests.post(source.identity(), part, within)? {
            Posted::Taken(held) if held.complete => Ok(Some(held)),
            Posted::Taken(_) => Err(Error::NoUploadServer),
            Posted::Conflict(0) if guesses => {
                (self.next, self.guesses) = (Step::Send(0), true);
                Ok(None)
            }
            Posted::Conflict(_) if guesses => {
                self.next = Step::Ask;
                Ok(None)
            }
            Posted::Conflict(_) => self.give_way(),
            Posted::Differs(held) => self.restart(source, &held),
        }
    }

    /// Sends all bytes once more, if the server holds others.
    fn restart(&mut self, source: &mut dyn Source, held: &Held) -> Result<Option<Held>, Error> {
        if !held.complete && held.offset > 0 {
            // The server compared only the tail. That upload stays: it may belong to another client.
            return Err(Error::OtherContents);
        }
        if self.restarted {
            return Err(Error::ChecksumDiffers);
        }
        source.restart()?;
        if held.complete {
            let within = self.backoff.answer_max();
            self.requests.forget(&source.identity().id, within)?;
        }
        self.restarted = true;
        let reason = match held.complete {
            true => {
                "the server has another file of this name, size and time; storing this one beside it"
            }
            false => "the server held another version of this file; sending all of it anew",
        };
        (self.events.callback)(Event::Restarted { reason });
        self.reached = 0;
        self.moved_to(0);
        Ok(None)
    }

    fn give_way(&mut self) -> Result<Option<Held>, Error> {
        self.next = Step::Ask;
        self.conflicts += 1;
        if self.conflicts > CONFLICTS_NORMAL {
            return Err(Error::OtherClient);
        }
        let pause = Duration::from_millis(500) * (self.conflicts - 1);
        self.events.cancel.sleep(pause);
        Ok(None)
    }

    /// Pauses before the next attempt. Returns the error if no attempt can help.
    fn retry(&mut self, error: Error) -> Result<(), Error> {
        if self.events.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        (self.next, self.guesses) = (Step::Ask, false);
        let error = match error {
            // A damaged record looks like a server without TLS, but not twice in a row.
            Error::NoTls if !mem::replace(&mut self.met_no_tls, true) => {
                Error::Unreachable(NO_TLS.into())
            }
            error => error,
        };
        let lacks_place = matches!(error, Error::TooManyPartials { .. });
        if lacks_place && self.client.places.has_others() {
            self.backoff.forgive();
        }
        let Some(pause) = self.backoff.pause(&error, self.quiet_since) else {
            return Err(match error.scope() {
                Scope::Attempt => Error::GaveUp(Box::new(error)),
                Scope::File | Scope::Client => error,
            });
        };
        if matches!(error, Error::Unavailable { status, .. } if status == TOO_MANY_REQUESTS) {
            self.client.throttle.pause(pause);
        }
        (self.events.callback)(Event::Retry {
            error: &error,
            pause,
        });
        match lacks_place {
            true => {
                let places = &self.client.places;
                places.wait(self.ended_before, pause, &self.events.cancel);
            }
            false => self.events.cancel.sleep(pause),
        }
        Ok(())
    }

    fn moved_to(&mut self, held: u64) {
        self.next = Step::Send(held);
        self.reached = self.reached.max(held);
        self.events.confirmed = held;
        self.events.progress(held);
    }
}

/// Returns whether the server holds all. The length of a stream is unknown before its end: until then, all are the bytes
/// that were read.
fn is_all(source: &dyn Source, held: &Held) -> bool {
    match source.identity().size {
        Some(_) => held.complete,
        None => held.offset == source.end(),
    }
}

/// The body of one request.
struct Piece<'a, 'b> {
    source: &'a mut dyn Source,
    events: &'a mut Events<'b>,
    at: u64,
    end: u64,
    began: Instant,
    /// The time when the last byte was read.
    moved: Instant,
    ended: Option<Ended>,
}

/// The reason for which the driver ended a request.
enum Ended {
    OutOfTime,
    Failed(Error),
}

impl Read for Piece<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        if self.events.cancel.is_cancelled() {
            self.ended = Some(Ended::Failed(Error::Cancelled));
            return Err(io::ErrorKind::Other.into());
        }
        if self.began.elapsed() > REQUEST_MAX {
            self.ended = Some(Ended::OutOfTime);
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.source.read_at(&mut buffer[..room], self.at) {
            Ok(count) => {
                self.at += count as u64;
                self.moved = Instant::now();
                self.events.progress(self.at);
                Ok(count)
            }
            Err(error) => {
                self.ended = Some(Ended::Failed(error));
                Err(io::ErrorKind::InvalidInput.into())
            }
        }
    }
}
