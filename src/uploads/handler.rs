//! One request that was admitted: carried out, now or in a turn that may wait for the disk, and answered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::http::{Action, BodyEnd, BodySink, Head, Response};
use crate::protocol::Dialect;
use crate::protocol::access::cors::Grant;
use crate::protocol::command::{Command, Excess, Outcome, Question, Refusal, Target, Verb};
use crate::store::{self, Append, AppendRequest, Completes, Hold, Id, Progress, Start};

use super::context::Desk;

/// One request that was read: enough to answer it whenever its answer is known.
struct Exchange {
    desk: Arc<Desk>,
    upload: Hold,
    dialect: Dialect,
    /// Where the upload is, if it is this request that makes it.
    location: Option<Box<str>>,
    /// An interim answer has said where. The final one closes the connection: some proxies take the first answer for
    /// the last, and wait for that.
    was_announced: bool,
    grant: Grant,
}

/// What a request wants of an append.
struct Wanted {
    start: Start,
    intent: AppendRequest,
    completes: Completes,
    excess: Excess,
    /// Where the upload is finished, another is meant.
    anew: bool,
}

/// Takes the body of an append.
struct BodyLength {
    exchange: Exchange,
    append: Append,
    completes: Completes,
    excess: Excess,
}

/// Does what `owner` asks for.
pub(super) fn carry_out(
    desk: &Arc<Desk>,
    head: &Head,
    dialect: Dialect,
    command: Command,
    owner: &str,
    grant: Grant,
) -> Action {
    let anew = matches!(command.target, Target::Anew(_));
    let (name, location) = match command.target {
        Target::Named(name) | Target::Anew(name) => (name, None),
        Target::New => match new_name() {
            Ok(name) => {
                let location = desk.terms.location(head, &name).into();
                (name.into(), Some(location))
            }
            Err(error) => {
                let refusal = Refusal::Store(store::Error::Io(error.into()));
                let response = dialect.reply(&desk.terms, Progress::default(), None, Err(refusal));
                return Action::Respond(grant.add_to(response));
            }
        },
    };
    let exchange = Exchange {
        desk: Arc::clone(desk),
        upload: desk.store.hold(&Id::new(owner.as_bytes(), &name)),
        dialect,
        location,
        was_announced: false,
        grant,
    };
    exchange.carry_out(command.verb, anew)
}

/// The id of an upload that is made here: 128 bits that nobody can guess, and that say nothing.
fn new_name() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bits)))
}

impl Exchange {
    fn carry_out(self, verb: Verb, anew: bool) -> Action {
        match verb {
            Verb::Status(question) => self.status(question),
            Verb::Append {
                start,
                intent,
                completes,
                excess,
            } => self.append(Wanted {
                start,
                intent,
                completes,
                excess,
                anew,
            }),
            Verb::Cancel => Action::Blocking(Box::new(move || {
                let result = self.desk.store.cancel(self.upload.id());
                if let Ok(true) = result {
                    self.desk.metrics.cancelled.fetch_add(1, Relaxed);
                }
                let result = result.map(|was_known| Outcome::Cancelled { was_known });
                let result = result.map_err(Refusal::from);
                Action::Respond(self.reply(Progress::default(), result))
            })),
        }
    }

    fn status(self, question: Question) -> Action {
        let settled = match question {
            // A fence waits for a running write.
            Question::Fence => None,
            Question::Tail | Question::About => self.upload.settled(),
        };
        match settled {
            Some(held) => Action::Respond(self.tell(held, question)),
            None => Action::Blocking(Box::new(move || {
                Action::Respond(match self.ask(question) {
                    Ok(held) => self.tell(held, question),
                    Err(error) => self.refuse(error),
                })
            })),
        }
    }

    fn ask(&self, question: Question) -> Result<Progress, store::Error> {
        if question == Question::Fence {
            self.upload.fence()?;
        }
        self.held()
    }

    fn append(self, wanted: Wanted) -> Action {
        let is_finished = |held: Progress| held.complete;
        if wanted.anew && self.upload.settled().is_none_or(is_finished) {
            return Action::Blocking(Box::new(move || self.begin_anew(wanted)));
        }
        let location = self.location.as_deref();
        match location.and_then(|location| self.dialect.interim(&self.desk.terms, location)) {
            None => self.begin(wanted, None),
            Some(interim) => Action::Blocking(Box::new(move || self.announce(wanted, interim))),
        }
    }

    /// What is finished is forgotten before the first byte comes: after a crash in between they could not be told apart.
    fn begin_anew(self, wanted: Wanted) -> Action {
        let store = &self.desk.store;
        match self.held().and_then(|_| store.forget(self.upload.id())) {
            Ok(()) => self.begin(wanted, None),
            Err(error) => Action::Respond(self.refuse(error)),
        }
    }

