//! One command, from its route to the response: the place where requests and the store meet.

use std::sync::Arc;

use crate::http::{Action, BodyEnd, BodySink, Head, PeerPermit, Refused, Response};
use crate::protocol::Dialect;
use crate::protocol::access::cors::CorsHeaders;
use crate::protocol::command::{AppendCommand, Operation, Outcome, StatusQuery, Target};
use crate::protocol::refusal::Refusal;
use crate::store::{
    self, Append, AppendRequest, Completes, Id, Progress, RefusedWindow, UploadHandle,
};

use super::access_log::RequestLog;
use super::context::{Context, Route};
use super::metrics::InTransfer;
use super::recent;

/// A request without its head: all that the response needs.
struct Exchange {
    context: Arc<Context>,
    id: Id,
    /// Keeps the upload in memory, so that its files are read once.
    upload: Arc<UploadHandle>,
    dialect: Dialect,
    /// The address of the upload, if this request generates its id.
    location: Option<Box<str>>,
    /// True after an interim response. The final response then closes the connection: some proxies take the first
    /// response for the last, and wait for the end.
    interim_sent: bool,
    cors: CorsHeaders,
    log: RequestLog,
    _permit: PeerPermit,
}

/// The destination of the body of an append.
struct UploadSink {
    _in_transfer: InTransfer,
    exchange: Exchange,
    append: Append,
    refused: Option<RefusedWindow>,
    completes: Completes,
    discard_on_overflow: bool,
}

pub(super) fn handle(
    context: &Arc<Context>,
    head: &Head,
    (dialect, command, client): Route<'_>,
    cors: CorsHeaders,
    log: RequestLog,
) -> Action {
    let restarts = matches!(command.target, Target::Restart(_));
    let (id, location, failure) = match command.target {
        Target::Id(id) | Target::Restart(id) => (id, None, None),
        Target::Generated => match generate_id() {
            Ok(id) => {
                let location = context.server.location(head, &id).into();
                (id.into_bytes(), Some(location), None)
            }
            Err(error) => (Vec::new(), None, Some(store::Error::Io(error.into()))),
        },
        Target::All => (Vec::new(), None, None),
    };
    let account = client.account();
    let id = Id::new(client.owner.as_bytes(), &id);
    let mut exchange = Exchange {
        context: Arc::clone(context),
        upload: context.store.upload(&id),
        id,
        dialect,
        location,
        interim_sent: false,
        cors,
        log,
        _permit: client.permit,
    };
    if let Some(error) = failure {
        return Action::Respond(exchange.refuse_unknown(error));
    }
    match command.operation {
        Operation::Status(query) => exchange.status(query),
        Operation::Append(mut append) => {
            append.request.account = account;
            if restarts {
                exchange.restart(append)
            } else {
                exchange.append(append)
            }
        }
        Operation::Cancel => blocking(move || exchange.cancel()),
        Operation::List => recent::respond(
            context,
            head,
            (client.user, client.owner),
            exchange.cors,
            exchange.log,
        ),
    }
}

/// Returns 128 random bits in hexadecimal: an id that cannot be guessed.
fn generate_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bits)))
}

fn blocking(respond: impl FnOnce() -> Response + Send + 'static) -> Action {
    Action::Blocking(Box::new(move || Action::Respond(respond())))
}

impl Exchange {
    fn status(mut self, query: StatusQuery) -> Action {
        // A fence waits for a running write.
        let progress = if query.fence {
            None
        } else {
            self.upload.durable_progress(&self.id)
        };
        match progress {
            Some(progress) => Action::Respond(self.describe(progress, query)),
            None => blocking(move || match self.status_after_sync(query) {
                Ok(progress) => self.describe(progress, query),
                Err(error) => self.refuse(error),
            }),
        }
    }

    fn status_after_sync(&self, query: StatusQuery) -> Result<Progress, store::Error> {
        if query.fence {
            self.upload.fence()?;
        }
        self.progress()
    }

    fn describe(&mut self, progress: Progress, query: StatusQuery) -> Response {
        let outcome = if query.tail {
            self.upload.tail(progress).map(Outcome::Tail)
        } else {
            self.upload.info().map(Outcome::Info)
        };
        self.reply(progress, outcome.map_err(Refusal::from))
    }

    fn cancel(mut self) -> Response {
        let result = self.context.cancel(&self.id);
        let result = result.map(|existed| Outcome::Cancelled { existed });
        self.reply(Progress::default(), result.map_err(Refusal::from))
    }

    /// Forgets a complete upload before the first byte of the next one: otherwise a crash in between would mix the two.
    fn restart(mut self, append: AppendCommand) -> Action {
        match self.upload.durable_progress(&self.id) {
            Some(Progress {
                complete: false, ..
            }) => self.append(append),
            _ => Action::Blocking(Box::new(move || {
                let id = &self.id;
                match self.progress().and_then(|_| self.context.store.forget(id)) {
                    Ok(()) => self.append(append),
                    Err(error) => Action::Respond(self.refuse(error)),
                }
            })),
        }
    }

    fn append(self, append: AppendCommand) -> Action {
        let location = self.location.as_deref();
        match location.and_then(|location| self.dialect.interim(&self.context.server, location)) {
            None => self.receive(append, None),
            Some(interim) => Action::Blocking(Box::new(move || self.create_first(append, interim))),
        }
    }

