//! Requests in, commands out; outcomes in, answers out. Nothing here does anything: no files, no
//! sockets, no clock.
//!
//! A dialect is one file with two functions, `read` and `reply`. Where dialects truly differ the
//! difference is data in the [`Command`].
//!
//! | path | dialect |
//! | --- | --- |
//! | `/status`, `/upload` | `file_id`: the article's `X-File-Id` |
//! | everything else | `page`: the browser page, or 404 |
//!
//! Who may ask at all is decided before: `host`, `origin`, `users`.

pub(crate) mod command;
mod file_id;
pub(crate) mod host;
pub(crate) mod origin;
mod page;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub(crate) mod users;

use crate::http::{Head, Response};
use crate::store::Held;
use command::{Command, Outcome, Refusal};

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    FileId,
}

/// Reads a request. An error is its answer: there is nothing to carry out.
pub(crate) fn read(head: &Head) -> Result<(Dialect, Command), Response> {
    match head.path() {
        file_id::STATUS | file_id::UPLOAD => Ok((Dialect::FileId, file_id::read(head)?)),
        _ => Err(page::respond(head)),
    }
}

impl Dialect {
    /// Says what came of a command. `held` is what a client may rely on now.
    pub(crate) fn reply(self, held: Held, result: Result<Outcome, Refusal>) -> Response {
        match self {
            Dialect::FileId => file_id::reply(held, result),
        }
    }
}
