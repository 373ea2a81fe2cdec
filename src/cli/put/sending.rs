//! One upload, from the question to the end, through any number of failures.

use std::io::{self, Read};
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::plan::Plan;
use super::problem::{Problem, Stays};
use super::report::{Arrived, Report};
use super::source::Source;
use super::wire::{Part, Posted, Progress, Proof, Wire};

/// A request that is not sent after this long is ended by us, before a proxy does it.
const REQUEST_MAX: Duration = Duration::from_secs(45);
/// Once or twice is normal: the rest of a cut request may still be arriving. Again and again means that somebody else
/// sends the same file, and two who take turns at taking over would both be slow.
const CONFLICTS_NORMAL: u32 = 5;
/// Length of the last part, which is sent after all checks have passed.
const LAST_MAX: u64 = 64 * 1024;
/// Maximum length of a file that is sent with its checksum in one request.
const ONE_MAX: u64 = 1024 * 1024;

/// One upload on its way.
pub(super) struct Upload<'a> {
    wire: &'a Wire,
    plan: &'a mut Plan,
    report: &'a mut Report,
    patience: Patience,
    /// What the server is known to hold; else it is to be asked.
    known: Option<u64>,
    /// The most that it has been seen to hold.
    reached: u64,
    conflicts: u32,
    took_part: bool,
    /// What is known is only presumed.
    presumes: bool,
    /// True if the server sent no checksum of its last bytes: it has to compare them before it accepts more.
    sends_tail: bool,
    /// True if all bytes were sent once, and their checksum did not match.
    began_anew: bool,
    /// The start of the attempt, or the time of the last success.
    quiet_since: Instant,
}

