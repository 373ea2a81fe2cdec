//! One request from head to reply: the only place where requests and files meet.
//!
//! A request is admitted (host, origin, user), read by its dialect, authorized, carried out by the
//! store, and answered by its dialect. What waits for the disk is put off until a turn that may.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::housekeeper::{Housekeeper, OnComplete};
use crate::http::{Action, Ended, Framing, Head, Receiver, Response, Service};
use crate::protocol::command::{Command, Outcome, Refusal, Verb};
use crate::protocol::host::Hosts;
use crate::protocol::origin::{Grant, Origins};
use crate::protocol::users::Users;
use crate::protocol::{self, Dialect};
use crate::store::{self, Append, Completes, Held, Hold, Id, Intent, OpenError, Store};

pub(crate) type Authorize = Box<dyn Fn(&Head, &Command) -> bool + Send + Sync>;

/// Who may upload, how uploads are stored, and what happens when one is complete.
#[derive(Default)]
pub struct Options {
    pub(crate) store: store::Options,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) users: Users,
    pub(crate) authorize: Option<Authorize>,
    pub(crate) on_complete: Option<OnComplete>,
}

/// Uploads into one directory, for a program that has its own server.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use resumed::{Head, Options, Uploads};
///
/// let uploads = Uploads::open(dir.path(), Options::default())?;
/// let id = "a.txt-5-1700000000000";
/// let fields = [("Host", "localhost"), ("X-File-Id", id), ("Content-Length", "5")];
/// let head = Head::from_parts("POST", "/upload", fields)?;
/// let response = uploads.handle(&head, &mut &b"hello"[..]);
/// assert_eq!(response.status(), 200);
/// assert_eq!(std::fs::read(dir.path().join("a.txt"))?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Uploads {
    desk: Arc<Desk>,
}

/// What every request needs, also those that outlive their head.
struct Desk {
    store: Store,
    hosts: Hosts,
    origins: Origins,
    users: Users,
    authorize: Option<Authorize>,
    housekeeper: Housekeeper,
}

/// One request that was read: enough to answer it whenever its answer is known.
struct Exchange {
    desk: Arc<Desk>,
    upload: Hold,
    dialect: Dialect,
    grant: Grant,
}

/// Takes the body of an append.
struct Incoming {
    exchange: Exchange,
    append: Append,
    completes: Completes,
}

/// Bytes that [`Uploads::handle`] moves at once.
const WINDOW_BYTES: usize = 256 * 1024;

impl Uploads {
    /// Opens `dir`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When another server has `dir`, or it cannot be written.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Uploads, OpenError> {
        let mark_hooks = options.on_complete.is_some();
        let store = Store::open(
            dir,
            store::Options {
                mark_hooks,
                ..options.store
            },
        )?;
        let housekeeper = Housekeeper::start(store.clone(), options.on_complete);
        let own_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let desk = Desk {
            store,
            hosts: Hosts::new(options.hosts.into_iter().chain([own_name])),
            origins: Origins::new(options.origins),
            users: options.users,
            authorize: options.authorize,
            housekeeper,
        };
        Ok(Uploads {
            desk: Arc::new(desk),
        })
    }

    /// Answers a request whose head was read by somebody else. Blocks as long as `body` does.
    ///
    /// `body` yields the body without its transfer coding. If it ends before the length that the
    /// head announces, or fails, the upload was cut: what came is kept, and nobody is left to
    /// read the answer.
    pub fn handle(&self, head: &Head, body: &mut dyn Read) -> Response {
        match self.respond(head) {
            Action::Respond(response) => response,
            Action::Consult(answer) => answer(),
            Action::Receive { receiver, .. } => pump(receiver, head.framing(), body),
        }
    }
}

impl Service for Uploads {
    fn respond(&self, head: &Head) -> Action {
        let grant = self.desk.origins.grant(head);
        match self.desk.admit(head) {
            Ok((dialect, command, owner)) => {
                let desk = Arc::clone(&self.desk);
                let upload = desk.store.hold(&Id::new(owner.as_bytes(), &command.id));
                Exchange {
                    desk,
                    upload,
                    dialect,
                    grant,
                }
                .carry_out(command.verb)
            }
            Err(response) => Action::Respond(grant.add_to(response)),
        }
    }
}

impl Desk {
    /// Who asks for what. An error is the answer.
    fn admit(&self, head: &Head) -> Result<(Dialect, Command, &str), Response> {
        self.hosts.check(head)?;
        if let Some(preflight) = self.origins.preflight(head) {
            return Err(preflight);
        }
        self.origins.check(head)?;
        let user = self.users.authenticate(head);
        let read = protocol::read(head);
        let Ok(owner) = user else {
            let dialect = read.map_or(Dialect::FileId, |(dialect, _)| dialect);
            return Err(dialect.reply(Held::default(), Err(Refusal::Unauthenticated)));
        };
        let (dialect, command) = read?;
        if self
            .authorize
            .as_ref()
            .is_some_and(|may| !may(head, &command))
        {
            return Err(dialect.reply(Held::default(), Err(Refusal::Forbidden)));
        }
        Ok((dialect, command, owner))
    }
}