    /// Creates the upload before its body is read: the interim response gives its address.
    /// Declares the length of the body too: limits depend on it.
    fn create_first(mut self, append: AppendCommand, interim: Response) -> Action {
        let declared = AppendRequest {
            body_digest: None,
            ..append.request.clone()
        };
        let created = (self.context.store).append_with(&self.id, append.start, declared);
        match created.and_then(|created| created.finish(Completes::AtLength)) {
            Ok(finished) => {
                (finished.published.iter()).for_each(|file| self.context.completed(file));
                self.interim_sent = true;
                self.receive(append, Some(interim))
            }
            Err(error) => Action::Respond(self.refuse(error)),
        }
    }

    fn receive(mut self, append: AppendCommand, interim: Option<Response>) -> Action {
        let AppendCommand {
            start,
            request,
            completes,
            discard_on_overflow,
        } = append;
        match (self.context.store).append_with(&self.id, start, request) {
            Ok(append) => {
                let sink = Box::new(UploadSink {
                    _in_transfer: InTransfer::begin(&self.context.metrics),
                    exchange: self,
                    append,
                    refused: None,
                    completes,
                    discard_on_overflow,
                });
                Action::Receive { interim, sink }
            }
            Err(error @ store::Error::Overshoot { .. }) if discard_on_overflow => {
                // A full upload is published here, so it is not discarded.
                blocking(move || match self.progress() {
                    Ok(_) => self.discard(error),
                    Err(error) => self.refuse_unknown(error),
                })
            }
            Err(error) => match self.upload.durable_progress(&self.id) {
                Some(progress) => Action::Respond(self.reply(progress, Err(error.into()))),
                None => blocking(move || self.refuse(error)),
            },
        }
    }

    /// Returns the durable progress. Reports a file that this publishes.
    fn progress(&self) -> Result<Progress, store::Error> {
        let (progress, published) = self.context.store.status_of(&self.upload, &self.id)?;
        published
            .iter()
            .for_each(|file| self.context.completed(file));
        Ok(progress)
    }

    /// Refuses with the durable progress.
    fn refuse(&mut self, refusal: impl Into<Refusal>) -> Response {
        let refusal = refusal.into();
        if let Refusal::Store(store::Error::NotPublished(_) | store::Error::Displaced(_)) = refusal
        {
            return self.refuse_unknown(refusal);
        }
        match self.progress() {
            Ok(progress) => self.reply(progress, Err(refusal)),
            Err(error) => self.refuse_unknown(error),
        }
    }

    /// Refuses without progress.
    fn refuse_unknown(&mut self, refusal: impl Into<Refusal>) -> Response {
        self.reply(Progress::default(), Err(refusal.into()))
    }

    /// Refuses and removes the upload, unless it is complete. A full upload is not published.
    fn discard(&mut self, error: store::Error) -> Response {
        match self.upload.discard() {
            Ok(progress) => self.reply(progress, Err(error.into())),
            Err(error) => self.refuse(error),
        }
    }

    fn finish(&mut self, append: Append, completes: Completes) -> Response {
        match append.finish(completes) {
            Ok(finished) => {
                (finished.published.iter()).for_each(|file| self.context.completed(file));
                self.reply(finished.progress, Ok(Outcome::Appended(finished)))
            }
            Err(error) => self.refuse(error),
        }
    }

    fn reply(&mut self, progress: Progress, result: Result<Outcome, Refusal>) -> Response {
        if let Err(Refusal::Store(error @ (store::Error::Io(_) | store::Error::Poisoned))) = &result
        {
            log::error!("{}: {error}", self.id.key());
        }
        if let Err(Refusal::Store(error)) = &result {
            self.context.metrics.refused(error);
        }
        let (server, location) = (&self.context.server, self.location.as_deref());
        let path = match progress.complete {
            true => self.upload.saved_path(&self.id),
            false => None,
        };
        let progress = (progress, path.as_deref());
        let response = self.dialect.reply(server, progress, location, result);
        let response = self.cors.add_to(response);
        self.log.answered(response.status());
        if self.interim_sent {
            response.closing()
        } else {
            response
        }
    }
}

impl BodySink for UploadSink {
    fn write_blocks(&self, bytes: usize) -> bool {
        self.append.write_blocks(bytes)
    }

    fn write(&mut self, window: &[u8]) -> Result<(), Refused> {
        self.exchange.log.received(window.len());
        self.append.try_write(window).map_err(|refused| {
            self.refused = Some(refused);
            Refused
        })
    }

    fn end_blocks(&self) -> bool {
        self.exchange.context.store.is_durable() || self.append.is_checked()
    }

    fn end(self: Box<Self>, end: BodyEnd) -> Response {
        let UploadSink {
            mut exchange,
            mut append,
            refused,
            completes,
            discard_on_overflow,
            ..
        } = *self;
        if let Some(refused) = refused {
            return match append.clean_up(refused) {
                error @ store::Error::Overshoot { .. } if discard_on_overflow => {
                    exchange.discard(error)
                }
                error => exchange.refuse(error),
            };
        }
        if end == BodyEnd::Complete {
            return exchange.finish(append, completes);
        }
        (append.cut().iter()).for_each(|file| exchange.context.completed(file));
        match end {
            BodyEnd::Malformed(reason) => exchange.refuse(Refusal::Malformed(reason)),
            BodyEnd::TimedOut => exchange.refuse(Refusal::TimedOut),
            BodyEnd::TooSlow { bytes_per_sec } => exchange.refuse(Refusal::TooSlow(bytes_per_sec)),
            BodyEnd::Complete | BodyEnd::Refused | BodyEnd::Cut => Response::new(408),
        }
    }
}