    /// Makes an upload before its body is read, so that it can be said where it is.
    fn announce(mut self, wanted: Wanted, interim: Response) -> Action {
        let declared = AppendRequest {
            body_digest: None,
            incoming: store::BodyLength::Nothing,
            ..wanted.intent.clone()
        };
        let made = self.desk.store.append_with(self.upload.id(), 0, declared);
        match made.and_then(|made| made.finish(Completes::AtLength)) {
            Ok(_) => {
                self.was_announced = true;
                self.begin(wanted, Some(interim))
            }
            Err(error) => Action::Respond(self.refuse(error)),
        }
    }

    fn begin(self, wanted: Wanted, interim: Option<Response>) -> Action {
        let Wanted {
            start,
            intent,
            completes,
            excess,
            ..
        } = wanted;
        match self.desk.store.append_with(self.upload.id(), start, intent) {
            Ok(append) => Action::Receive {
                interim,
                sink: Box::new(BodyLength {
                    exchange: self,
                    append,
                    completes,
                    excess,
                }),
            },
            Err(error) if is_fatal(&error, excess) => Action::Blocking(Box::new(move || {
                // An upload that was full before is published, and so stays.
                Action::Respond(match self.held() {
                    Ok(_) => self.spoil(error),
                    Err(error) => self.reply(Progress::default(), Err(error.into())),
                })
            })),
            Err(error) => match self.upload.settled() {
                Some(held) => Action::Respond(self.reply(held, Err(error.into()))),
                None => Action::Blocking(Box::new(move || Action::Respond(self.refuse(error)))),
            },
        }
    }

    fn tell(&self, held: Progress, question: Question) -> Response {
        let outcome = match question {
            Question::Tail => self.upload.tail(held).map(Outcome::Tail),
            Question::About | Question::Fence => self.upload.about().map(Outcome::About),
        };
        self.reply(held, outcome.map_err(Refusal::from))
    }

    /// What is held, durably.
    fn held(&self) -> Result<Progress, store::Error> {
        let (held, published) = self.upload.status()?;
        published.iter().for_each(|file| self.desk.completed(file));
        Ok(held)
    }

    /// A refusal says how much is held, so that has to be true first.
    fn refuse(&self, refusal: impl Into<Refusal>) -> Response {
        let refusal = refusal.into();
        if let Refusal::Store(store::Error::NotPublished(_) | store::Error::Displaced(_)) = refusal
        {
            return self.reply(Progress::default(), Err(refusal));
        }
        match self.held() {
            Ok(held) => self.reply(held, Err(refusal)),
            Err(error) => self.reply(Progress::default(), Err(error.into())),
        }
    }

    /// Refuses the upload and removes it, unless it is complete. The upload may be full by now; it is not published.
    fn spoil(&self, error: store::Error) -> Response {
        match self.upload.glance() {
            Ok(held) if held.complete => self.reply(held, Err(error.into())),
            Ok(_) => match self.desk.store.cancel(self.upload.id()) {
                Ok(_) => self.reply(Progress::default(), Err(error.into())),
                Err(error) => self.refuse(error),
            },
            Err(error) => self.reply(Progress::default(), Err(error.into())),
        }
    }

    fn reply(&self, held: Progress, result: Result<Outcome, Refusal>) -> Response {
        if let Err(Refusal::Store(error @ (store::Error::Io(_) | store::Error::Poisoned))) = &result
        {
            log::error!("{}: {error}", self.upload.id().key());
        }
        let location = self.location.as_deref();
        let response = self.dialect.reply(&self.desk.terms, held, location, result);
        let response = self.grant.add_to(response);
        if self.was_announced {
            response.closing()
        } else {
            response
        }
    }
}

fn is_fatal(error: &store::Error, excess: Excess) -> bool {
    excess == Excess::Fatal && matches!(error, store::Error::Overshoot { .. })
}

impl BodySink for BodyLength {
    fn write(&mut self, window: &[u8]) -> Result<(), Response> {
        self.append.write(window).map_err(|error| {
            if is_fatal(&error, self.excess) {
                self.exchange.spoil(error)
            } else {
                self.exchange.refuse(error)
            }
        })
    }

    fn end_blocks(&self) -> bool {
        self.exchange.desk.store.is_durable() || self.append.is_checked()
    }

    fn end(self: Box<Self>, ended: BodyEnd) -> Response {
        let BodyLength {
            exchange,
            append,
            completes,
            ..
        } = *self;
        let cut = match ended {
            BodyEnd::Complete => return exchange.finish(append, completes),
            BodyEnd::Cut | BodyEnd::TimedOut => Refusal::TimedOut,
            BodyEnd::Malformed(reason) => Refusal::Malformed(reason),
        };
        append
            .cut()
            .iter()
            .for_each(|file| exchange.desk.completed(file));
        if ended == BodyEnd::Cut {
            return Response::new(408);
        }
        exchange.refuse(cut)
    }
}

impl Exchange {
    fn finish(self, append: Append, completes: Completes) -> Response {
        match append.finish(completes) {
            Ok(finished) => {
                (finished.published.iter()).for_each(|file| self.desk.completed(file));
                self.reply(finished.held, Ok(Outcome::Appended(finished)))
            }
            Err(error) => self.refuse(error),
        }
    }
}