impl Exchange {
    fn carry_out(self, verb: Verb) -> Action {
        match verb {
            Verb::Status => match self.upload.settled() {
                Some(held) => Action::Respond(self.tell_status(held)),
                None => Action::Consult(Box::new(move || match self.upload.status() {
                    Ok(held) => self.tell_status(held),
                    Err(error) => self.refuse(error),
                })),
            },
            Verb::Append {
                start,
                intent,
                completes,
            } => self.append(start, intent, completes),
            Verb::Cancel => Action::Consult(Box::new(move || {
                let result = self.desk.store.cancel(self.upload.id());
                let result = result.map(|()| Outcome::Cancelled).map_err(Refusal::from);
                self.reply(Held::default(), result)
            })),
        }
    }

    fn append(self, start: u64, intent: Intent, completes: Completes) -> Action {
        match self.desk.store.append_with(self.upload.id(), start, intent) {
            Ok(append) => Action::Receive {
                interim: None,
                receiver: Box::new(Incoming {
                    exchange: self,
                    append,
                    completes,
                }),
            },
            Err(error) => match self.upload.settled() {
                Some(held) => Action::Respond(self.reply(held, Err(error.into()))),
                None => Action::Consult(Box::new(move || self.refuse(error))),
            },
        }
    }

    fn tell_status(&self, held: Held) -> Response {
        match self.upload.tail(held) {
            Ok(tail) => self.reply(held, Ok(Outcome::Status(held, tail))),
            Err(error) => self.reply(held, Err(error.into())),
        }
    }

    /// A refusal says how much is held, so that has to be true first.
    fn refuse(&self, refusal: impl Into<Refusal>) -> Response {
        match self.upload.status() {
            Ok(held) => self.reply(held, Err(refusal.into())),
            Err(error) => self.reply(Held::default(), Err(error.into())),
        }
    }

    fn reply(&self, held: Held, result: Result<Outcome, Refusal>) -> Response {
        if let Err(Refusal::Store(error @ (store::Error::Io(_) | store::Error::Broken))) = &result {
            log::error!("{}: {error}", self.upload.id().key());
        }
        self.grant.add_to(self.dialect.reply(held, result))
    }
}

impl Receiver for Incoming {
    fn write(&mut self, window: &[u8]) -> Result<(), Response> {
        self.append
            .write(window)
            .map_err(|error| self.exchange.refuse(error))
    }

    fn end_waits(&self) -> bool {
        self.exchange.desk.store.is_durable()
    }

    fn end(self: Box<Self>, ended: Ended) -> Response {
        let Incoming {
            exchange,
            append,
            completes,
        } = *self;
        let cut = match ended {
            Ended::Whole => return exchange.finish(append, completes),
            Ended::Cut | Ended::TimedOut => Refusal::TimedOut,
            Ended::Malformed(reason) => Refusal::Malformed(reason),
        };
        append.cut();
        if ended == Ended::Cut {
            return Response::new(408);
        }
        exchange.refuse(cut)
    }
}

impl Exchange {
    fn finish(&self, append: Append, completes: Completes) -> Response {
        match append.finish(completes) {
            Ok(finished) => {
                if let Some(completed) = finished.published {
                    log::info!(
                        "{} is complete: {} bytes",
                        completed.path.display(),
                        completed.length
                    );
                    self.desk.housekeeper.completed(completed);
                }
                self.reply(finished.held, Ok(Outcome::Appended(finished.held)))
            }
            Err(error) => self.refuse(error),
        }
    }
}

/// Moves a body whose reader blocks.
fn pump(mut receiver: Box<dyn Receiver>, framing: Framing, body: &mut dyn Read) -> Response {
    let mut left = match framing {
        Framing::Length(length) => length,
        Framing::Chunked => u64::MAX,
    };
    let mut buffer = vec![0; WINDOW_BYTES.min(usize::try_from(left).unwrap_or(WINDOW_BYTES))];
    while left > 0 {
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        match body.read(&mut buffer[..most]) {
            Ok(0) => break,
            Ok(count) => {
                left -= count as u64;
                if let Err(response) = receiver.write(&buffer[..count]) {
                    return response;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return receiver.end(Ended::Cut),
        }
    }
    let whole = left == 0 || framing == Framing::Chunked;
    receiver.end(if whole { Ended::Whole } else { Ended::Cut })
}
