//! Requests in, commands out; outcomes in, answers out. Nothing here does anything: no files, no
//! sockets, no clock.
//!
//! A dialect is one file with two functions, `read` and `reply`. Where dialects truly differ the
//! difference is data in the [`Command`].
//!
//! | path | dialect |
//! | --- | --- |
//! | `/status`, `/upload` | `file_id`: the article's `X-File-Id` |
//! | `/files`, `/files/...` | `tus`: `Tus-Resumable` |
//! | everything else | `page`: the browser page, or 404 |
//!
//! Who may ask at all is decided before: `host`, `origin`, `users`.

pub(crate) mod command;
mod fields;
mod file_id;
mod files;
pub(crate) mod host;
mod named;
pub(crate) mod origin;
mod page;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub(crate) mod terms;
mod tus;
pub(crate) mod users;

use crate::http::{Head, Response};
use crate::store::Held;
use command::{Command, Outcome, Refusal};
use files::Place;
use terms::Terms;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    FileId,
    Tus,
}

/// Reads a request: how it is said, and what it asks for. An error is its answer: there is nothing
/// to carry out.
pub(crate) fn read(head: &Head, terms: &Terms) -> (Dialect, Result<Command, Response>) {
    let dialect = Dialect::of(head);
    let command = match (dialect, head.path()) {
        (Dialect::FileId, file_id::STATUS | file_id::UPLOAD) => file_id::read(head),
        (Dialect::FileId, _) => Err(page::respond(head)),
        _ if head.method() == "OPTIONS" => Err(options(terms)),
        (Dialect::Tus, _) => tus::read(head),
    };
    (dialect, command)
}

/// What is spoken among the files, for who asks.
fn options(terms: &Terms) -> Response {
    tus::offer(terms, Response::new(200))
}

impl Dialect {
    /// The page has none of its own: what it is refused is said as to its own requests.
    fn of(head: &Head) -> Dialect {
        match Place::of(head) {
            None => Dialect::FileId,
            Some(_) => Dialect::Tus,
        }
    }

    /// Says what came of a command. `held` is what a client may rely on now, `location` where the
    /// upload is, if it was made.
    pub(crate) fn reply(
        self,
        held: Held,
        location: Option<&str>,
        result: Result<Outcome, Refusal>,
    ) -> Response {
        match self {
            Dialect::FileId => file_id::reply(held, result),
            Dialect::Tus => tus::reply(held, location, result),
        }
    }
}