impl<'a> Upload<'a> {
    pub(super) fn new(
        wire: &'a Wire,
        plan: &'a mut Plan,
        report: &'a mut Report,
        patience: Patience,
    ) -> Upload<'a> {
        Upload {
            wire,
            plan,
            report,
            patience,
            known: None,
            reached: 0,
            conflicts: 0,
            took_part: false,
            presumes: false,
            sends_tail: false,
            began_anew: false,
            quiet_since: Instant::now(),
        }
    }

    /// Of a file of so many bytes, it may be presumed that the server has nothing: then none is asked, and the server
    /// says so if it has.
    pub(super) fn presume(&mut self, bytes: u64) {
        self.presumes = self.plan.presumes_new(bytes);
        self.known = self.presumes.then_some(0);
    }

    /// Until the server holds all that the source has to give now.
    pub(super) fn deliver(&mut self, source: &mut dyn Source) -> Result<Arrived, Problem> {
        loop {
            match self.step(source) {
                Ok(Some(arrived)) => return Ok(arrived),
                Ok(None) => {}
                Err(problem) => self.bear(problem)?,
            }
        }
    }

    /// One request. `None`: there is more to do.
    fn step(&mut self, source: &mut dyn Source) -> Result<Option<Arrived>, Problem> {
        self.quiet_since = Instant::now();
        let held = match self.known {
            None => {
                let held = self.ask(source)?;
                match held.complete && source.proves() {
                    true => self.compare(source)?,
                    false => Some(held),
                }
            }
            Some(start) => self.send(source, start)?,
        };
        Ok(held
            .filter(|held| is_all(source, held))
            .map(|held| self.arrived(&held)))
    }

    fn arrived(&self, held: &Progress) -> Arrived {
        match self.took_part {
            true => Arrived::Now,
            false => Arrived::Before {
                compared: held.compared,
            },
        }
    }

    fn ask(&mut self, source: &mut dyn Source) -> Result<Progress, Problem> {
        let within = self.patience.answer_max();
        let held = self.wire.status(&source.identity().id, within)?;
        source.check(&held)?;
        self.sends_tail = held.offset > 0 && !held.complete && held.tail.is_none();
        // While somebody else sends it, bytes arrive that are not ours.
        if held.offset > self.reached && self.conflicts == 0 {
            self.patience.renew();
        }
        self.moved_to(held.offset);
        Ok(held)
    }

    /// `None` when the server is to be asked before anything else is sent.
    fn send(&mut self, source: &mut dyn Source, start: u64) -> Result<Option<Progress>, Problem> {
        let presumes = mem::take(&mut self.presumes);
        self.took_part = true;
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
            report: self.report,
            at: start,
            end: start + length,
            began: Instant::now(),
            moved: self.quiet_since,
            ended: None,
        };
        let within = self.patience.answer_max();
        let part = Part {
            start,
            length,
            body: &mut piece,
            proof,
            tail,
        };
        let posted = self.wire.post(&identity, part, within);
        let (sent, took, ended) = (piece.at - start, piece.began.elapsed(), piece.ended);
        self.quiet_since = piece.moved;
        match (posted, ended) {
            (Ok(Posted::Conflict), _) if presumes => {
                (self.known, self.took_part) = (None, false);
                Ok(None)
            }
            (Ok(Posted::Conflict), _) => self.give_way(),
            (Ok(Posted::Differs(held)), _) => self.begin_anew(source, &held),
            (Ok(Posted::Taken(held)), _) => {
                // The server has every byte and yet does not call it all, or takes none.
                if held.offset < start + length || length == 0 && !held.complete {
                    return Err(Problem::Strange);
                }
                self.plan.succeeded(length, took);
                self.conflicts = 0;
                self.moved_to(held.offset);
                self.patience.renew();
                Ok(Some(held))
            }
            (Err(problem), ended) => self.failed(problem, ended, length, sent, took),
        }
    }

    /// Handles a request of `length` bytes that failed after the connection had read some of them.
    fn failed(
        &mut self,
        problem: Problem,
        ended: Option<Ended>,
        length: u64,
        sent: u64,
        took: Duration,
    ) -> Result<Option<Progress>, Problem> {
        match (problem, ended) {
            (_, Some(Ended::OutOfTime)) => {
                self.plan.ended(sent, took);
                self.known = None;
                Ok(None)
            }
            (_, Some(Ended::Broken(problem))) => Err(problem),
            (Problem::ProxyLimit, None) if self.plan.refused(length) => {
                // The proxy has closed, and ureq hears an answer instead of a `100` at once only on a connection that
                // has carried one before: a question opens it.
                self.known = None;
                Ok(None)
            }
            (problem, None) => {
                if sent > 0 && matches!(problem, Problem::Gone(_)) {
                    self.plan.reset();
                }
                Err(problem)
            }
        }
    }

    /// Returns the length of the next part, and its proof. Holds back the last bytes until all checks have passed.
    fn next_part(&self, source: &mut dyn Source, start: u64) -> Result<(u64, Proof), Problem> {
        let (rest, most) = (source.end().saturating_sub(start), self.plan.size());
        if !source.proves() {
            return Ok((most.min(rest), Proof::None));
        }
        if source.identity().size.is_none() {
            return Ok((most.min(rest), Proof::Announced));
        }
        let is_last = rest <= LAST_MAX || start == 0 && rest <= ONE_MAX.min(most);
        match is_last {
            true => Ok((rest, Proof::Whole(source.seal(start)?))),
            false => Ok((most.min(rest - LAST_MAX), Proof::Announced)),
        }
    }

    /// Asks the server whether the complete upload is this file.
    fn compare(&mut self, source: &mut dyn Source) -> Result<Option<Progress>, Problem> {
        self.report.comparing();
        let end = source.end();
        let part = Part {
            start: end,
            length: 0,
            body: &mut io::empty(),
            proof: Proof::Whole(source.seal(end)?),
            tail: None,
        };
        self.quiet_since = Instant::now();
        match self
            .wire
            .post(source.identity(), part, self.patience.answer_max())?
        {
            Posted::Taken(held) if held.complete => Ok(Some(held)),
            Posted::Taken(_) => Err(Problem::Strange),
            Posted::Conflict => self.give_way(),
            Posted::Differs(held) => self.begin_anew(source, &held),
        }
    }

    /// Sends all bytes once more, if the server holds others.
    fn begin_anew(
        &mut self,
        source: &mut dyn Source,
        held: &Progress,
    ) -> Result<Option<Progress>, Problem> {
        if !held.complete && held.offset > 0 {
            // The server compared only the tail. That upload stays: it may belong to another client.
            return Err(Problem::Different);
        }
        if self.began_anew {
            return Err(Problem::Mixed);
        }
        source.restart()?;
        if held.complete {
            self.wire
                .forget(&source.identity().id, self.patience.answer_max())?;
        }
        self.began_anew = true;
        self.report.begins_anew(match held.complete {
            true => "the server has another file of this name, size and time; storing this one beside it",
            false => "the server held another version of this file; sending all of it anew",
        });
        self.reached = 0;
        self.moved_to(0);
        Ok(None)
    }

    fn give_way(&mut self) -> Result<Option<Progress>, Problem> {
        self.known = None;
        self.conflicts += 1;
        if self.conflicts > CONFLICTS_NORMAL {
            return Err(Problem::Elsewhere);
        }
        thread::sleep(Duration::from_millis(500) * (self.conflicts - 1));
        Ok(None)
    }

    /// Waits, if that may help.
    fn bear(&mut self, problem: Problem) -> Result<(), Problem> {
        self.known = None;
        let Some(pause) = self.patience.pause(&problem, self.quiet_since) else {
            return Err(match problem.stays() {
                Stays::No => Problem::GaveUp(Box::new(problem)),
                Stays::ForThisFile | Stays::ForAll => problem,
            });
        };
        self.report.waiting(&problem, pause);
        thread::sleep(pause);
        Ok(())
    }

    fn moved_to(&mut self, held: u64) {
        self.known = Some(held);
        self.reached = self.reached.max(held);
        self.report.moved(held);
    }
}

/// A file is all there when the server says so. A pipe's size is not known before its end: until then, all is what
/// there is to send.
fn is_all(source: &dyn Source, held: &Progress) -> bool {
    match source.identity().size {
        Some(_) => held.complete,
        None => held.offset == source.end(),
    }
}

/// The body of one request.
struct Piece<'a> {
    source: &'a mut dyn Source,
    report: &'a mut Report,
    at: u64,
    end: u64,
    began: Instant,
    /// The time when the last byte was read.
    moved: Instant,
    ended: Option<Ended>,
}

/// Why a piece was ended before its end, by us.
enum Ended {
    OutOfTime,
    Broken(Problem),
}

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        if self.began.elapsed() > REQUEST_MAX {
            self.ended = Some(Ended::OutOfTime);
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.source.read_at(&mut buffer[..room], self.at) {
            Ok(count) => {
                self.at += count as u64;
                self.moved = Instant::now();
                self.report.moved(self.at);
                Ok(count)
            }
            Err(problem) => {
                self.ended = Some(Ended::Broken(problem));
                Err(io::ErrorKind::InvalidInput.into())
            }
        }
    }
}
