//! Requests in, commands out; outcomes in, answers out. Nothing here does anything: no files, no
//! sockets, no clock.
//!
//! A dialect is one file with two functions, `read` and `reply`. Where dialects truly differ the
//! difference is data in the [`Command`].
//!
//! | path | dialect |
//! | --- | --- |
//! | `/status`, `/upload` | `file_id`: the article's `X-File-Id` |
//! | `/files`, `/files/...` | `tus`: `Tus-Resumable`; `ietf`: the draft "Resumable Uploads for HTTP"; `plain`: `PUT`, and what `curl` can say |
//! | `/health`, `/recent` | none: `health`, `recent` |
//! | everything else | `page`: the browser page, or 404 |
//!
//! Who may ask at all is decided before: `host`, `origin`, `users`.

pub(crate) mod access;
pub(crate) mod command;
mod dialects;
pub(crate) mod pages;
mod parse;
mod problem;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub(crate) mod terms;

use crate::http::{Head, Response};
use crate::store::Progress;
use command::{Command, Outcome, Refusal};
use dialects::{form, ietf, plain, tus, x_file_id};
use pages::page;
use parse::target::{self, Place};
use terms::Terms;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    FileId,
    Tus,
    Ietf(ietf::Said),
    Plain(plain::Said),
}

/// Reads a request: how it is said, and what it asks for. An error is its answer: there is nothing
/// to carry out.
pub(crate) fn read(head: &Head, terms: &Terms) -> (Dialect, Result<Command, Response>) {
    let dialect = Dialect::of(head);
    if let Some(refusal) = form::refuse(head, terms) {
        return (dialect, Err(refusal));
    }
    let command = match (dialect, head.path()) {
        (Dialect::FileId, x_file_id::STATUS | x_file_id::UPLOAD) => x_file_id::read(head),
        (Dialect::FileId, _) => Err(page::respond(head)),
        _ if head.method() == "OPTIONS" => Err(options(head, terms)),
        (Dialect::Tus, _) => tus::read(head),
        (Dialect::Ietf(said), _) => ietf::read(said, head),
        (Dialect::Plain(_), _) => plain::read(head),
    };
    (dialect, command)
}

/// What is spoken among the files, for who asks.
fn options(head: &Head, terms: &Terms) -> Response {
    let said = ietf::Said::in_head(head);
    tus::offer(terms, ietf::offer(said, terms, Response::new(200)))
}

impl Dialect {
    /// The page has none of its own: what it is refused is said as to its own requests.
    fn of(head: &Head) -> Dialect {
        match Place::of(head) {
            None => Dialect::FileId,
            Some(place) => Dialect::among_files(head, &place),
        }
    }

    /// By what only one of them says; else by what is most likely meant.
    fn among_files(head: &Head, place: &Place) -> Dialect {
        let is_named = matches!(place, Place::One(id) if !target::is_made(id));
        let is_plain = match head.method() {
            "PUT" => true,
            "HEAD" | "GET" | "DELETE" => is_named,
            _ => false,
        };
        if tus::is_meant(head) {
            Dialect::Tus
        } else if plain::is_meant(head) {
            Dialect::Plain(plain::Said::in_head(head))
        } else if ietf::is_meant(head) {
            Dialect::Ietf(ietf::Said::in_head(head))
        } else if is_plain {
            Dialect::Plain(plain::Said::in_head(head))
        } else if tus::is_like(head) {
            Dialect::Tus
        } else {
            Dialect::Ietf(ietf::Said::in_head(head))
        }
    }

    /// Says what came of a command. `held` is what a client may rely on now, `location` where the
    /// upload is, if it was made.
    pub(crate) fn reply(
        self,
        terms: &Terms,
        held: Progress,
        location: Option<&str>,
        result: Result<Outcome, Refusal>,
    ) -> Response {
        match self {
            Dialect::FileId => x_file_id::reply(held, result),
            Dialect::Tus => tus::reply(held, location, result),
            Dialect::Ietf(said) => ietf::reply(said, terms, held, location, result),
            Dialect::Plain(said) => plain::reply(said, held, result),
        }
    }

    /// What is said before the body of an upload at `location` is read, where something is. The
    /// upload has to be there by then.
    pub(crate) fn interim(self, terms: &Terms, location: &str) -> Option<Response> {
        match self {
            Dialect::FileId | Dialect::Tus | Dialect::Plain(_) => None,
            Dialect::Ietf(said) => ietf::interim(said, terms, location),
        }
    }
}
